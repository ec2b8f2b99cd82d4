package app

import (
	"context"
	"strings"

	"berth/domain"
	"berth/store"
)

// Operations are the use cases on operations. Whoever may see a container may see what is done to it, and whoever asked for an
// operation may see how it ends, also when the container is gone by then.
type Operations struct {
	*core
	containers *Containers
}

// OperationFilter narrows a list of operations; empty fields match everything.
type OperationFilter struct {
	Container string // name or ID
	Site      string // name or ID
	Kind      domain.OperationKind
	State     domain.OperationState
	Open      bool // only those that have not ended
}

// Get returns an operation.
func (s *Operations) Get(ctx context.Context, actor domain.Actor, id string) (domain.Operation, error) {
	if err := s.read(ctx, actor, attempt{action: "operation.get", resource: "operation", resourceID: id}, toRead); err != nil {
		return domain.Operation{}, err
	}
	return s.visible(ctx, s.Store, actor, id)
}

// visible returns an operation that the actor may know of, NotFound otherwise.
func (s *Operations) visible(ctx context.Context, db *store.Store, actor domain.Actor, id string) (domain.Operation, error) {
	op, err := db.Operation(ctx, id)
	if domain.Is(err, domain.NotFound) {
		return domain.Operation{}, missing("operation", shortened(id))
	}
	if err != nil || actor.Admin || asked(actor, op) {
		return op, err
	}
	c, err := db.Container(ctx, op.ResourceID)
	if domain.Is(err, domain.NotFound) || err == nil && (op.Resource != resourceContainer || !sees(actor, c)) {
		return domain.Operation{}, missing("operation", id)
	}
	return op, err
}

// asked reports whether an operation was asked for by the actor's user, with whatever token.
func asked(actor domain.Actor, op domain.Operation) bool {
	who := "user:" + actor.User
	return op.Actor == who || strings.HasPrefix(op.Actor, who+" token:")
}

// List returns the operations that the actor may see, newest first.
func (s *Operations) List(
	ctx context.Context, actor domain.Actor, filter OperationFilter, page Page,
) (List[domain.Operation], error) {
	if err := s.read(ctx, actor, attempt{action: "operation.list", resource: "operation"}, toRead); err != nil {
		return List[domain.Operation]{}, err
	}
	f := store.OperationFilter{Kind: filter.Kind, State: filter.State, Open: filter.Open}
	if filter.Site != "" {
		found, err := site(ctx, s.Store, filter.Site)
		if err != nil {
			return List[domain.Operation]{}, err
		}
		f.SiteID = found.ID
	}
	if filter.Container != "" {
		f.Resource = resourceContainer
		found, err := container(ctx, s.Store, actor, filter.Container, f.SiteID)
		switch {
		case err == nil:
			f.ResourceID = found.ID
		case domain.Is(err, domain.NotFound) && identifier.MatchString(filter.Container):
			f.ResourceID = filter.Container // gone, but what was done to it is known
		default:
			return List[domain.Operation]{}, err
		}
	}
	if !actor.Admin {
		f.VisibleTo = actor.User
	}
	return listOf(s.Store.Operations(ctx, f, page.stored()))
}

// Events returns the log of an operation after a number, oldest first.
func (s *Operations) Events(
	ctx context.Context, actor domain.Actor, id string, afterSeq int64,
) ([]domain.OperationEvent, error) {
	if _, err := s.Get(ctx, actor, id); err != nil {
		return nil, err
	}
	return s.Store.Events(ctx, id, afterSeq)
}

// Cancel asks an operation to stop and undo what it did. A delete that has begun only rolls forward: that is a Conflict.
// One that waits ends at once.
func (s *Operations) Cancel(ctx context.Context, actor domain.Actor, id string) (domain.Operation, error) {
	at := attempt{action: "operation.cancel", resource: "operation", resourceID: id}
	var op domain.Operation
	var c domain.Container
	err := s.change(ctx, actor, at, toChange, func(at *attempt) error {
		err := s.Store.Transact(ctx, func(tx *store.Store) (err error) {
			if op, err = s.visible(ctx, tx, actor, id); err != nil {
				return err
			}
			at.name = op.ResourceName
			c, err = tx.Container(ctx, op.ResourceID)
			if err != nil && !domain.Is(err, domain.NotFound) {
				return err
			}
			if err := mayCancel(actor, op, c); err != nil {
				return err
			}
			if op.State == domain.OpWaiting {
				if err := stepBack(ctx, tx, op); err != nil {
					return err
				}
			}
			if err := tx.ModifyOperation(ctx, id, s.cancelled); err != nil {
				return err
			}
			if op, err = tx.Operation(ctx, id); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, string(op.Kind))
		})
		if err != nil || !op.State.Open() {
			return err
		}
		s.launch(ctx, op, c, 0)
		if op.State == domain.OpRunning {
			return s.cancel(ctx, op)
		}
		return nil
	})
	if err != nil {
		return domain.Operation{}, err
	}
	return op, nil
}

// cancelled notes in an operation that it is to cancel, under the lock of its row.
func (s *Operations) cancelled(o *domain.Operation) error {
	switch {
	case !o.State.Open():
		return domain.Errorf(domain.Conflict, "the operation has ended: it is %s", o.State)
	case o.Kind == domain.OpDelete && o.State == domain.OpRunning:
		return &domain.Error{
			Kind: domain.Conflict, Operation: o.ID,
			Message: "the delete has begun and only goes forward: it cannot be cancelled any more",
		}
	case o.State == domain.OpWaiting:
		o.State, o.Message, o.EndedAt = domain.OpCancelled, "Cancelled before it began.", s.Now().UTC()
	}
	o.CancelAsked = true
	return nil
}

// mayCancel is nil when the actor may change what the operation works on.
func mayCancel(actor domain.Actor, op domain.Operation, c domain.Container) error {
	if actor.Admin || c.ID != "" && sees(actor, c) {
		return nil
	}
	return missing("operation", op.ID)
}

// stepBack gives the container back to the operation that a waiting delete waited for.
func stepBack(ctx context.Context, tx *store.Store, waiting domain.Operation) error {
	return tx.ModifyContainer(ctx, waiting.ResourceID, func(c *domain.Container) error {
		if c.Operation != waiting.ID {
			return nil
		}
		c.Operation = ""
		open, err := openOperations(ctx, tx, c.ID)
		for _, o := range open {
			if o.ID != waiting.ID {
				c.Operation = o.ID
			}
		}
		return err
	})
}

// Retry repeats an operation that failed, was cancelled or needs attention, as a new one.
func (s *Operations) Retry(ctx context.Context, actor domain.Actor, id string) (domain.Operation, error) {
	at := attempt{action: "operation.retry", resource: "operation", resourceID: id}
	if err := s.read(ctx, actor, at, toChange); err != nil {
		return domain.Operation{}, err
	}
	op, err := s.visible(ctx, s.Store, actor, id)
	if err != nil {
		return domain.Operation{}, err
	}
	if op.State.Open() || op.State == domain.OpSucceeded {
		return domain.Operation{}, &domain.Error{
			Kind: domain.Conflict, Operation: op.ID,
			Message: "the operation is " + string(op.State) + ": only one that failed can be retried",
		}
	}
	if op.State == domain.OpNeedsAttention {
		// The container may need attention for a later operation: that one is then in the way, and is repeated.
		return s.containers.Retry(ctx, actor, op.ResourceID, "", "")
	}
	return s.repeat(ctx, actor, op)
}

func (s *Operations) repeat(ctx context.Context, actor domain.Actor, op domain.Operation) (domain.Operation, error) {
	p := op.Params
	switch op.Kind {
	case domain.OpProvision, domain.OpImport:
		return s.containers.Retry(ctx, actor, op.ResourceID, "", "")
	case domain.OpDelete:
		return s.containers.Delete(ctx, actor, op.ResourceID, "", p.Forget, "")
	case domain.OpPower:
		return s.containers.Power(ctx, actor, op.ResourceID, "", PowerInput{
			Action: p.Power, Timeout: seconds(p.Timeout), Force: p.Force,
		}, "")
	case domain.OpExpose:
		if p.Services == nil {
			break
		}
		_, again, err := s.containers.ChangeServices(ctx, actor, op.ResourceID, "", ServicesChange{Add: p.Services.Specs, Remove: p.Services.Removed}, "")
		return again, err
	case domain.OpReconfigure:
		r := p.Reconfigure
		if r == nil || r.Env || r.Entrypoint {
			break // their values were not kept with the operation
		}
		_, again, err := s.containers.Update(ctx, actor, op.ResourceID, "", ContainerPatch{
			Name: r.Name, Cores: r.Cores, MemoryMiB: r.MemoryMiB, SwapMiB: r.SwapMiB, DiskGiB: r.DiskGiB, Restart: r.Restart,
		}, 0, "")
		if err == nil && again == nil {
			err = domain.Errorf(domain.Conflict, "nothing is left to change: the container is as the operation wanted it")
		}
		if err != nil {
			return domain.Operation{}, err
		}
		return *again, nil
	}
	return domain.Operation{}, domain.Errorf(domain.Conflict, "this operation cannot be repeated as it was: send the request again")
}

// Reconcile compares SQL, Proxmox VE, Temporal and the edges once, heals or, with dryRun, only reports what differs, and
// returns the report in words. It is for administrators.
func (s *Operations) Reconcile(ctx context.Context, actor domain.Actor, dryRun bool) (report string, err error) {
	at := attempt{action: "reconcile", resource: "installation"}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		detail := "heal"
		if dryRun {
			detail = "dry run"
		}
		if err := s.did(ctx, s.Store, actor, *at, detail); err != nil {
			return err
		}
		report, err = s.Workflows.Reconcile(ctx, dryRun)
		return err
	})
	return report, err
}
