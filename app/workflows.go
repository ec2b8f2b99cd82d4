package app

import (
	"context"

	"berth/domain"
)

// Workflows starts and stops durable work. [NewTemporal] is the one for real.
type Workflows interface {
	// Start starts the workflow of an operation under [domain.Operation.WorkflowID] and returns the ID of its run.
	// It is domain.Busy when a workflow of that ID is open, domain.Unavailable when Temporal cannot be reached.
	Start(ctx context.Context, op domain.Operation, in domain.OperationInput) (runID string, err error)
	// Cancel asks a run to stop and undo what it did; an empty runID means the latest. It is nil when nothing runs.
	Cancel(ctx context.Context, workflowID, runID string) error
	// NetworkChanged tells the Network workflow of a site, starting it when needed, that its desired revision rose.
	NetworkChanged(ctx context.Context, siteID, siteName string) error
	// Certify starts the workflow that orders, renews or revokes a certificate. It is domain.Busy while one is open.
	Certify(ctx context.Context, in domain.CertificateInput) error
	// Reconcile runs the reconciler once, waits for it and returns its report, in words.
	Reconcile(ctx context.Context, dryRun bool) (report string, err error)
	// Healthy is nil when Temporal answers and a worker polls domain.TaskQueue.
	Healthy(ctx context.Context) error
}

// observing are Workflows that can also have a cluster watched. With others that waits for the reconciler.
type observing interface {
	// Observe sees to it that a cluster is watched.
	Observe(ctx context.Context, in domain.ObserveInput) error
}
