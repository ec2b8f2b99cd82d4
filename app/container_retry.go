package app

import (
	"context"
	"fmt"

	"berth/domain"
	"berth/store"
)

// Retry gives a failed container another try: the stored request, with new reservations.
func (s *Containers) Retry(ctx context.Context, actor domain.Actor, ref, siteRef, key string) (domain.Operation, error) {
	r := request{action: "container.retry", ref: ref, site: siteRef, key: key}
	out, err := s.operate(ctx, actor, r, func(tx *store.Store, c *domain.Container) (*domain.Operation, error) {
		if err := idle(ctx, tx, *c); err != nil {
			return nil, err
		}
		if c.State != domain.ContainerFailed {
			return nil, domain.Errorf(domain.Conflict, "container %s is %s: only a failed one can be retried", c.Name, c.State)
		}
		first, err := firstOperation(ctx, tx, c.ID)
		if err != nil {
			return nil, err
		}
		op := operationOn(*c, actor, first.Kind)
		c.State, c.Message, c.Power = domain.ContainerProvisioning, "", domain.PowerUnknown
		if first.Kind == domain.OpImport {
			op.Params.Import = first.Params.Import
			return &op, adopt(ctx, tx, *c, *first.Params.Import)
		}
		if err := tx.CheckQuota(ctx, c.Owner, c.Spec); err != nil {
			return nil, err
		}
		home, err := tx.Site(ctx, c.SiteID)
		if err != nil {
			return nil, err
		}
		return &op, tx.Reserve(ctx, home, c)
	})
	return out.begun(), err
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

// adopt reserves the place of a CT that exists already, and counts it towards its owner's quota.
func adopt(ctx context.Context, tx *store.Store, c domain.Container, in domain.Import) error {
	if err := tx.CheckGrowth(ctx, c.Owner, domain.Usage{Containers: 1}, false); err != nil {
		return err
	}
	_, err := tx.PlaceAs(ctx, c, in.NodeID, in.VMID, fmt.Sprintf("imported where it was, as CT %d", in.VMID))
	return err
}
