package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

const (
	// debounce gathers the changes of a site that come together: 50 containers requested at once cost a few revisions
	// instead of 50. It is short because adding a container needs no reload, see the edge.
	debounce = 50 * time.Millisecond
	// idle is how long the workflow waits for the next change before it ends; the next signal starts it again.
	idle = 10 * time.Second
)

// Network publishes the network of a site: it gathers changes and then lets the edges see the newest revision.
func Network(ctx workflow.Context, in domain.NetworkInput) error {
	changed := workflow.GetSignalChannel(ctx, domain.SignalNetworkChanged)
	for rounds := 0; ; rounds++ {
		if ok, _ := changed.ReceiveWithTimeout(ctx, idle, nil); !ok && rounds > 0 || ctx.Err() != nil {
			return ctx.Err()
		}
		if err := workflow.Sleep(ctx, debounce); err != nil {
			return err
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
