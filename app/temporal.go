package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"berth/domain"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// Temporal is Workflows on a Temporal cluster.
type Temporal struct{ client client.Client }

var (
	_ Workflows = (*Temporal)(nil)
	_ observing = (*Temporal)(nil)
)

// NewTemporal returns Workflows on a Temporal cluster.
func NewTemporal(c client.Client) *Temporal { return &Temporal{c} }

var (
	siteAttribute      = temporal.NewSearchAttributeKeyKeyword(domain.AttributeSite)
	ownerAttribute     = temporal.NewSearchAttributeKeyKeyword(domain.AttributeOwner)
	containerAttribute = temporal.NewSearchAttributeKeyKeyword(domain.AttributeContainer)
	operationAttribute = temporal.NewSearchAttributeKeyKeyword(domain.AttributeOperation)
)

// Start starts the workflow of an operation. Its ID is the lock of the container: one that is open refuses another.
func (t *Temporal) Start(ctx context.Context, op domain.Operation, in domain.OperationInput) (string, error) {
	run, err := t.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                    op.WorkflowID(),
		TaskQueue:             domain.TaskQueue,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, // all runs of one ID are the container's history
		// Without the second line the SDK would quietly return the run that is open.
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		TypedSearchAttributes: temporal.NewSearchAttributes(
			siteAttribute.ValueSet(in.Site), ownerAttribute.ValueSet(in.Owner), containerAttribute.ValueSet(in.Container),
			operationAttribute.ValueSet(in.OperationID),
		),
		StaticSummary: fmt.Sprintf("%s %s on site %s, asked by %s", op.Kind, in.Container, in.Site, in.Actor),
		Memo:          map[string]any{"operation": in.OperationID, "actor": in.Actor},
	}, op.Kind.Workflow(), in)
	var open *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &open) {
		return "", &domain.Error{Kind: domain.Busy, Message: "a workflow of " + op.WorkflowID() + " is open", Err: err}
	}
	if err != nil {
		return "", unavailable("start "+op.WorkflowID(), err)
	}
	return run.GetRunID(), nil
}

// Cancel asks a run to stop. One that has closed, or never was, needs no asking.
func (t *Temporal) Cancel(ctx context.Context, workflowID, runID string) error {
	err := t.client.CancelWorkflow(ctx, workflowID, runID)
	var gone *serviceerror.NotFound
	if err == nil || errors.As(err, &gone) {
		return nil
	}
	return unavailable("cancel "+workflowID, err)
}

// NetworkChanged signals the Network workflow of a site, which starts if it is not there.
func (t *Temporal) NetworkChanged(ctx context.Context, siteID, siteName string) error {
	id := domain.NetworkWorkflowID(siteID)
	_, err := t.client.SignalWithStartWorkflow(ctx, id, domain.SignalNetworkChanged, nil, client.StartWorkflowOptions{
		ID:                    id,
		TaskQueue:             domain.TaskQueue,
		TypedSearchAttributes: temporal.NewSearchAttributes(siteAttribute.ValueSet(siteName)),
		StaticSummary:         "publish the network of site " + siteName,
	}, domain.WorkflowNetwork, domain.NetworkInput{SiteID: siteID, Site: siteName})
	if err != nil {
		return unavailable("signal "+id, err)
	}
	return nil
}

// Observe starts the workflow that watches a cluster, unless it runs already.
func (t *Temporal) Observe(ctx context.Context, in domain.ObserveInput) error {
	id := "cluster/" + in.ClusterID + "/observe"
	_, err := t.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: domain.TaskQueue,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "watch cluster " + in.Cluster,
	}, domain.WorkflowObserve, in)
	if err != nil {
		return unavailable("start "+id, err)
	}
	return nil
}

// Certify starts the workflow that orders, renews or revokes a certificate. Its ID is the certificate's lock.
func (t *Temporal) Certify(ctx context.Context, in domain.CertificateInput) error {
	id := domain.CertificateWorkflowID(in.CertificateID)
	_, err := t.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: domain.TaskQueue,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            "certificate for " + in.Name,
	}, domain.WorkflowCertificate, in)
	var open *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &open) {
		return &domain.Error{Kind: domain.Busy, Message: "the certificate for " + in.Name + " is being ordered already: wait for it", Err: err}
	}
	if err != nil {
		return unavailable("start "+id, err)
	}
	return nil
}

// Open tells whether a workflow ID is open.
func (t *Temporal) Open(ctx context.Context, workflowID string) (bool, error) {
	run, err := t.client.DescribeWorkflowExecution(ctx, workflowID, "")
	var unknown *serviceerror.NotFound
	if errors.As(err, &unknown) {
		return false, nil
	}
	if err != nil {
		return false, unavailable("describe "+workflowID, err)
	}
	return run.GetWorkflowExecutionInfo().GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING, nil
}

// reconcileByHand is the ID of a reconciliation that somebody asked for, beside the scheduled ones.
const reconcileByHand = "reconcile/by-hand"

// Reconcile runs the reconciler once and waits for it. It is Busy while another one that was asked for runs.
func (t *Temporal) Reconcile(ctx context.Context, dryRun bool) (string, error) {
	run, err := t.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: reconcileByHand, TaskQueue: domain.TaskQueue,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            "reconcile, asked for by hand",
	}, domain.WorkflowReconcile, domain.ReconcileInput{DryRun: dryRun})
	var open *serviceerror.WorkflowExecutionAlreadyStarted
	if errors.As(err, &open) {
		return "", &domain.Error{Kind: domain.Busy, Message: "a reconciliation runs already: try again when it has ended", Err: err}
	}
	if err != nil {
		return "", unavailable("start the reconciler", err)
	}
	var report domain.ReconcileReport
	if err := run.Get(ctx, &report); err != nil {
		return "", domain.Errorf(domain.Unavailable, "the reconciler did not get to its end: %w", err)
	}
	return told(report), nil
}

// told is a report in words, a line for each repair.
func told(r domain.ReconcileReport) string {
	if len(r.Repairs) == 0 {
		return "Nothing differs."
	}
	var b strings.Builder
	for _, repair := range r.Repairs {
		fmt.Fprintf(&b, "%s: %s: %s", repair.Subject, repair.What, repair.Action)
		if repair.Detail != "" {
			fmt.Fprintf(&b, " (%s)", repair.Detail)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// pollerSilence is how long a worker that lives may go without being heard of: its long polls last a minute.
const pollerSilence = 90 * time.Second

// Healthy is nil when Temporal answers and a worker polls for workflows.
func (t *Temporal) Healthy(ctx context.Context) error {
	queue, err := t.client.DescribeTaskQueue(ctx, domain.TaskQueue, enums.TASK_QUEUE_TYPE_WORKFLOW)
	if err != nil {
		return domain.Errorf(domain.Unavailable, "Temporal does not answer: %w", err)
	}
	for _, p := range queue.GetPollers() {
		if time.Since(p.GetLastAccessTime().AsTime()) < pollerSilence {
			return nil
		}
	}
	return domain.Errorf(domain.Unavailable, "no worker polls Temporal's task queue %s", domain.TaskQueue)
}

// unavailable is what every other failure of a call to Temporal means to a caller: not now.
func unavailable(what string, err error) error {
	return &domain.Error{Kind: domain.Unavailable, Message: "Temporal could not " + what, Err: err}
}
