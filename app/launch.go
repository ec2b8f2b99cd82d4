package app

import (
	"context"
	"fmt"
	"time"

	"berth/domain"
	"berth/store"
)

// resourceContainer is the noun of containers in operations, workflow IDs and the audit trail.
const resourceContainer = "container"

// operationOn makes an operation on a container.
func operationOn(c domain.Container, actor domain.Actor, kind domain.OperationKind) domain.Operation {
	return domain.Operation{
		ID: domain.NewID(), Kind: kind, Resource: resourceContainer, ResourceID: c.ID, ResourceName: c.Name, SiteID: c.SiteID,
		State: domain.OpPending, Actor: actor.String(),
	}
}

// openOperations returns the operations on a container that have not ended, newest first: at most one that runs or is about
// to, and one that waits.
func openOperations(ctx context.Context, tx *store.Store, containerID string) ([]domain.Operation, error) {
	filter := store.OperationFilter{Resource: resourceContainer, ResourceID: containerID, Open: true}
	open, _, err := tx.Operations(ctx, filter, store.Page{})
	return open, err
}

// idle is nil when no operation on a container is open. It is asked under the lock of the container's row, so that of two
// requests one is Busy.
func idle(ctx context.Context, tx *store.Store, c domain.Container) error {
	open, err := openOperations(ctx, tx, c.ID)
	if err != nil || len(open) == 0 {
		return err
	}
	return busy(c, open[len(open)-1])
}

func busy(c domain.Container, op domain.Operation) error {
	return &domain.Error{
		Kind: domain.Busy, Operation: op.ID,
		Message: fmt.Sprintf("container %s is busy: its %s operation %s is %s; wait for it to end, or cancel it",
			c.Name, op.Kind, op.ID, op.State),
	}
}

// launchTimeout bounds how long a request waits for Temporal: what is committed is carried out in any case.
const launchTimeout = 10 * time.Second

// firstPause and longestPause lie between tries to start a workflow whose predecessor is just closing.
const (
	firstPause   = 10 * time.Millisecond
	longestPause = 200 * time.Millisecond
)

// launch starts the workflow of an operation that is committed and pending. When that fails the operation stays pending, and
// the reconciler starts it; the caller's request has succeeded all the same. The caller may have gone meanwhile.
//
// patience is how long it waits for the former run of the container to close: k.Patience for a new operation, nothing for one
// that may well be started already.
func (k *core) launch(ctx context.Context, op domain.Operation, c domain.Container, patience time.Duration) {
	if op.State != domain.OpPending {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), launchTimeout)
	defer cancel()
	site, err := k.Store.Site(ctx, c.SiteID)
	if err != nil {
		k.Logger.WarnContext(ctx, "operation not started yet, the reconciler will", "operation", op.ID, "error", err)
		return
	}
	if op.Kind == domain.OpProvision || op.Kind == domain.OpExpose {
		k.publish(ctx, site.ID, site.Name)
	}
	in := domain.OperationInput{
		OperationID: op.ID, ContainerID: c.ID, Kind: op.Kind, Actor: op.Actor, Container: c.Name, Site: site.Name, Owner: c.Owner,
	}
	if err := whenClosed(ctx, patience, func() error {
		_, err := k.Workflows.Start(ctx, op, in)
		return err
	}); err != nil {
		k.Logger.WarnContext(ctx, "operation not started yet, the reconciler will", "operation", op.ID, "error", err)
	}
}

// whenClosed starts a workflow, and tries again for a while when the former run of the same thing, which has done its work as SQL has it,
// has not closed in Temporal yet.
func whenClosed(ctx context.Context, patience time.Duration, start func() error) error {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := start()
		if !domain.Is(err, domain.Busy) {
			return err
		}
		again := time.NewTimer(pause)
		select {
		case <-again.C:
		case <-deadline.C:
			again.Stop()
			return err
		case <-ctx.Done():
			again.Stop()
			return err
		}
	}
}
