package activities

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"berth/domain"
	"berth/proxmox"
	"berth/store"
)

// Proxmox are the steps on a Proxmox VE cluster.
type Proxmox struct {
	Store   *store.Store
	Clients *Clients
	Images  Images
	// Poll is how often a guest is looked at while something is awaited.
	Poll   time.Duration
	Now    func() time.Time
	Logger *slog.Logger
}

func (p *Proxmox) journal() journal { return journal{p.Store, p.Logger} }

// target is a container with everything needed to work on it.
type target struct {
	domain.Container
	node    domain.Node
	cluster domain.Cluster
	site    domain.Site
	pve     *proxmox.Client
}

func (p *Proxmox) target(ctx context.Context, in domain.OperationInput) (target, error) {
	c, err := p.Store.Container(ctx, in.ContainerID)
	if err != nil {
		return target{}, err
	}
	t := target{Container: c}
	if c.Placement.VMID == 0 {
		return t, nil
	}
	if t.node, err = p.Store.Node(ctx, c.Placement.NodeID); err != nil {
		return t, err
	}
	if t.site, err = p.Store.Site(ctx, c.SiteID); err != nil {
		return t, err
	}
	pve, cluster, err := p.Clients.Of(ctx, t.node.ClusterID)
	if err != nil {
		return t, err
	}
	t.cluster, t.pve = cluster, pve.Hiding(slices.Collect(maps.Values(c.Spec.Env)))
	return t, nil
}

// slotTTL is how long a slot outlives the worker that held it; a living one renews it three times as often.
const slotTTL = 30 * time.Second

// change runs a mutating call while it holds one of the node's slots, and keeps the node's breaker: a node that does
// not answer is left alone for a while.
func (p *Proxmox) change(ctx context.Context, t target, call func(context.Context) error) error {
	info := activity.GetInfo(ctx)
	holder := info.WorkflowExecution.ID + "/" + info.ActivityID
	if err := p.acquire(ctx, t.node, holder); err != nil {
		return err
	}
	defer func() {
		if err := p.Store.ReleaseSlot(context.WithoutCancel(ctx), holder); err != nil {
			p.Logger.WarnContext(ctx, "slot not released; it ends by itself", "node", t.node.Name, "error", err)
		}
	}()
	renewing, stop := context.WithCancel(ctx)
	defer stop()
	go p.renew(renewing, holder)
	return p.guard(ctx, t, call(ctx))
}

// guard keeps the node's breaker: an unreachable node counts, an answer ends the count.
func (p *Proxmox) guard(ctx context.Context, t target, err error) error {
	if err == nil {
		if berr := p.Store.BreakerReset(ctx, t.node.ID); berr != nil {
			p.Logger.WarnContext(ctx, "breaker not reset", "node", t.node.Name, "error", berr)
		}
		return nil
	}
	if proxmox.TripsBreaker(err) {
		if berr := p.Store.BreakerFail(ctx, t.node.ID, proxmox.BreakerFailures, proxmox.BreakerPause); berr != nil {
			p.Logger.WarnContext(ctx, "breaker not counted", "node", t.node.Name, "error", berr)
		}
	}
	return err
}

func (p *Proxmox) acquire(ctx context.Context, n domain.Node, holder string) error {
	slots := n.Slots
	if slots == 0 {
		slots = domain.DefaultSlots
	}
	return p.until(ctx, "waits for a free slot on node "+n.Name, func() (bool, error) {
		return p.Store.AcquireSlot(ctx, n.ID, slots, holder, slotTTL)
	})
}

func (p *Proxmox) renew(ctx context.Context, holder string) {
	tick := time.NewTicker(slotTTL / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := p.Store.RenewSlot(ctx, holder, slotTTL); err != nil && ctx.Err() == nil {
				p.Logger.WarnContext(ctx, "slot not renewed", "error", err)
			}
		}
	}
}

// until asks again and again, with heartbeats, until done or an error. doing says for what, should the time not suffice.
func (p *Proxmox) until(ctx context.Context, doing string, done func() (bool, error)) error {
	tick := time.NewTicker(p.Poll)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok && err == nil {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		activity.RecordHeartbeat(ctx, beat{Doing: doing})
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return domain.Errorf(domain.Transient, "not within the time allowed: %s: %w", doing, ctx.Err())
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// beat is the detail of a heartbeat: what another worker needs to go on where this one died, and what the Temporal UI
// shows of a pending activity.
type beat struct {
	Doing string          `json:"doing"`
	Task  proxmox.TaskRef `json:"task,omitzero"`
}

// resumed returns the task that an earlier try of this activity had started, if its worker died while it waited.
func resumed(ctx context.Context) (proxmox.TaskRef, bool) {
	var b beat
	if !activity.HasHeartbeatDetails(ctx) || activity.GetHeartbeatDetails(ctx, &b) != nil || b.Task.UPID == "" {
		return proxmox.TaskRef{}, false
	}
	return b.Task, true
}

// follow waits for a task, with its UPID in every heartbeat, and keeps the warnings of one that succeeded with some.
func (p *Proxmox) follow(ctx context.Context, in domain.OperationInput, t target, step string, task proxmox.TaskRef) error {
	activity.RecordHeartbeat(ctx, beat{Doing: step, Task: task})
	deadline, _ := ctx.Deadline() // activities always have one
	result, err := t.pve.Wait(ctx, task, time.Until(deadline), func(progress proxmox.Progress) {
		activity.RecordHeartbeat(ctx, beat{Doing: progress.LastLine, Task: task})
	})
	if err != nil {
		return err
	}
	for _, line := range result.Log {
		if text, ok := strings.CutPrefix(line, "WARN: "); ok {
			p.journal().add(ctx, in, step, warning, "Proxmox VE warns: "+text)
		}
	}
	return nil
}

// task runs a call that starts a Proxmox VE task and waits for it, or goes on waiting for the one an earlier try started.
func (p *Proxmox) task(ctx context.Context, in domain.OperationInput, t target, step string,
	start func(context.Context) (proxmox.TaskRef, error),
) error {
	if task, ok := resumed(ctx); ok {
		return p.follow(ctx, in, t, step, task)
	}
	return p.change(ctx, t, func(ctx context.Context) error {
		task, err := start(ctx)
		if err != nil || task.IsZero() {
			return err
		}
		return p.follow(ctx, in, t, step, task)
	})
}
