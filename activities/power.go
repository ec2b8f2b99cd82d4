package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth/domain"
	"berth/proxmox"
)

// Start boots the container. One that runs already is no error.
func (p *Proxmox) Start(ctx context.Context, in domain.OperationInput) (struct{}, error) {
	return p.Power(ctx, domain.PowerInput{OperationInput: in, Action: domain.ActionStart})
}

// Power runs one power action and notes what the container does afterwards.
func (p *Proxmox) Power(ctx context.Context, in domain.PowerInput) (struct{}, error) {
	t, err := p.target(ctx, in.OperationInput)
	if err != nil {
		return struct{}{}, err
	}
	op, err := p.Store.Operation(ctx, in.OperationID)
	if err != nil {
		return struct{}{}, err
	}
	p.journal().enter(ctx, in.OperationInput, string(in.Action), fmt.Sprintf("Asks node %s: %s.", t.node.Name, in.Action))
	err = p.task(ctx, in.OperationInput, t, string(in.Action), func(ctx context.Context) (proxmox.TaskRef, error) {
		return t.powerTask(ctx, in.Action, time.Duration(op.Params.Timeout)*time.Second, op.Params.Force)
	})
	if proxmox.Classify(err).Reaction == proxmox.AlreadyDone && err != nil {
		err = p.alreadyIn(ctx, in, t)
	}
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, p.Store.ObservePower(ctx, t.ID, in.Action.Wants())
}

// alreadyIn handles a container that is in the wanted state: only a reboot then still has something to do.
func (p *Proxmox) alreadyIn(ctx context.Context, in domain.PowerInput, t target) error {
	p.journal().add(ctx, in.OperationInput, string(in.Action), info, "It was so already.")
	if in.Action != domain.ActionReboot {
		return nil
	}
	return p.task(ctx, in.OperationInput, t, "start", func(ctx context.Context) (proxmox.TaskRef, error) {
		return t.powerTask(ctx, domain.ActionStart, 0, false)
	})
}

// defaultGrace is how long a guest has to end by itself, as in Proxmox VE.
const defaultGrace = time.Minute

func (t *target) powerTask(ctx context.Context, action domain.PowerAction, grace time.Duration, force bool) (proxmox.TaskRef, error) {
	if grace == 0 {
		grace = defaultGrace
	}
	switch action {
	case domain.ActionShutdown:
		return t.pve.Shutdown(ctx, t.node.Name, t.Placement.VMID, grace, force)
	case domain.ActionStop:
		return t.pve.Stop(ctx, t.node.Name, t.Placement.VMID)
	case domain.ActionReboot:
		return t.pve.Reboot(ctx, t.node.Name, t.Placement.VMID, grace)
	default:
		return t.pve.Start(ctx, t.node.Name, t.Placement.VMID)
	}
}

// Verify waits until the guest runs and holds exactly the address that is reserved for it.
func (p *Proxmox) Verify(ctx context.Context, in domain.OperationInput) (struct{}, error) {
	t, err := p.target(ctx, in)
	if err != nil {
		return struct{}{}, err
	}
	p.journal().enter(ctx, in, "verify", "Waits until the guest holds "+t.Address+".")
	seen := ""
	err = p.until(ctx, "waits for the guest's address", func() (bool, error) {
		status, err := t.pve.Status(ctx, t.node.Name, t.Placement.VMID)
		if err != nil {
			return false, p.guard(ctx, t, err)
		}
		if !status.Running {
			return false, domain.Errorf(domain.Permanent, "The guest stopped right after it was started: its entrypoint ended. Proxmox VE keeps no output of it; look at image and entrypoint.")
		}
		if t.Unmanaged {
			return true, nil
		}
		held, err := t.address(ctx)
		if err != nil {
			return false, err
		}
		seen = held
		return held == t.Address, nil
	})
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = domain.Errorf(domain.Permanent, "The guest did not get its address %s: %s.", t.Address, whatItHolds(seen))
	}
	if err != nil {
		return struct{}{}, err
	}
	p.journal().add(ctx, in, "verify", info, "The guest runs and holds "+t.Address+".")
	return struct{}{}, p.Store.ObservePower(ctx, t.ID, domain.PowerRunning)
}

func whatItHolds(seen string) string {
	if seen == "" {
		return "it holds none, so no DHCP server answered it, or it has no DHCP client"
	}
	return "it holds " + seen + ", so another DHCP server answers on that network, or the guest sets it itself"
}

// address returns the IPv4 address of the interface with the container's MAC, or "".
func (t *target) address(ctx context.Context) (string, error) {
	interfaces, err := t.pve.Interfaces(ctx, t.node.Name, t.Placement.VMID)
	if err != nil {
		return "", err
	}
	for _, i := range interfaces {
		if domain.SameMAC(i.MAC, t.MAC) && len(i.IPv4) > 0 {
			return i.IPv4[0], nil
		}
	}
	return "", nil
}
