package app

import (
	"context"
	"maps"
	"slices"

	"berth/domain"
	"berth/store"
)

// Containers are the use cases on containers. Owners see and change their own, administrators all; what an actor may not see is
// NotFound. Of environments answers carry the names alone.
type Containers struct{ *core }

// ContainerInput is a request for a container.
type ContainerInput struct {
	Name  string
	Site  string // name or ID; empty when there is one site only
	Owner string // user name; for administrators alone; empty = the actor's
	Spec  domain.Spec
	Node  string // name or ID of the wanted node; empty lets Berth choose

	Services []domain.ServiceSpec // what it exposes from the start
}

// ContainerFilter narrows a list of containers; empty fields match everything.
type ContainerFilter struct {
	Site  string // name or ID
	Node  string // name or ID
	Owner string // user name; others' are seen by administrators alone
	Name  string // or how it begins
	State domain.ContainerState
}

// Create reserves name, quota, address and MAC for a container, and has it provisioned. A request that repeats the key of an
// earlier one gets that one's container and operation.
func (s *Containers) Create(
	ctx context.Context, actor domain.Actor, in ContainerInput, key string,
) (made domain.Container, op domain.Operation, err error) {
	at := attempt{action: "container.create", resource: "container", name: in.Name}
	err = s.change(ctx, actor, at, toChange, func(at *attempt) error {
		c, home, err := s.request(ctx, actor, in)
		if err != nil {
			return err
		}
		digest, err := fingerprint(at.action, in.Name, in.Site, in.Owner, in.Node, anonymous(in.Spec), in.Services)
		if err != nil {
			return err
		}
		exposed, err := s.portsOf(ctx, c.Spec.Image, "services", in.Services)
		if err != nil {
			return err
		}
		out, err := s.once(ctx, actor, key, digest, func(tx *store.Store) (outcome, error) {
			return s.reserve(ctx, tx, actor, *at, c, home, exposed)
		})
		if err != nil {
			return err
		}
		made, op, err = s.begun(ctx, out)
		return err
	})
	return made, op, err
}

// request turns what was asked for into a container, or says everything that is wrong with it.
func (s *Containers) request(
	ctx context.Context, actor domain.Actor, in ContainerInput,
) (c domain.Container, home domain.Site, err error) {
	owner, err := s.ownerFor(ctx, actor, in.Owner)
	if err != nil {
		return c, home, err
	}
	var f fields
	if !domain.ValidHostname(in.Name) {
		f.fail("name", "must be 1 to 63 of a-z, 0-9 and -, and start and end with a letter or digit")
	}
	spec := in.Spec.WithDefaults()
	f.add(spec.Validate())
	if img, err := domain.ParseImage(spec.Image); err == nil {
		spec.Image = img.String()
	}
	home, err = siteOrOnly(ctx, s.Store, in.Site)
	if err != nil {
		if err := f.name("site", err); err != nil {
			return c, home, err
		}
		return c, home, f.err("the container")
	}
	if in.Node == "" {
		in.Node = spec.NodeID
	}
	if in.Node != "" {
		wanted, err := node(ctx, s.Store, home.ID, in.Node)
		if err != nil {
			if err := f.name("node", err); err != nil {
				return c, home, err
			}
		}
		spec.NodeID = wanted.ID
	}
	spec.Env = maps.Clone(spec.Env)
	c = domain.Container{
		Name: in.Name, SiteID: home.ID, Owner: owner, Spec: spec, State: domain.ContainerProvisioning, WantPower: domain.PowerRunning,
	}
	return c, home, f.err("the container")
}

// reserve writes the intent: container, reservation, services, operation and audit entry, in one transaction. The quota comes first: its
// lock is that of the owner, and lets the requests of others pass.
func (s *Containers) reserve(
	ctx context.Context, tx *store.Store, actor domain.Actor, at attempt, c domain.Container, home domain.Site,
	exposed []domain.ServiceSpec,
) (outcome, error) {
	add, err := services(ctx, tx, c.Name, "services", exposed)
	if err != nil {
		return outcome{}, err
	}
	if err := tx.CheckQuota(ctx, c.Owner, c.Spec); err != nil {
		return outcome{}, err
	}
	c.ID = domain.NewID()
	op := operationOn(c, actor, domain.OpProvision)
	c.Operation = op.ID
	if err := tx.Reserve(ctx, home, &c); err != nil {
		return outcome{}, err
	}
	if err := tx.CreateContainer(ctx, &c); err != nil {
		return outcome{}, err
	}
	if len(add) > 0 {
		if _, _, err := tx.ChangeServices(ctx, c, add, nil); err != nil {
			return outcome{}, err
		}
	}
	if err := tx.CreateOperation(ctx, &op); err != nil {
		return outcome{}, err
	}
	at.resourceID = c.ID
	return outcome{container: c, operation: &op}, s.did(ctx, tx, actor, at,
		"for "+c.Owner+" from "+c.Spec.Image+", address "+c.Address)
}

// begun starts what was committed, and returns it as the caller may see it.
func (s *Containers) begun(ctx context.Context, out outcome) (domain.Container, domain.Operation, error) {
	if out.container.ID == "" {
		return domain.Container{}, domain.Operation{},
			domain.Errorf(domain.NotFound, "the container that an earlier request with this Idempotency-Key made is gone")
	}
	if out.operation == nil {
		return shown(out.container), domain.Operation{}, nil
	}
	s.launch(ctx, *out.operation, out.container, s.patienceFor(out))
	return shown(out.container), *out.operation, nil
}

// Get returns a container by ID or by name. A name resolves within a site when one is given, else it must be unique.
func (s *Containers) Get(ctx context.Context, actor domain.Actor, ref, siteRef string) (domain.Container, error) {
	if err := s.read(ctx, actor, attempt{action: "container.get", resource: "container", name: ref}, toRead); err != nil {
		return domain.Container{}, err
	}
	c, err := container(ctx, s.Store, actor, ref, siteRef)
	if err != nil {
		return domain.Container{}, err
	}
	return shown(c), nil
}

// List returns the containers that the actor may see.
func (s *Containers) List(
	ctx context.Context, actor domain.Actor, filter ContainerFilter, page Page,
) (List[domain.Container], error) {
	if err := s.read(ctx, actor, attempt{action: "container.list", resource: "container"}, toRead); err != nil {
		return List[domain.Container]{}, err
	}
	if !actor.Admin {
		if filter.Owner != "" && filter.Owner != actor.User {
			return List[domain.Container]{}, nil
		}
		filter.Owner = actor.User
	}
	f := store.ContainerFilter{Owner: filter.Owner, State: filter.State, Name: filter.Name}
	if filter.Site != "" {
		found, err := site(ctx, s.Store, filter.Site)
		if err != nil {
			return List[domain.Container]{}, err
		}
		f.SiteID = found.ID
	}
	if filter.Node != "" {
		found, err := node(ctx, s.Store, f.SiteID, filter.Node)
		if err != nil {
			return List[domain.Container]{}, err
		}
		f.NodeID = found.ID
	}
	return listOf(s.Store.Containers(ctx, f, page.stored()))
}

// shown is a container as answers carry it: the values of its environment are write-only.
func shown(c domain.Container) domain.Container {
	c.Spec = anonymous(c.Spec)
	return c
}

func anonymous(s domain.Spec) domain.Spec {
	if s.Env == nil {
		return s
	}
	names := make(map[string]string, len(s.Env))
	for name := range s.Env {
		names[name] = ""
	}
	s.Env = names
	return s
}

// freeName is nil when no other container holds or still releases a name in a site. The store refuses a taken name too, but
// not before the workflow that is to take it runs.
func freeName(ctx context.Context, db *store.Store, siteID, containerID, name string) error {
	held, err := db.Reservations(ctx, siteID)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(held, func(r store.Reservation) bool { return r.Hostname == name && r.ContainerID != containerID }) {
		return nil
	}
	return &domain.Error{
		Kind: domain.Conflict, Message: "the name " + name + " is taken in this site",
		Fields: []domain.FieldError{{Field: "name", Rule: "must be unique in the site"}},
	}
}
