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
	err = p.destroy(ctx, in, t)
	if lock, ok := proxmox.LeftoverLockIn(err); ok {
		words := lock.Error() + ", which only an administrator can take off: pct unlock " + strconv.Itoa(lock.VMID) + "."
		p.journal().add(ctx, in, "destroy", warning, words)
		return domain.Destroyed{Leftover: words}, nil
	}
	return domain.Destroyed{}, err
}

func (p *Proxmox) destroy(ctx context.Context, in domain.OperationInput, t target) error {
	if task, ok := resumed(ctx); ok {
		// Whatever became of it, the state of the node tells.
		if err := p.follow(ctx, in, t, "destroy", task); err != nil {
			p.journal().add(ctx, in, "destroy", warning, words(err))
		}
	}
	if done, err := p.endCreate(ctx, in, t); done || err != nil {
		return err
	}
	err := p.change(ctx, t, func(ctx context.Context) error {
		task, err := t.pve.DestroyOurs(ctx, t.node.Name, t.Placement.VMID, t.ID)
		if err != nil || task.IsZero() {
			return err
		}
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
		if err := p.follow(ctx, in, t, "destroy", found.Task); err != nil {
			p.journal().add(ctx, in, "destroy", info, "The create that was still at work was stopped.")
		}
		return p.endCreate(ctx, in, t)
	case proxmox.CreateLeftover:
		return false, &proxmox.LeftoverError{Node: t.node.Name, VMID: t.Placement.VMID, Lock: "create"}
	case proxmox.CreateAbsent, proxmox.CreateForeign:
		return true, nil
	}
	return false, nil
}
