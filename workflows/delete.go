package workflows

import (
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// Delete removes a container and everything it holds. It only rolls forward: before the first destructive step it can be
// cancelled, after it it ends with the container gone, or with a human asked for help.
func Delete(ctx workflow.Context, in domain.OperationInput) error {
	d := deletion{}
	err := d.begin(ctx, "Delete", in)
	if err != nil {
		return d.abort(ctx, err, "")
	}
	// From here on nothing is undone, so nothing is cancelled either.
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if err := d.run(ctx); err != nil {
		why, message := failure(err), d.needs(nil)
		if d.leftover != why.Message { // then it says so already
			message = why.Message + " " + message
		}
		return d.end(ctx, domain.FinishInput{
			Result: domain.OpNeedsAttention, After: domain.ContainerNeedsAttention,
			Step: d.progress.step, Message: message, ErrorKind: why.Kind,
		})
	}
	if d.leftover != "" && !d.begun.Params.Forget {
		return d.end(ctx, domain.FinishInput{
			Result: domain.OpNeedsAttention, After: domain.ContainerNeedsAttention,
			Step: "destroy", Message: d.needs(nil), ErrorKind: domain.Permanent.String(),
		})
	}
	d.progress.enter(ctx, "remove", "forgets the container")
	_, err = quick[none](ctx, domain.ActivityRemove, in)
	if err != nil {
		return err
	}
	message := "Deleted; nothing is left."
	if d.begun.Quarantined != "" {
		message = "Deleted, but what an earlier operation could not remove may still be there: " + d.begun.Quarantined +
			". VMID and address stay quarantined until an administrator has looked."
	}
	if d.leftover != "" {
		message = "Forgotten. " + d.leftover + " VMID and address stay quarantined."
	}
	return d.end(ctx, domain.FinishInput{Result: domain.OpSucceeded, Message: message})
}

type deletion struct{ operation }

func (d *deletion) run(ctx workflow.Context) error {
	if d.begun.Services > 0 {
		if err := d.withdraw(ctx); err != nil {
			return err
		}
	}
	switch {
	case d.begun.Params.Forget:
		d.leftover = "The CT may still be on its node, which was given up for good."
	case d.begun.Placed:
		d.progress.enter(ctx, "revoke", "the owner's access in Proxmox VE")
		if _, err := await[none](ctx, domain.ActivityRevoke, d.in, d.proxmox(limits{total: d.limit.Undo, summary: "owner's ACL"})); err != nil {
			d.progress.note(ctx, "%s (Proxmox VE drops it with the CT)", failure(err).Message)
		}
		d.progress.enter(ctx, "destroy", "stops it and removes it from its node")
		if err := d.destroy(ctx, limits{total: d.limit.Undo, summary: "stop and destroy"}); err != nil {
			d.quarantine(ctx)
			return err
		}
	}
	d.progress.enter(ctx, "release", "address and DNS name")
	if err := d.release(ctx); err != nil {
		return err
	}
	return d.unplace(ctx)
}

// withdrawShare is the share of its time after which a delete no longer waits for edges to stop sending traffic.
const withdrawShare = 10

// withdraw stops traffic before what it goes to is destroyed. Edges that are away do not hold it up.
func (d *deletion) withdraw(ctx workflow.Context) error {
	d.progress.enter(ctx, "withdraw", "edges stop serving what the container exposes")
	withdrawn, err := quick[domain.Released](ctx, domain.ActivityWithdraw, d.in)
	if err != nil || withdrawn.Revision == 0 {
		return err
	}
	soon := d.operation
	soon.limit.Network /= withdrawShare
	if err := soon.served(ctx, withdrawn.Revision).Get(ctx, nil); err != nil {
		d.progress.note(ctx, "%s", failure(err).Message)
	}
	d.withdrawNames(ctx)
	return nil
}

// quarantine keeps VMID and address from being used again while something may be left on the node.
func (d *deletion) quarantine(ctx workflow.Context) {
	if err := d.release(ctx); err != nil {
		d.progress.note(ctx, "address: %s", failure(err).Message)
	}
	if err := d.unplace(ctx); err != nil {
		d.progress.note(ctx, "VMID: %s", failure(err).Message)
	}
}
