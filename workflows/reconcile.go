package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// Reconcile compares SQL, Proxmox VE, Temporal and the edges, and heals or reports what differs.
func Reconcile(ctx workflow.Context, in domain.ReconcileInput) (domain.ReconcileReport, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: 10 * time.Minute,
		HeartbeatTimeout:    30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumAttempts: 3},
		Summary:             "compare and heal",
	})
	var report domain.ReconcileReport
	err := workflow.ExecuteActivity(ctx, domain.ActivityReconcile, in).Get(ctx, &report)
	return report, err
}
