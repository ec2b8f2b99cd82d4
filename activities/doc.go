// Package activities does what workflows ask for: one struct per outside system. An activity is idempotent, because it
// may run again after its worker died: it looks at what is there before it changes anything. What it did and found goes
// into the log of its operation, in words.
package activities

import (
	"context"
	"log/slog"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"berth/domain"
	"berth/store"
)

// Set is every activity of a worker.
type Set struct {
	Records    *Records
	Network    *Network
	Proxmox    *Proxmox
	Observer   *Observer
	Reconciler *Reconciler

	Certificates *Certificates
	PublicDNS    *PublicDNS
}

// Register registers the activities of TaskQueue under their names in the domain.
func (s Set) Register(r worker.ActivityRegistry) {
	register(r, map[string]any{
		domain.ActivityBegin:      s.Records.Begin,
		domain.ActivityPlace:      s.Records.Place,
		domain.ActivityUnplace:    s.Records.Unplace,
		domain.ActivityRelease:    s.Records.Release,
		domain.ActivityWithdraw:   s.Records.Withdraw,
		domain.ActivityRestore:    s.Records.Restore,
		domain.ActivityRename:     s.Records.Rename,
		domain.ActivityFinish:     s.Records.Finish,
		domain.ActivityRemove:     s.Records.Remove,
		domain.ActivityPublish:    s.Records.Publish,
		domain.ActivityNextInLine: s.Records.NextInLine,

		domain.ActivityAwaitServed:   s.Network.AwaitServed,
		domain.ActivityAwaitReleased: s.Network.AwaitReleased,
		domain.ActivityAwaitLive:     s.Network.AwaitLive,

		domain.ActivityCreate:      s.Proxmox.Create,
		domain.ActivityConfigure:   s.Proxmox.Configure,
		domain.ActivityGrant:       s.Proxmox.Grant,
		domain.ActivityRevoke:      s.Proxmox.Revoke,
		domain.ActivityStart:       s.Proxmox.Start,
		domain.ActivityVerify:      s.Proxmox.Verify,
		domain.ActivityPower:       s.Proxmox.Power,
		domain.ActivityReconfigure: s.Proxmox.Reconfigure,
		domain.ActivityRevert:      s.Proxmox.Revert,
		domain.ActivityDestroy:     s.Proxmox.Destroy,
		domain.ActivityAdopt:       s.Proxmox.Adopt,
		domain.ActivityDisown:      s.Proxmox.Disown,

		domain.ActivityBeginOrder:        s.Certificates.BeginOrder,
		domain.ActivityRevokeCertificate: s.Certificates.RevokeCertificate,
		domain.ActivityRegister:          s.Certificates.RegisterAccount,
		domain.ActivityOrder:             s.Certificates.Order,
		domain.ActivityAuthorize:         s.Certificates.Authorize,
		domain.ActivityAwaitChallenge:    s.Certificates.AwaitChallenge,
		domain.ActivityAnswer:            s.Certificates.Answer,
		domain.ActivityFinalize:          s.Certificates.Finalize,
		domain.ActivityInstall:           s.Certificates.Install,
		domain.ActivityAwaitInstalled:    s.Certificates.AwaitInstalled,
		domain.ActivityFailOrder:         s.Certificates.FailOrder,
		domain.ActivityTidyOrder:         s.Certificates.TidyOrder,
		domain.ActivityTidyRecords:       s.Certificates.TidyRecords,
		domain.ActivityPublishNames:      s.PublicDNS.PublishNames,
		domain.ActivityWithdrawNames:     s.PublicDNS.WithdrawNames,
		domain.ActivityAwaitIssued:       s.Certificates.AwaitIssued,

		domain.ActivityObserve:   s.Observer.Observe,
		domain.ActivityReconcile: s.Reconciler.Reconcile,
	})
}

// RegisterPulls registers the activities of PullQueue.
func (s Set) RegisterPulls(r worker.ActivityRegistry) {
	register(r, map[string]any{domain.ActivityPullImage: s.Proxmox.PullImage})
}

func register(r worker.ActivityRegistry, named map[string]any) {
	for name, fn := range named {
		r.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
}

// journal writes the log of operations.
type journal struct {
	store  *store.Store
	logger *slog.Logger
}

// The levels of a line in the log of an operation.
const (
	info    = "info"
	warning = "warning"
)

// add writes one line. A line that cannot be written is not worth failing the step for: it is logged.
func (j journal) add(ctx context.Context, in domain.OperationInput, step, level, message string) {
	if err := j.store.AddEvent(ctx, in.OperationID, step, level, message); err != nil {
		j.logger.WarnContext(ctx, "operation log line lost", "operation", in.OperationID, "step", step, "error", err)
	}
}

// enter notes which step runs, and writes its line.
func (j journal) enter(ctx context.Context, in domain.OperationInput, step, message string) {
	err := j.store.ModifyOperation(ctx, in.OperationID, func(o *domain.Operation) error {
		o.Step = step
		return nil
	})
	if err != nil {
		j.logger.WarnContext(ctx, "operation step lost", "operation", in.OperationID, "step", step, "error", err)
	}
	j.add(ctx, in, step, info, message)
}
