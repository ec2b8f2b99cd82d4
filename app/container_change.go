package app

import (
	"context"

	"berth/domain"
	"berth/store"
)

// request on a container that exists.
type request struct {
	action    string
	ref, site string
	ifMatch   int64
	key       string
	body      []any // what tells it from another request under the same key
}

// plan decides, under the lock of the container's row, what an operation is to do, and notes in the container what is wanted of
// it. A plan without operation changes the container alone.
type plan func(tx *store.Store, c *domain.Container) (*domain.Operation, error)

// operate puts an operation on a container: lock, check, change, operation, key and audit entry are one transaction, and the
// workflow starts after it.
func (s *Containers) operate(ctx context.Context, actor domain.Actor, r request, decide plan) (out outcome, err error) {
	at := attempt{action: r.action, resource: resourceContainer, name: r.ref}
	err = s.change(ctx, actor, at, toChange, func(at *attempt) error {
		digest, err := fingerprint(r.action, r.ref, r.site, r.body)
		if err != nil {
			return err
		}
		out, err = s.once(ctx, actor, r.key, digest, func(tx *store.Store) (outcome, error) {
			return s.commit(ctx, tx, actor, at, r, decide)
		})
		return err
	})
	if err != nil {
		return outcome{}, err
	}
	if out.operation != nil && out.container.ID != "" {
		s.launch(ctx, *out.operation, out.container, s.patienceFor(out))
	}
	return out, nil
}

func (s *Containers) commit(
	ctx context.Context, tx *store.Store, actor domain.Actor, at *attempt, r request, decide plan,
) (out outcome, err error) {
	found, err := container(ctx, tx, actor, r.ref, r.site)
	if err != nil {
		return out, err
	}
	at.resourceID, at.name = found.ID, found.Name
	detail := ""
	err = tx.ModifyContainer(ctx, found.ID, func(c *domain.Container) error {
		if err := matches("container "+c.Name, c.Version, r.ifMatch); err != nil {
			return err
		}
		if out.operation, err = decide(tx, c); err != nil || out.operation == nil {
			return err
		}
		c.Operation = out.operation.ID
		detail = "operation " + out.operation.ID
		return tx.CreateOperation(ctx, out.operation)
	})
	if err != nil {
		return outcome{}, err
	}
	if out.container, err = tx.Container(ctx, found.ID); err != nil {
		return outcome{}, err
	}
	return out, s.did(ctx, tx, actor, *at, detail)
}

// begun is the operation of an outcome that always has one.
func (o outcome) begun() domain.Operation {
	if o.operation == nil {
		return domain.Operation{}
	}
	return *o.operation
}

// ready is nil when a container can be worked on.
func ready(ctx context.Context, tx *store.Store, c domain.Container) error {
	if err := idle(ctx, tx, c); err != nil {
		return err
	}
	switch c.State {
	case domain.ContainerReady:
		return nil
	case domain.ContainerFailed:
		return domain.Errorf(domain.Conflict, "container %s failed and holds nothing: retry or delete it", c.Name)
	case domain.ContainerMissing:
		return domain.Errorf(domain.Conflict, "container %s vanished from its node: delete it", c.Name)
	case domain.ContainerNeedsAttention:
		return domain.Errorf(domain.Conflict, "container %s needs a human's attention first: %s", c.Name, c.Message)
	}
	return domain.Errorf(domain.Conflict, "container %s is %s", c.Name, c.State)
}
