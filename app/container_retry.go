package app

import (
	"context"
	"fmt"

	"berth/domain"
	"berth/store"
)

// Retry gives a container another try. A failed one, which holds nothing, is made anew: the stored request with new
// reservations. One that needs attention repeats the operation that could not end cleanly, see mend.
func (s *Containers) Retry(ctx context.Context, actor domain.Actor, ref, siteRef, key string) (domain.Operation, error) {
	r := request{action: "container.retry", ref: ref, site: siteRef, key: key}
	out, err := s.operate(ctx, actor, r, func(tx *store.Store, c *domain.Container) (*domain.Operation, error) {
		if err := idle(ctx, tx, *c); err != nil {
			return nil, err
		}
		switch c.State {
		case domain.ContainerFailed:
			first, err := firstOperation(ctx, tx, c.ID)
			if err != nil {
				return nil, err
			}
			return anew(ctx, tx, actor, c, first)
		case domain.ContainerNeedsAttention:
			return mend(ctx, tx, actor, c)
		}
		return nil, domain.Errorf(domain.Conflict, "container %s is %s: only one that failed or needs attention can be retried", c.Name, c.State)
	})
	return out.begun(), err
}

// anew brings a container into being as its first operation was to.
func anew(
	ctx context.Context, tx *store.Store, actor domain.Actor, c *domain.Container, first domain.Operation,
) (*domain.Operation, error) {
	counted := c.State != domain.ContainerFailed // then its owner's quota has it already
	op := operationOn(*c, actor, first.Kind)
	c.State, c.Message, c.Power = domain.ContainerProvisioning, "", domain.PowerUnknown
	if first.Kind == domain.OpImport {
		op.Params.Import = first.Params.Import
		return &op, adopt(ctx, tx, *c, *first.Params.Import, counted)
	}
	if !counted {
		if err := tx.CheckQuota(ctx, c.Owner, c.Spec); err != nil {
			return nil, err
		}
	}
	home, err := tx.Site(ctx, c.SiteID)
	if err != nil {
		return nil, err
	}
	if err := tx.Reserve(ctx, home, c); err != nil {
		return nil, err
	}
	return &op, tx.ReviveServices(ctx, c.ID)
}

// mend repeats the operation that a container needs attention for, once its cause is mended. One that was to bring the
// container into being waits until what it left on a node is cleaned up and released: two CTs with one marker could not be
// told apart. What changed the container runs again as it was asked for, and a delete goes on.
func mend(ctx context.Context, tx *store.Store, actor domain.Actor, c *domain.Container) (*domain.Operation, error) {
	ops, _, err := tx.Operations(ctx, store.OperationFilter{
		Resource: resourceContainer, ResourceID: c.ID, State: domain.OpNeedsAttention,
	}, store.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(ops) == 0 {
		return nil, domain.Errorf(domain.Conflict, "nothing is known of what container %s needs attention for: delete it", c.Name)
	}
	last := ops[0]
	switch last.Kind {
	case domain.OpProvision, domain.OpImport:
		left, err := tx.QuarantinesOf(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		if len(left) > 0 {
			return nil, &domain.Error{Kind: domain.Conflict, Operation: left[0].ID, Message: "something of container " + c.Name +
				" may be left (" + freed(left[0]) + "): an administrator cleans it up and runs berth quarantine release " +
				left[0].ID + ", then retry"}
		}
		return anew(ctx, tx, actor, c, last)
	case domain.OpDelete:
		if last.Params.Forget && permit(actor, toAdminister) != nil {
			return nil, permit(actor, toAdminister)
		}
	case domain.OpReconfigure:
		restated(last.Params.Reconfigure, c)
		c.State, c.Message = domain.ContainerReady, ""
	default:
		c.State, c.Message = domain.ContainerReady, ""
	}
	op := operationOn(*c, actor, last.Kind)
	op.Params = last.Params
	return &op, nil
}

// restated writes what a reconfigure wants into the container again: undoing it may have got as far as taking that back. A
// new environment stayed. An entrypoint did not, and its value is not kept with the operation: the container goes back to
// the former one, in SQL and on the node alike, and the new one is asked for again.
func restated(change *domain.Reconfigure, c *domain.Container) {
	if change == nil {
		return
	}
	put(&c.Spec.Cores, change.Cores)
	put(&c.Spec.MemoryMiB, change.MemoryMiB)
	put(&c.Spec.SwapMiB, change.SwapMiB)
	put(&c.Spec.DiskGiB, change.DiskGiB)
}

// firstOperation returns the latest operation that was to bring a container into being.
func firstOperation(ctx context.Context, tx *store.Store, containerID string) (domain.Operation, error) {
	var latest domain.Operation
	for _, kind := range []domain.OperationKind{domain.OpProvision, domain.OpImport} {
		ops, _, err := tx.Operations(ctx, store.OperationFilter{
			Resource: resourceContainer, ResourceID: containerID, Kind: kind,
		}, store.Page{Limit: 1})
		if err != nil {
			return latest, err
		}
		if len(ops) > 0 && ops[0].ID > latest.ID { // IDs sort by time
			latest = ops[0]
		}
	}
	if latest.ID == "" || latest.Kind == domain.OpImport && latest.Params.Import == nil {
		return latest, domain.Errorf(domain.Conflict,
			"nothing is known of how the container was asked for: delete it and create another")
	}
	return latest, nil
}

// adopt reserves the place of a CT that exists already, and counts it towards its owner's quota unless it is counted there.
func adopt(ctx context.Context, tx *store.Store, c domain.Container, in domain.Import, counted bool) error {
	if !counted {
		if err := tx.CheckGrowth(ctx, c.Owner, domain.Usage{Containers: 1}, false); err != nil {
			return err
		}
	}
	_, err := tx.PlaceAs(ctx, c, in.NodeID, in.VMID, fmt.Sprintf("imported where it was, as CT %d", in.VMID))
	return err
}
