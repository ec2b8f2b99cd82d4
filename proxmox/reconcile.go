package proxmox

import (
	"context"
	"strings"
	"time"

	"berth/domain"
)

// CreateState is what became of a create whose answer was lost.
type CreateState string

// The states.
const (
	CreateAbsent   CreateState = "absent"        // nothing is there; the same VMID can be used again
	CreateRunning  CreateState = "running"       // our task still works on it: wait for Task
	CreateDone     CreateState = "created"       // the CT is there and carries our marker
	CreateForeign  CreateState = "foreign"       // the VMID belongs to somebody else: take another one, touch nothing
	CreateLeftover CreateState = "leftover-lock" // its task died: quarantine the VMID
)

// CreateOutcome is a state and what it was concluded from.
type CreateOutcome struct {
	State  CreateState
	Task   TaskRef // with CreateRunning: the task
	Failed error   // with CreateAbsent: why our task failed, when it is known to have run
}

// clockSkew is how far a node's clock may be behind ours.
const clockSkew = 5 * time.Second

// ReconcileCreate finds out what became of a create on node that was sent at since and whose outcome is unknown. marker is the container's
// ID, or its Marker. While the task runs the configuration holds nothing but a lock, so a running create is recognised by VMID and by
// our user or token; the marker counts afterwards. That nothing happened is concluded only when the call cannot take effect any more
// (Config.Settle). When the node cannot be asked the error is Unavailable: keep the VMID reserved, place the container elsewhere.
func (c *Client) ReconcileCreate(ctx context.Context, node string, vmid int, marker string, since time.Time) (CreateOutcome, error) {
	if err := checkVMID(node, vmid); err != nil {
		return CreateOutcome{}, err
	}
	id := strings.TrimPrefix(marker, linePrefix)
	for {
		outcome, err := c.lookAtCreate(ctx, node, vmid, id, since)
		settled := !c.cfg.Now().Before(since.Add(c.cfg.Settle))
		final := outcome.State == CreateDone || outcome.State == CreateRunning || outcome.State == CreateForeign || outcome.Failed != nil
		if err != nil || settled || final {
			return outcome, err
		}
		if err := c.cfg.Sleep(ctx, c.cfg.PollFirst); err != nil {
			return CreateOutcome{}, domain.Errorf(domain.UnknownOutcome, "stopped looking what became of CT %d on %s: %w", vmid, node, err)
		}
	}
}

func (c *Client) lookAtCreate(ctx context.Context, node string, vmid int, id string, since time.Time) (CreateOutcome, error) {
	// The configuration first, the tasks after it: a task that ends in between is then seen as ended, never as missing.
	ct, err := c.Config(ctx, node, vmid)
	missing := domain.Is(err, domain.NotFound)
	if err != nil && !missing {
		return CreateOutcome{}, err
	}
	// Without the filter "since": a running create on this VMID counts whatever the clocks say.
	tasks, err := c.Tasks(ctx, node, TaskFilter{VMID: vmid})
	if err != nil {
		return CreateOutcome{}, err
	}
	ours, others := c.createsOf(tasks, since)
	switch {
	case ours != nil && ours.Running:
		return CreateOutcome{State: CreateRunning, Task: ours.Ref}, nil
	case missing:
		return c.absentOrForeign(ctx, node, vmid, id, ours)
	case ct.Lock != "create" && HasMarker(ct, id):
		return CreateOutcome{State: CreateDone}, nil
	case ct.Lock != "create" && ours != nil && ours.Succeeded():
		// The task ended after we read the configuration: look again.
		if ct, err = c.Config(ctx, node, vmid); err == nil && HasMarker(ct, id) {
			return CreateOutcome{State: CreateDone}, nil
		}
		return CreateOutcome{State: CreateForeign}, err
	case ct.Lock != "create" || others:
		return CreateOutcome{State: CreateForeign}, nil
	}
	return c.stillLocked(ctx, node, vmid, id)
}

// createsOf picks our newest create of the VMID, and says whether somebody else's runs.
func (c *Client) createsOf(tasks []Task, since time.Time) (ours *Task, others bool) {
	for _, t := range tasks {
		switch {
		case !c.mine(t) && t.Running:
			others = true
		case !c.mine(t) || t.Type != "vzcreate" || !t.Running && t.Started.Before(since.Add(-clockSkew)):
		case ours == nil || t.Running && !ours.Running || t.Running == ours.Running && t.Started.After(ours.Started):
			ours = &t
		}
	}
	return ours, others
}

func (c *Client) absentOrForeign(ctx context.Context, node string, vmid int, id string, ours *Task) (CreateOutcome, error) {
	free, err := c.VMIDFree(ctx, vmid)
	if err != nil {
		return CreateOutcome{}, err
	}
	if !free {
		at, _, _, err := c.Locate(ctx, vmid)
		if err == nil && at == node { // it appeared since
			return c.stillLocked(ctx, node, vmid, id)
		}
		return CreateOutcome{State: CreateForeign}, err
	}
	if ours != nil && !ours.Succeeded() {
		return CreateOutcome{State: CreateAbsent, Failed: wrapTask(&TaskError{Ref: ours.Ref, ExitStatus: ours.ExitStatus})}, nil
	}
	return CreateOutcome{State: CreateAbsent}, nil
}

// stillLocked decides about a create lock for which the task list showed no task: look once more, as it may have ended meanwhile.
func (c *Client) stillLocked(ctx context.Context, node string, vmid int, id string) (CreateOutcome, error) {
	ct, err := c.Config(ctx, node, vmid)
	switch {
	case domain.Is(err, domain.NotFound):
		return CreateOutcome{State: CreateAbsent}, nil
	case err != nil:
		return CreateOutcome{}, err
	case ct.Lock != "create" && HasMarker(ct, id):
		return CreateOutcome{State: CreateDone}, nil
	case ct.Lock != "create":
		return CreateOutcome{State: CreateForeign}, nil
	}
	active, err := c.activeTasks(ctx, node, vmid)
	if err != nil {
		return CreateOutcome{}, err
	}
	for _, t := range active {
		if t.Type == "vzcreate" && c.mine(t) {
			return CreateOutcome{State: CreateRunning, Task: t.Ref}, nil
		}
	}
	if len(active) > 0 {
		return CreateOutcome{State: CreateForeign}, nil
	}
	return CreateOutcome{State: CreateLeftover}, nil
}
