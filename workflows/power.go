package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// Power starts, shuts down, stops or reboots a container. There is nothing to undo: what failed is told, and the
// container keeps the power it has.
func Power(ctx workflow.Context, in domain.OperationInput) error {
	p := power{}
	err := p.begin(ctx, "Power", in)
	if err == nil {
		err = p.run(ctx)
	}
	if err != nil {
		return p.abort(ctx, err, "")
	}
	return p.end(ctx, domain.FinishInput{
		Result: domain.OpSucceeded, After: domain.ContainerReady,
		Message: "Done: " + string(p.begun.Params.Power) + ".",
	})
}

type power struct{ operation }

func (p *power) run(ctx workflow.Context) error {
	action := p.begun.Params.Power
	p.progress.enter(ctx, string(action), "asks the node")
	return p.act(ctx, action, time.Duration(p.begun.Params.Timeout)*time.Second)
}

// act runs one power action and, when the guest is to run after it, waits until it holds its address.
func (o *operation) act(ctx workflow.Context, action domain.PowerAction, grace time.Duration) error {
	_, err := await[none](ctx, domain.ActivityPower, domain.PowerInput{OperationInput: o.in, Action: action},
		o.proxmox(limits{total: o.limit.Power + grace, summary: string(action)}))
	if err != nil || action.Wants() != domain.PowerRunning {
		return err
	}
	o.progress.enter(ctx, "verify", "the guest runs and holds exactly its address")
	_, err = await[none](ctx, domain.ActivityVerify, o.in, o.proxmox(limits{total: o.limit.Verify, summary: "runs with its address"}))
	return err
}
