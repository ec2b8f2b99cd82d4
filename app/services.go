package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"berth/domain"
	"berth/store"
)

// ServicesChange is what to add to and to remove from what a container exposes: all of it, or nothing.
type ServicesChange struct {
	Add    []domain.ServiceSpec
	Remove []string // IDs, or what the services are reached by: a public name, "tcp/2001", the name of an SRV record
}

// ServiceStatus is a service beside what edges say about it.
type ServiceStatus struct {
	domain.Service
	Message     string // why it is failing, in the words of the edge that leaves it out
	Edges       []domain.ServedBy
	Certificate domain.Certificate // that its host is served with; the zero value means the edges' self-signed ones, or no TLS
	// Missing says why there is no certificate of an authority yet, in the words of who refused; empty while the first try runs.
	Missing string
	Public  PublicRecords // the zero value means that the name needs none of its own
}

// PublicRecords are the records that public DNS is to have for the name of a service.
type PublicRecords struct {
	State   PublicRecordsState
	Records []domain.DNSRecord
	Message string // why they could not be written, in the provider's words
}

// PublicRecordsState tells how far public records are.
type PublicRecordsState string

// The states of public records.
const (
	RecordsPending PublicRecordsState = "pending" // not written yet
	RecordsWritten PublicRecordsState = "written"
	RecordsFailing PublicRecordsState = "failing" // the provider refused; it is tried again
	RecordsManual  PublicRecordsState = "manual"  // an administrator has to make them
)

// Services lists what a container exposes, with the state that edges give it.
func (s *Containers) Services(ctx context.Context, actor domain.Actor, ref, siteRef string) ([]ServiceStatus, error) {
	if err := s.read(ctx, actor, attempt{action: "service.list", resource: resourceContainer, name: ref}, toRead); err != nil {
		return nil, err
	}
	c, err := container(ctx, s.Store, actor, ref, siteRef)
	if err != nil {
		return nil, err
	}
	services, err := s.Store.Services(ctx, c.ID)
	if err != nil || len(services) == 0 {
		return nil, err
	}
	edges, err := store.All(func(p store.Page) ([]domain.Edge, string, error) { return s.Store.Edges(ctx, c.SiteID, p) })
	if err != nil {
		return nil, err
	}
	certificates, err := store.All(func(p store.Page) ([]domain.Certificate, string, error) { return s.Store.Certificates(ctx, p) })
	if err != nil {
		return nil, err
	}
	domains, err := store.All(func(p store.Page) ([]domain.ExternalDomain, string, error) { return s.Store.ExternalDomains(ctx, p) })
	if err != nil {
		return nil, err
	}
	home, err := s.Store.Site(ctx, c.SiteID)
	if err != nil {
		return nil, err
	}
	published, err := s.Store.PublishedNames(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	all := make([]ServiceStatus, len(services))
	for i, v := range services {
		all[i] = ServiceStatus{Service: v, Edges: v.ServedBy(edges)}
		if v.Host != "" {
			all[i].Certificate = domain.CertificateFor(certificates, domains, v.Host, c.SiteID, s.Now())
			all[i].Missing = missingCertificate(certificates, v)
			all[i].Public = publicRecords(home, domain.DomainOf(domains, v.Host), published, v)
		}
		if by, refused := v.RefusedBy(edges); refused {
			all[i].State, all[i].Message = domain.ServiceFailing, "edge "+by.Edge+": "+by.Message
		}
	}
	return all, nil
}

// publicRecords tells what public DNS is to have for a service that is wanted, and whether it has it.
func publicRecords(home domain.Site, under domain.ExternalDomain, published []domain.PublishedName, v domain.Service) PublicRecords {
	out := PublicRecords{State: RecordsManual, Records: home.PublicRecords(v.Host)}
	held := v.State != domain.ServiceRemoving && v.State != domain.ServiceParked
	if !held || len(out.Records) == 0 || !under.RecordsAt(home.ID) {
		return PublicRecords{}
	}
	if !under.DNS.Writes() {
		return out
	}
	out.State = RecordsPending
	for _, name := range published {
		switch {
		case name.Name != v.Host:
		case name.Message != "":
			out.State, out.Message = RecordsFailing, name.Message
		case name.Has(domain.PublishedName{DomainID: under.ID, ContainerID: v.ContainerID, Records: out.Records}):
			out.State = RecordsWritten
		}
	}
	return out
}

// missingCertificate says why the certificate that was ordered for the name of a service is not there.
func missingCertificate(all []domain.Certificate, v domain.Service) string {
	for _, c := range all {
		if covers, _ := c.Covers(v.Host); covers && c.SiteID == v.SiteID && c.NotAfter.IsZero() {
			return c.Message
		}
	}
	return ""
}

// ChangeServices adds services to a container and removes others. Names and ports are reserved at once; the operation ends when
// edges serve the change, or with everything as it was.
func (s *Containers) ChangeServices(
	ctx context.Context, actor domain.Actor, ref, siteRef string, change ServicesChange, key string,
) (domain.Container, domain.Operation, error) {
	r := request{action: "service.change", ref: ref, site: siteRef, key: key, body: []any{change}}
	if permit(actor, toChange) == nil { // else operate says so
		if c, err := container(ctx, s.Store, actor, ref, siteRef); err == nil {
			if change.Add, err = s.portsOf(ctx, c.Spec.Image, "add", change.Add); err != nil {
				return domain.Container{}, domain.Operation{}, err
			}
		}
	}
	out, err := s.operate(ctx, actor, r, func(tx *store.Store, c *domain.Container) (*domain.Operation, error) {
		if err := ready(ctx, tx, *c); err != nil {
			return nil, err
		}
		return expose(ctx, tx, actor, *c, change)
	})
	if err != nil {
		return domain.Container{}, domain.Operation{}, err
	}
	if out.container.ID == "" {
		return domain.Container{}, domain.Operation{}, missing(resourceContainer, ref)
	}
	return shown(out.container), out.begun(), nil
}

// portsOf gives services without a port the one that their image names. The registry is asked only where that is needed.
func (s *Containers) portsOf(
	ctx context.Context, reference, field string, specs []domain.ServiceSpec,
) ([]domain.ServiceSpec, error) {
	if !slices.ContainsFunc(specs, func(v domain.ServiceSpec) bool { return v.Port == 0 }) {
		return specs, nil
	}
	img, err := domain.ParseImage(reference)
	var info domain.ImageInfo // a CT template tells nothing about itself
	if err == nil && !img.IsTemplate() {
		if info, err = s.Images.Inspect(ctx, img); err != nil {
			return nil, err
		}
	}
	var f fields
	specs = slices.Clone(specs)
	for i, v := range specs {
		if v.Port != 0 {
			continue
		}
		if specs[i].Port, err = info.PortFor(v.Kind); err != nil {
			f.fail(fmt.Sprintf("%s[%d].port", field, i), "%s", err)
		}
	}
	return specs, f.err("the request")
}

func expose(
	ctx context.Context, tx *store.Store, actor domain.Actor, c domain.Container, change ServicesChange,
) (*domain.Operation, error) {
	if len(change.Add)+len(change.Remove) == 0 {
		return nil, domain.InvalidFields("the request", []domain.FieldError{{Field: "add", Rule: "must name a service, unless remove does"}})
	}
	add, err := services(ctx, tx, c.Name, "add", change.Add)
	if err != nil {
		return nil, err
	}
	have, err := tx.Services(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	remove, err := chosen(c, have, change.Remove)
	if err != nil {
		return nil, err
	}
	added, revision, err := tx.ChangeServices(ctx, c, add, remove)
	if err != nil {
		return nil, err
	}
	op := operationOn(c, actor, domain.OpExpose)
	op.Params.Services = &domain.Services{Specs: change.Add, Removed: remove, Revision: revision}
	for _, v := range added {
		op.Params.Services.Added = append(op.Params.Services.Added, v.ID)
	}
	return &op, nil
}

// services checks what is to be exposed, by itself and against the external domains, and brings names into their one spelling.
func services(
	ctx context.Context, tx *store.Store, container, field string, specs []domain.ServiceSpec,
) ([]domain.Service, error) {
	if len(specs) == 0 {
		return nil, nil
	}
	domains, err := store.All(func(p store.Page) ([]domain.ExternalDomain, string, error) { return tx.ExternalDomains(ctx, p) })
	if err != nil {
		return nil, err
	}
	var f fields
	all := make([]domain.Service, len(specs))
	for i, spec := range specs {
		at := fmt.Sprintf("%s[%d].", field, i)
		if name, err := domain.PublicName(spec.Host); err == nil {
			spec.Host = name
		}
		bad := spec.Validate(container)
		if len(bad) == 0 && spec.Host != "" {
			bad = underDomain(domains, spec)
		}
		for _, b := range bad {
			f.fail(at+b.Field, "%s", b.Rule)
		}
		all[i].ServiceSpec = spec
	}
	return all, f.err("the request")
}

// underDomain says what is wrong with a public name that is well-formed.
func underDomain(domains []domain.ExternalDomain, spec domain.ServiceSpec) []domain.FieldError {
	under := domain.DomainOf(domains, spec.Host)
	switch {
	case under.ID == "" && len(domains) == 0:
		return []domain.FieldError{{Field: "host", Rule: "cannot be published: there is no external domain yet, an administrator has to create one"}}
	case under.ID == "":
		names := make([]string, len(domains))
		for i, d := range domains {
			names[i] = d.Name
		}
		return []domain.FieldError{{Field: "host", Rule: "must be a name under an external domain: " + strings.Join(names, ", ")}}
	case spec.HTTP.Auth && under.AuthServer == "":
		return []domain.FieldError{{Field: "http.auth", Rule: "cannot be had: the external domain " + under.Name + " has no auth server"}}
	}
	return nil
}

// chosen finds services of a container by ID or by what they are reached by.
func chosen(c domain.Container, have []domain.Service, refs []string) ([]string, error) {
	var f fields
	ids := make([]string, 0, len(refs))
	for i, ref := range refs {
		at := slices.IndexFunc(have, func(v domain.Service) bool {
			return v.State != domain.ServiceRemoving && (v.ID == ref || reachedBy(v) == strings.TrimSuffix(strings.ToLower(ref), "."))
		})
		if at < 0 {
			f.fail(fmt.Sprintf("remove[%d]", i), "must be a service of container %s", c.Name)
			continue
		}
		if !slices.Contains(ids, have[at].ID) {
			ids = append(ids, have[at].ID)
		}
	}
	return ids, f.err("the request")
}

func reachedBy(v domain.Service) string {
	switch v.Kind {
	case domain.ServiceHTTP:
		return v.Host
	case domain.ServiceSRV:
		return v.SRV.Name
	}
	return fmt.Sprintf("%s/%d", v.Kind, v.ExternalPort)
}
