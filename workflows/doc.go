// Package workflows holds one file per workflow. A workflow moves the world from what SQL says is to what SQL says is
// wanted; it reads top to bottom like the sequence it implements. Nothing here looks at a clock, a random number or the
// outside world: that is what activities are for.
package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// Register registers every workflow under its name in the domain.
func Register(r worker.WorkflowRegistry) {
	for name, fn := range map[string]any{
		domain.WorkflowProvision:   Provision,
		domain.WorkflowPower:       Power,
		domain.WorkflowReconfigure: Reconfigure,
		domain.WorkflowDelete:      Delete,
		domain.WorkflowImport:      Import,
		domain.WorkflowExpose:      Expose,
		domain.WorkflowNetwork:     Network,
		domain.WorkflowCertificate: Certificate,
		domain.WorkflowObserve:     Observe,
		domain.WorkflowReconcile:   Reconcile,
	} {
		r.RegisterWorkflowWithOptions(fn, workflow.RegisterOptions{Name: name})
	}
}
