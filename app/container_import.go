package app

import (
	"context"
	"strings"

	"berth/domain"
	"berth/store"
)

// ImportInput names a CT of a node that Berth adopts.
type ImportInput struct {
	Site  string // name or ID; empty = the node's
	Node  string // name or ID
	VMID  int
	Owner string // user name; empty = the actor's
	Name  string // host name; empty = the CT's
}

// Import adopts a CT that exists, as it is and without a restart. It is for administrators: a CT tells nobody whose it is.
func (s *Containers) Import(
	ctx context.Context, actor domain.Actor, in ImportInput, key string,
) (made domain.Container, op domain.Operation, err error) {
	at := attempt{action: "container.import", resource: resourceContainer, name: in.Name}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		digest, err := fingerprint(at.action, in)
		if err != nil {
			return err
		}
		if key != "" { // a repeated request must not fail because the CT is Berth's by now
			out, found, err := recall(ctx, s.Store, keyOwner(actor), key, digest)
			if err != nil {
				return err
			}
			if found {
				made, op, err = s.begun(ctx, out)
				return err
			}
		}
		c, from, err := s.stranger(ctx, actor, in)
		if err != nil {
			return err
		}
		at.name = c.Name
		out, err := s.once(ctx, actor, key, digest, func(tx *store.Store) (outcome, error) {
			return s.takeOver(ctx, tx, actor, *at, c, from)
		})
		if err != nil {
			return err
		}
		made, op, err = s.begun(ctx, out)
		return err
	})
	return made, op, err
}

// stranger looks the CT up, and says everything that is wrong with the request.
func (s *Containers) stranger(
	ctx context.Context, actor domain.Actor, in ImportInput,
) (c domain.Container, from domain.Import, err error) {
	owner, err := s.ownerFor(ctx, actor, in.Owner)
	if err != nil {
		return c, from, err
	}
	var f fields
	siteID := ""
	if in.Site != "" {
		home, err := site(ctx, s.Store, in.Site)
		if err != nil {
			if err := f.name("site", err); err != nil {
				return c, from, err
			}
		}
		siteID = home.ID
	}
	on, err := node(ctx, s.Store, siteID, in.Node)
	if err != nil {
		if err := f.name("node", err); err != nil {
			return c, from, err
		}
	}
	if in.VMID < lowestVMID || in.VMID > highestVMID {
		f.fail("vmid", "must be between %d and %d", lowestVMID, highestVMID)
	}
	if err := f.err("the import"); err != nil {
		return c, from, err
	}
	guest, err := s.guest(ctx, on, in.VMID)
	if err != nil {
		return c, from, err
	}
	name := in.Name
	if name == "" {
		name = strings.ToLower(guest.Name)
	}
	if !domain.ValidHostname(name) {
		f.fail("name", "must be given as 1 to 63 of a-z, 0-9 and -: the CT's own name %q is no host name here", shortened(guest.Name))
	}
	c = domain.Container{
		Name: name, SiteID: on.SiteID, Owner: owner, State: domain.ContainerProvisioning, WantPower: domain.PowerUnknown,
		Spec: domain.Spec{NodeID: on.ID},
	}
	return c, domain.Import{NodeID: on.ID, VMID: in.VMID}, f.err("the import")
}

// guest returns the CT of a node that is nobody's yet.
func (s *Containers) guest(ctx context.Context, on domain.Node, vmid int) (RemoteGuest, error) {
	home, err := s.Store.Cluster(ctx, on.ClusterID)
	if err != nil {
		return RemoteGuest{}, err
	}
	found, err := s.Proxmox.Guest(ctx, home, on.Name, vmid)
	if domain.Is(err, domain.NotFound) {
		var f fields
		f.fail("vmid", "must be that of a CT on node %s", on.Name)
		return RemoteGuest{}, f.err("the import")
	}
	if err == nil && found.Managed {
		return RemoteGuest{}, domain.Errorf(domain.Conflict, "CT %d is Berth's already", vmid)
	}
	return found, err
}

func (s *Containers) takeOver(
	ctx context.Context, tx *store.Store, actor domain.Actor, at attempt, c domain.Container, from domain.Import,
) (outcome, error) {
	c.ID = domain.NewID()
	op := operationOn(c, actor, domain.OpImport)
	op.Params.Import = &from
	c.Operation = op.ID
	if err := freeName(ctx, tx, c.SiteID, c.ID, c.Name); err != nil {
		return outcome{}, err
	}
	if err := adopt(ctx, tx, c, from, false); err != nil { // before the container counts itself towards the quota
		return outcome{}, err
	}
	if err := tx.CreateContainer(ctx, &c); err != nil {
		return outcome{}, err
	}
	if err := tx.CreateOperation(ctx, &op); err != nil {
		return outcome{}, err
	}
	placed, err := tx.Container(ctx, c.ID)
	if err != nil {
		return outcome{}, err
	}
	at.resourceID = c.ID
	return outcome{container: placed, operation: &op}, s.did(ctx, tx, actor, at, "for "+c.Owner+", "+placed.Placement.Reason)
}
