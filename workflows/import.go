package workflows

import (
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// Import adopts a CT that exists already, without a restart: it is marked as Berth's, and its address and MAC are
// reserved as found.
func Import(ctx workflow.Context, in domain.OperationInput) error {
	i := adoption{}
	i.saga.before("marker, address and VMID", i.disown) // the request has taken the VMID already
	err := i.begin(ctx, "Import", in)
	if err == nil {
		err = i.run(ctx)
	}
	if err != nil {
		return i.abort(ctx, err, domain.ContainerFailed)
	}
	return i.end(ctx, domain.FinishInput{
		Result: domain.OpSucceeded, After: domain.ContainerReady, Message: "Imported as it is.",
	})
}

type adoption struct{ operation }

func (i *adoption) run(ctx workflow.Context) error {
	i.progress.enter(ctx, "adopt", "reads the CT, reserves its address and marks it")
	adopted, err := await[domain.Released](ctx, domain.ActivityAdopt, i.in, i.proxmox(limits{total: i.limit.Power, summary: "adopt"}))
	if err != nil {
		return err
	}
	i.progress.enter(ctx, "network", "edges serve DHCP reservation and DNS name")
	return i.served(ctx, adopted.Revision).Get(ctx, nil)
}

// disown leaves the CT as it was found and forgets what was reserved for it.
func (i *adoption) disown(ctx workflow.Context) error {
	_, err := await[none](ctx, domain.ActivityDisown, i.in, i.proxmox(limits{total: i.limit.Undo, summary: "take the marker off"}))
	if err != nil {
		return err
	}
	if err := i.release(ctx); err != nil {
		return err
	}
	return i.unplace(ctx)
}
