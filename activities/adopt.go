package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth/domain"
	"berth/proxmox"
	"berth/store"
)

// Adopt takes an existing CT over as it is: it reads the CT, reserves its address and MAC as found, and marks it.
func (p *Proxmox) Adopt(ctx context.Context, in domain.OperationInput) (domain.Released, error) {
	t, err := p.target(ctx, in)
	if err != nil {
		return domain.Released{}, err
	}
	p.journal().enter(ctx, in, "adopt", fmt.Sprintf("Reads CT %d on node %s.", t.Placement.VMID, t.node.Name))
	now, err := t.pve.Config(ctx, t.node.Name, t.Placement.VMID)
	if err != nil {
		return domain.Released{}, err
	}
	if owner, marked := proxmox.MarkerOf(now); marked && owner != t.ID {
		return domain.Released{}, domain.Errorf(domain.Conflict, "CT %d is Berth's already, as container %s", t.Placement.VMID, owner)
	}
	nic, ok := now.Nets[0]
	if !ok {
		return domain.Released{}, domain.Errorf(domain.Permanent, "CT %d has no network interface net0", t.Placement.VMID)
	}
	t.MAC = nic.MAC
	status, err := t.pve.Status(ctx, t.node.Name, t.Placement.VMID)
	if err != nil {
		return domain.Released{}, err
	}
	address, err := p.addressFound(ctx, t, status.Running)
	if err != nil {
		return domain.Released{}, err
	}
	revision, err := p.keep(ctx, t, now, address, status.Running)
	if err != nil {
		return domain.Released{}, err
	}
	p.journal().add(ctx, in, "adopt", info, "Reserved as found: "+t.MAC+" "+address+".")
	return domain.Released{Revision: revision}, p.mark(ctx, t, now, proxmox.Tags(t.ID, now.Tags...), proxmox.Described(t.ID, now.Description))
}

// bootTime is how long a guest that runs may take to show its address; one that has none is adopted without.
const bootTime = 15 * time.Second

// addressFound returns the address that a guest holds, "" for none. One that was just started has it after a moment.
func (p *Proxmox) addressFound(ctx context.Context, t target, running bool) (address string, err error) {
	if !running {
		return t.address(ctx)
	}
	patient, cancel := context.WithTimeout(ctx, bootTime)
	defer cancel()
	err = p.until(patient, "waits for the guest's address", func() (bool, error) {
		address, err = t.address(ctx)
		return address != "", err
	})
	if errors.Is(patient.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		return "", nil
	}
	return address, err
}

// keep writes what was found of a CT into SQL.
func (p *Proxmox) keep(ctx context.Context, t target, now proxmox.CTConfig, address string, running bool) (revision int64, err error) {
	err = p.Store.Transact(ctx, func(tx *store.Store) error {
		c, err := tx.Container(ctx, t.ID)
		if err != nil {
			return err
		}
		c.Unmanaged = !t.site.Contains(address)
		if err := tx.ReserveAs(ctx, t.site, &c, address, t.MAC); err != nil {
			return err
		}
		if err := tx.ModifyContainer(ctx, t.ID, func(c *domain.Container) error {
			c.Address, c.MAC, c.Unmanaged = address, t.MAC, !t.site.Contains(address)
			c.Spec.Cores, c.Spec.MemoryMiB, c.Spec.SwapMiB, c.Spec.DiskGiB = now.Cores, now.MemoryMiB, now.SwapMiB, now.DiskGiB
			c.Power, c.WantPower = domain.PowerStopped, domain.PowerStopped
			if running {
				c.Power, c.WantPower = domain.PowerRunning, domain.PowerRunning
			}
			return nil
		}); err != nil {
			return err
		}
		site, err := tx.Site(ctx, c.SiteID)
		revision = site.Desired
		return err
	})
	return revision, err
}

func (p *Proxmox) mark(ctx context.Context, t target, now proxmox.CTConfig, tags []string, description string) error {
	return p.change(ctx, t, func(ctx context.Context) error {
		return t.pve.Configure(ctx, t.node.Name, t.Placement.VMID,
			proxmox.ConfigChange{Tags: &tags, Description: &description, Digest: now.Digest})
	})
}

// Disown takes Berth's marker off a CT again and leaves the CT as it is.
func (p *Proxmox) Disown(ctx context.Context, in domain.OperationInput) (struct{}, error) {
	t, err := p.target(ctx, in)
	if err != nil || t.Placement.VMID == 0 {
		return struct{}{}, err
	}
	now, err := t.pve.Config(ctx, t.node.Name, t.Placement.VMID)
	if domain.Is(err, domain.NotFound) {
		return struct{}{}, nil
	}
	if err != nil || !proxmox.HasMarker(now, t.ID) {
		return struct{}{}, err
	}
	tags, description := proxmox.Unmarked(now)
	return struct{}{}, p.mark(ctx, t, now, tags, description)
}
