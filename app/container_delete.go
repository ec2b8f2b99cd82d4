package app

import (
	"context"

	"berth/domain"
	"berth/store"
)

// Delete removes a container and everything it holds. It queues: behind an operation that is under way it waits, and asks that
// one to cancel. forget, for administrators, gives up what is on a node that is gone for good: VMID and address stay
// quarantined.
func (s *Containers) Delete(
	ctx context.Context, actor domain.Actor, ref, siteRef string, forget bool, key string,
) (domain.Operation, error) {
	var before *domain.Operation // the operation that the delete waits for
	r := request{action: "container.delete", ref: ref, site: siteRef, key: key, body: []any{forget}}
	out, err := s.operate(ctx, actor, r, func(tx *store.Store, c *domain.Container) (_ *domain.Operation, err error) {
		if forget {
			if err := permit(actor, toAdminister); err != nil {
				return nil, err
			}
		}
		op := operationOn(*c, actor, domain.OpDelete)
		op.Params.Forget = forget
		if before, err = queue(ctx, tx, *c, forget); err != nil {
			return nil, err
		}
		if before != nil {
			op.State = domain.OpWaiting
		}
		return &op, nil
	})
	if err != nil {
		return domain.Operation{}, err
	}
	if before != nil && !out.replayed {
		s.interrupt(ctx, *before, out.container)
	}
	return out.begun(), nil
}

// queue returns the operation that a delete has to wait for, asked to cancel; nil when there is none. A delete that is under
// way is Busy, unless the new one forgets and that one does not: it may be stuck on the very node that is gone.
func queue(ctx context.Context, tx *store.Store, c domain.Container, forget bool) (*domain.Operation, error) {
	open, err := openOperations(ctx, tx, c.ID)
	if err != nil || len(open) == 0 {
		return nil, err
	}
	for _, o := range open {
		if o.Kind == domain.OpDelete && (o.State == domain.OpWaiting || o.Params.Forget || !forget) {
			return nil, busy(c, o)
		}
	}
	first := open[len(open)-1]
	if first.Kind == domain.OpDelete {
		return &first, nil // only rolls forward
	}
	first.CancelAsked = true
	return &first, tx.ModifyOperation(ctx, first.ID, func(o *domain.Operation) error {
		o.CancelAsked = true
		return nil
	})
}

// interrupt lets an operation that was asked to cancel come to its end. One that no worker took up yet is started: it reads
// in SQL that it is to cancel. When Temporal cannot be reached, whoever waits for it waits longer.
func (k *core) interrupt(ctx context.Context, op domain.Operation, c domain.Container) {
	k.launch(ctx, op, c, 0)
	if op.State != domain.OpRunning || op.Kind == domain.OpDelete {
		return
	}
	if err := k.cancel(ctx, op); err != nil {
		k.Logger.WarnContext(ctx, "operation not cancelled yet", "operation", op.ID, "error", err)
	}
}

func (k *core) cancel(ctx context.Context, op domain.Operation) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), launchTimeout)
	defer cancel()
	// The run is named: the next one under the same workflow ID is another operation's.
	return k.Workflows.Cancel(ctx, op.WorkflowID(), op.RunID)
}
