package workflows

import (
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// Reconfigure changes what a container is given: live where Proxmox VE allows, with a restart only where one is needed
// and agreed to. When a step fails for good, name and settings go back to what they were; a disk that grew stays grown,
// since Proxmox VE cannot shrink it.
func Reconfigure(ctx workflow.Context, in domain.OperationInput) error {
	r := reconfigure{}
	r.saga.before("settings", r.revert) // SQL has wanted them since the request
	err := r.begin(ctx, "Reconfigure", in)
	if err == nil {
		err = r.run(ctx)
	}
	if err != nil {
		return r.abort(ctx, err, "")
	}
	return r.end(ctx, domain.FinishInput{
		Result: domain.OpSucceeded, After: domain.ContainerReady, Message: r.result,
	})
}

type reconfigure struct {
	operation
	result string
}

func (r *reconfigure) run(ctx workflow.Context) error {
	change := r.begun.Params.Reconfigure
	if change.Name != nil {
		r.progress.enter(ctx, "rename", "to "+*change.Name)
		renamed, err := quick[domain.Released](ctx, domain.ActivityRename, domain.RenameInput{OperationInput: r.in, Name: *change.Name})
		if err != nil {
			return err
		}
		if err := r.served(ctx, renamed.Revision).Get(ctx, nil); err != nil {
			return err
		}
	}
	r.progress.enter(ctx, "settings", "writes them to the node")
	done, err := await[domain.Reconfigured](ctx, domain.ActivityReconfigure, r.in,
		r.proxmox(limits{total: r.limit.Power, summary: "settings"}))
	if err != nil {
		return err
	}
	r.result = "Changed live."
	if !done.Restart {
		return nil
	}
	r.progress.enter(ctx, "restart", "environment and entrypoint take effect")
	r.result = "Changed, and restarted for it."
	return r.act(ctx, domain.ActionReboot, 0)
}

func (r *reconfigure) revert(ctx workflow.Context) error {
	_, err := await[none](ctx, domain.ActivityRevert, r.in, r.proxmox(limits{total: r.limit.Undo, summary: "back to the former settings"}))
	return err
}
