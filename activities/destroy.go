package activities

import (
	"context"
	"fmt"
	"strconv"

	"berth/domain"
	"berth/proxmox"
)

// Destroy stops the container and removes it from its node, if it is Berth's. What is not there is no error; what Proxmox
// VE does not let a token remove is told as a leftover.
func (p *Proxmox) Destroy(ctx context.Context, in domain.OperationInput) (domain.Destroyed, error) {
	t, err := p.target(ctx, in)
	if err != nil || t.Placement.VMID == 0 {
		return domain.Destroyed{}, err
	}
	p.journal().enter(ctx, in, "destroy", fmt.Sprintf("Removes CT %d from node %s.", t.Placement.VMID, t.node.Name))
	err = insist(p.destroy(ctx, in, t))
	if lock, ok := proxmox.LeftoverLockIn(err); ok {
		words := lock.Error() + ", which only an administrator can take off: pct unlock " + strconv.Itoa(lock.VMID) + "."
		p.journal().add(ctx, in, "destroy", warning, words)
		return domain.Destroyed{Leftover: words}, nil
	}
	return domain.Destroyed{}, err
}

func (p *Proxmox) destroy(ctx context.Context, in domain.OperationInput, t target) error {
	if task, ok := resumed(ctx); ok {
		p.outlast(ctx, in, t, task) // whatever became of it, the state of the node tells
	}
	if err := p.endOthers(ctx, in, t); err != nil {
		return err
	}
	if done, err := p.endCreate(ctx, in, t); done || err != nil {
		return err
	}
	err := p.change(ctx, t, func(ctx context.Context) error {
		task, err := t.pve.DestroyOurs(ctx, t.node.Name, t.Placement.VMID, t.ID)
		if err != nil || task.IsZero() {
			return err
		}
		// One that hangs is not stopped: that would leave a lock which a token cannot take off.
		return p.follow(ctx, in, t, "destroy", task)
	})
	if err != nil {
		return err
	}
	return p.until(ctx, "waits until the CT is gone", func() (bool, error) {
		_, err := t.pve.Status(ctx, t.node.Name, t.Placement.VMID)
		if domain.Is(err, domain.NotFound) {
			return true, nil
		}
		return false, err
	})
}

// endOthers stops what else of ours is at work on the CT, such as a start that hangs: it holds the lock that a destroy needs.
func (p *Proxmox) endOthers(ctx context.Context, in domain.OperationInput, t target) error {
	tasks, err := t.pve.RunningTasks(ctx, t.node.Name, t.Placement.VMID)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		if task.Type == "vzdestroy" || task.Type == "vzcreate" { // which have their own ways to end
			continue
		}
		p.journal().add(ctx, in, "destroy", info, "Stops the task "+task.Type+", which is still at work on the CT.")
		if err := t.pve.StopTask(ctx, task.Ref); err != nil {
			return err
		}
		p.outlast(ctx, in, t, task.Ref)
	}
	return nil
}

// outlast waits until a task has ended, well or not.
func (p *Proxmox) outlast(ctx context.Context, in domain.OperationInput, t target, task proxmox.TaskRef) {
	if err := p.follow(ctx, in, t, "destroy", task); err != nil {
		p.Logger.InfoContext(ctx, "task ended", "node", t.node.Name, "upid", task.UPID, "error", err)
	}
}

// endCreate sees to it that no create of ours is still at work on the VMID. done means that there is nothing of ours to
// remove.
func (p *Proxmox) endCreate(ctx context.Context, in domain.OperationInput, t target) (done bool, err error) {
	found, err := t.pve.ReconcileCreate(ctx, t.node.Name, t.Placement.VMID, t.ID, t.CreatedAt)
	if err != nil {
		return false, err
	}
	switch found.State {
	case proxmox.CreateRunning:
		if err := t.pve.StopTask(ctx, found.Task); err != nil {
			return false, err
		}
		p.outlast(ctx, in, t, found.Task)
		p.journal().add(ctx, in, "destroy", info, "Stopped the create that was still at work.")
		return p.endCreate(ctx, in, t)
	case proxmox.CreateLeftover:
		return false, &proxmox.LeftoverError{Node: t.node.Name, VMID: t.Placement.VMID, Lock: "create"}
	case proxmox.CreateAbsent, proxmox.CreateForeign:
		return true, nil
	}
	return false, nil
}
