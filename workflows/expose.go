package workflows

import (
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// Expose publishes services of a container and takes others away: all of it, or nothing. The request has reserved names and ports;
// the run begins with them on their way to the edges. What an edge refuses is undone.
func Expose(ctx workflow.Context, in domain.OperationInput) error {
	e := exposure{}
	e.saga.before("services", e.restore)
	err := e.begin(ctx, "Expose", in)
	if err == nil {
		err = e.run(ctx)
	}
	if err != nil {
		return e.abort(ctx, err, "")
	}
	return e.end(ctx, domain.FinishInput{Result: domain.OpSucceeded, Message: e.result()})
}

type exposure struct{ operation }

func (e *exposure) run(ctx workflow.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	change := e.change()
	if len(change.Added) > 0 {
		if err := e.publish(ctx); err != nil {
			return err
		}
	}
	e.progress.enter(ctx, "network", "edges serve the change")
	if err := e.served(ctx, change.Revision).Get(ctx, nil); err != nil {
		return err
	}
	if len(change.Added) > 0 {
		if err := e.certify(ctx); err != nil {
			return err
		}
		if err := e.live(ctx, change.Added); err != nil {
			return err
		}
	}
	if len(change.Removed) == 0 {
		return nil
	}
	e.withdrawNames(ctx)
	e.progress.enter(ctx, "release", "names and ports")
	return e.letGo(ctx, change.Revision)
}

func (e *exposure) change() domain.Services {
	if e.begun.Params.Services == nil {
		return domain.Services{}
	}
	return *e.begun.Params.Services
}

func (e *exposure) result() string {
	switch change := e.change(); {
	case len(change.Removed) == 0:
		return "Published."
	case len(change.Added) == 0:
		return "Removed; the edges serve it no longer."
	}
	return "Changed; the edges serve it."
}

// restore takes away what was added and publishes what was removed again.
func (e *exposure) restore(ctx workflow.Context) error {
	restored, err := quick[domain.Released](ctx, domain.ActivityRestore, e.in)
	if err != nil || restored.Revision == 0 {
		return err
	}
	e.withdrawNames(ctx)
	return e.letGo(ctx, restored.Revision)
}
