package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// watch is how long one Observe activity runs before the workflow begins a new run, so that histories stay short.
const watch = 12 * time.Hour

// Observe keeps what SQL knows of a cluster's nodes, storages and guests current. One activity looks again and again;
// its heartbeat tells when its worker died, and another worker goes on.
func Observe(ctx workflow.Context, in domain.ObserveInput) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: watch + time.Hour,
		HeartbeatTimeout:    15 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second},
		Summary:             "watch cluster " + in.Cluster,
	})
	gone := false
	if err := workflow.ExecuteActivity(ctx, domain.ActivityObserve, in).Get(ctx, &gone); err != nil || gone {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, domain.WorkflowObserve, in)
}
