package workflows

import (
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// operation is what every workflow on a container shares: its input, what Begin told, how to undo, and how to end.
type operation struct {
	in       domain.OperationInput
	begun    domain.Begun
	limit    domain.Deadlines
	progress *progress
	saga     saga
	leftover string // what Berth cannot remove from a node; its VMID and address are then quarantined
}

// begin marks the operation as running and reads what it needs, in a workflow that was cancelled already too, because
// undoing needs it. An operation that somebody cancelled before it began ends with the error of a cancelled workflow.
func (o *operation) begin(ctx workflow.Context, title string, in domain.OperationInput) error {
	o.in = in
	o.progress = newProgress(ctx, title, in)
	whole, _ := workflow.NewDisconnectedContext(ctx)
	begun, err := quick[domain.Begun](whole, domain.ActivityBegin, in)
	o.begun, o.limit = begun, deadlinesOrDefault(begun.Deadlines)
	if err == nil && begun.Cancelled {
		err = temporal.NewCanceledError()
	}
	return err
}

// proxmox returns the limits of a call to Proxmox VE that may take as long as total.
func (o *operation) proxmox(l limits) limits {
	l.heartbeat = o.limit.Heartbeat
	return l
}

// served waits until the edges serve a revision of the site's network.
func (o *operation) served(ctx workflow.Context, revision int64) workflow.Future {
	return call(ctx, domain.ActivityAwaitServed,
		domain.RevisionInput{OperationInput: o.in, SiteID: o.begun.SiteID, Revision: revision},
		limits{total: o.limit.Network, heartbeat: o.limit.Heartbeat, summary: "edges serve the reservation"})
}

// release gives address, MAC, name and services back, or quarantines the former when something is left on the node. They are free
// again only when every edge has let go of them; an edge that is away does not hold up the operation, the reconciler
// frees them when it is back.
func (o *operation) release(ctx workflow.Context) error {
	revision, err := o.released(ctx)
	if err != nil || revision == 0 {
		return err
	}
	return o.letGo(ctx, revision)
}

// released gives them back without waiting, and returns the revision that has them no longer; 0 when nothing was held.
func (o *operation) released(ctx workflow.Context) (revision int64, err error) {
	released, err := quick[domain.Released](ctx, domain.ActivityRelease,
		domain.ReleaseInput{OperationInput: o.in, Quarantine: o.leftover})
	return released.Revision, err
}

// publish sees to it that public DNS leads the container's names to their site.
func (o *operation) publish(ctx workflow.Context) error {
	if o.begun.Names == 0 {
		return nil
	}
	o.progress.enter(ctx, "public DNS", "records of public names")
	_, err := await[none](ctx, domain.ActivityPublishNames, o.in,
		limits{total: o.limit.Network, heartbeat: o.limit.Heartbeat, summary: "records of public names"})
	return err
}

// withdrawNames takes records from public DNS that the container's names have no longer. A provider that is away holds nothing up: the
// reconciler goes on.
func (o *operation) withdrawNames(ctx workflow.Context) {
	if o.begun.Names == 0 {
		return
	}
	_, err := await[none](ctx, domain.ActivityWithdrawNames, o.in,
		limits{total: o.limit.Network, heartbeat: o.limit.Heartbeat, summary: "records of names that are given up"})
	if err != nil {
		o.progress.note(ctx, "%s Records are left in public DNS until the reconciler can take them away.", domain.Sentence(failure(err).Message))
	}
}

// letGo waits until every edge serves a revision that has no longer what was given up.
func (o *operation) letGo(ctx workflow.Context, revision int64) error {
	_, err := await[none](ctx, domain.ActivityAwaitReleased,
		domain.RevisionInput{OperationInput: o.in, SiteID: o.begun.SiteID, Revision: revision},
		limits{total: o.limit.Release, heartbeat: o.limit.Heartbeat, summary: "edges let go of the address"})
	return err
}

// live waits until edges serve services of the container, all of them when none are named.
func (o *operation) live(ctx workflow.Context, services []string) error {
	o.progress.enter(ctx, "expose", "edges serve what the container exposes")
	_, err := await[none](ctx, domain.ActivityAwaitLive,
		domain.LiveInput{OperationInput: o.in, SiteID: o.begun.SiteID, Services: services},
		limits{total: o.limit.Network, heartbeat: o.limit.Heartbeat, summary: "services are live"})
	return err
}

// certify sees to certificates that names of the container wait for, and waits until they are issued or have failed. A certificate that is
// missing stops nothing: edges serve a self-signed one until it is there.
func (o *operation) certify(ctx workflow.Context) error {
	if len(o.begun.Certificates) == 0 {
		return nil
	}
	o.progress.enter(ctx, "certificate", "for public names")
	whole, _ := workflow.NewDisconnectedContext(ctx) // what is ordered outlives the operation
	awaited := domain.AwaitIssuedInput{OperationInput: o.in, SiteID: o.begun.SiteID}
	for _, c := range o.begun.Certificates {
		run := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(whole, workflow.ChildWorkflowOptions{
			WorkflowID: domain.CertificateWorkflowID(c.CertificateID), ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON,
			WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, StaticSummary: "certificate for " + c.Name,
		}), domain.WorkflowCertificate, c)
		if err := run.GetChildWorkflowExecution().Get(ctx, nil); err != nil && !temporal.IsWorkflowExecutionAlreadyStartedError(err) {
			return err
		}
		awaited.Certificates = append(awaited.Certificates, c.CertificateID)
	}
	issued, err := await[domain.CertificateOutcome](ctx, domain.ActivityAwaitIssued, awaited,
		limits{total: o.limit.Certificate, heartbeat: o.limit.Heartbeat, summary: "certificates are issued"})
	if err != nil {
		return err
	}
	for _, words := range issued.Failed {
		o.progress.note(ctx, "%s", words)
	}
	return o.served(ctx, issued.Revision).Get(ctx, nil)
}

// destroy removes the container from its node if it is ours, and remembers what could not be removed.
func (o *operation) destroy(ctx workflow.Context, total limits) error {
	gone, err := await[domain.Destroyed](ctx, domain.ActivityDestroy, o.in, o.proxmox(total))
	if err != nil {
		o.leftover = failure(err).Message
		return err
	}
	o.leftover = gone.Leftover
	return nil
}

// unplace frees the VMID, or quarantines it when something is left on the node.
func (o *operation) unplace(ctx workflow.Context) error {
	_, err := quick[none](ctx, domain.ActivityUnplace, domain.UnplaceInput{OperationInput: o.in, Quarantine: o.leftover})
	return err
}

// abort undoes what was begun and ends the operation as cancelled, failed or needing attention. after is the state of
// the container when everything could be undone.
func (o *operation) abort(ctx workflow.Context, cause error, after domain.ContainerState) error {
	why, step := failure(cause), o.progress.step
	if ctx.Err() != nil && temporal.IsTimeoutError(cause) {
		// A step that was silent when it was asked to stop ends by its heartbeat's timeout; that is not what went wrong.
		why = failure(ctx.Err())
	}
	o.progress.enter(ctx, "undo", why.Message)
	undone, failed := o.saga.undo(ctx)
	end := domain.FinishInput{
		OperationInput: o.in, Result: domain.OpFailed, After: after, Step: step,
		Message: why.Message + " " + sentence(undone), ErrorKind: why.Kind,
	}
	switch {
	case o.leftover != "" || len(failed) > 0:
		end.Result, end.After = domain.OpNeedsAttention, domain.ContainerNeedsAttention
		end.Message = why.Message + " " + o.needs(failed)
	case why.Kind == cancelled:
		end.Result = domain.OpCancelled
	}
	return o.end(ctx, end)
}

// end writes the result of the operation and hands the container's lock to a delete that waits for it. It works in a
// cancelled workflow too.
func (o *operation) end(ctx workflow.Context, f domain.FinishInput) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	f.OperationInput = o.in
	o.progress.enter(ctx, "end", string(f.Result)+": "+f.Message)
	if _, err := quick[none](ctx, domain.ActivityFinish, f); err != nil {
		return err
	}
	next, err := quick[domain.Next](ctx, domain.ActivityNextInLine, o.in)
	if err != nil || next.OperationID == "" {
		return err
	}
	in := o.in
	in.OperationID, in.Actor, in.Kind = next.OperationID, next.Actor, domain.OpDelete
	return workflow.NewContinueAsNewError(ctx, domain.WorkflowDelete, in)
}

// needs says what a human has to look at, and what to do then.
func (o *operation) needs(failed []string) string {
	s := "A human has to look at it"
	if o.leftover != "" || len(failed) > 0 {
		s += ":"
	} else {
		s += "."
	}
	if o.leftover != "" {
		s += " " + o.leftover + " VMID and address are quarantined."
	}
	for _, f := range failed {
		s += " Could not undo " + strings.TrimSuffix(f, ".") + "."
	}
	if o.leftover != "" {
		s += " Remove what is left, then: berth quarantine release " + o.in.OperationID + "."
	}
	return s + " Once it is mended: berth operation retry " + o.in.OperationID + ", or delete the container."
}
