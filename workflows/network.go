package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// idle is how long the workflow waits for the next change before it ends; the next signal starts it again.
const idle = 10 * time.Second

// Network publishes the network of a site: it gathers changes and then lets the edges see the newest revision. Publish
// itself waits for what comes together, since a timer would not do: Temporal fires one up to a second late
// (history.timerProcessorMaxTimeShift).
func Network(ctx workflow.Context, in domain.NetworkInput) error {
	changed := workflow.GetSignalChannel(ctx, domain.SignalNetworkChanged)
	for rounds := 0; ; rounds++ {
		if ok, _ := changed.ReceiveWithTimeout(ctx, idle, nil); !ok && rounds > 0 || ctx.Err() != nil {
			return ctx.Err()
		}
		for changed.ReceiveAsync(nil) {
			continue
		}
		if _, err := quick[none](ctx, domain.ActivityPublish, in); err != nil {
			return err
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() && changed.Len() == 0 {
			return workflow.NewContinueAsNewError(ctx, domain.WorkflowNetwork, in)
		}
	}
}
