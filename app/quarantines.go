package app

import (
	"context"
	"fmt"
	"strings"

	"berth/domain"
	"berth/store"
)

// Quarantines are the use cases on what operations could not remove: VMIDs and addresses that nobody gets. They are for
// administrators.
type Quarantines struct{ *core }

const resourceQuarantine = "quarantine"

// List returns everything that is quarantined, oldest first.
func (s *Quarantines) List(ctx context.Context, actor domain.Actor) ([]domain.Quarantine, error) {
	at := attempt{action: "quarantine.list", resource: resourceQuarantine}
	if err := s.read(ctx, actor, at, toAdminister); err != nil {
		return nil, err
	}
	return s.Store.Quarantines(ctx)
}

// Release lets others have VMID and addresses again, once an administrator has cleaned up, and returns what it was. Proxmox VE
// is asked first: while something of the container is left there it is a Conflict, and when it cannot be asked Unavailable.
// force believes the administrator instead, for a node that is gone for good.
func (s *Quarantines) Release(
	ctx context.Context, actor domain.Actor, id string, force bool,
) (released domain.Quarantine, err error) {
	at := attempt{action: "quarantine.release", resource: resourceQuarantine, resourceID: id}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) (err error) {
		released, err = s.Store.Quarantine(ctx, id)
		if domain.Is(err, domain.NotFound) {
			return missing(resourceQuarantine, shortened(id))
		}
		if err != nil {
			return err
		}
		at.name = released.Container
		if !force {
			if err := s.clean(ctx, released); err != nil {
				return err
			}
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			if err := tx.FreeQuarantine(ctx, id); err != nil {
				return err
			}
			detail := "freed " + freed(released)
			if force {
				detail += ", without asking Proxmox VE"
			}
			return s.did(ctx, tx, actor, *at, detail)
		})
	})
	if err != nil {
		return domain.Quarantine{}, err
	}
	if home, err := s.Store.Site(ctx, released.SiteID); err == nil {
		s.publish(ctx, home.ID, home.Name)
	}
	return released, nil
}

// clean is nil when Proxmox VE has nothing left of a container under the VMID.
func (s *Quarantines) clean(ctx context.Context, q domain.Quarantine) error {
	if q.VMID == 0 {
		return nil
	}
	const otherwise = "If the node is gone for good, release with force"
	c, err := s.Store.Cluster(ctx, q.ClusterID)
	if domain.Is(err, domain.NotFound) {
		return domain.Errorf(domain.Conflict, "nothing was released: the cluster of CT %d is not known any more, so that nobody "+
			"can be asked whether it is gone. %s", q.VMID, otherwise)
	}
	if err != nil {
		return err
	}
	left, err := s.Proxmox.Leftover(ctx, c, q.Node, q.VMID, q.ContainerID)
	if err != nil {
		return domain.Errorf(domain.Unavailable, "nothing was released: cluster %s cannot tell whether CT %d is gone. %s: %w",
			c.Name, q.VMID, otherwise, err)
	}
	if left != "" {
		return domain.Errorf(domain.Conflict, "nothing was released: %s. Remove it on the node (pct unlock %d; pct stop %d; "+
			"pct destroy %d --purge), then release again", left, q.VMID, q.VMID, q.VMID)
	}
	return nil
}

// freed names what a release gives back.
func freed(q domain.Quarantine) string {
	parts := q.Addresses
	if q.VMID != 0 {
		parts = append([]string{fmt.Sprintf("VMID %d", q.VMID)}, parts...)
	}
	return strings.Join(parts, ", ")
}
