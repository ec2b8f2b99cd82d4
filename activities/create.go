package activities

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.temporal.io/sdk/activity"

	"berth/domain"
	"berth/proxmox"
)

// Create makes the CT on its node. A try that follows another one first finds out what became of it.
func (p *Proxmox) Create(ctx context.Context, in domain.CreateInput) (struct{}, error) {
	t, err := p.target(ctx, in.OperationInput)
	if err != nil {
		return struct{}{}, err
	}
	p.journal().enter(ctx, in.OperationInput, "create", fmt.Sprintf("Creates CT %d on node %s.", t.Placement.VMID, t.node.Name))
	if activity.GetInfo(ctx).Attempt > 1 {
		if done, err := p.settle(ctx, in.OperationInput, t); done || err != nil {
			return struct{}{}, err
		}
	}
	err = p.task(ctx, in.OperationInput, t, "create", func(ctx context.Context) (proxmox.TaskRef, error) {
		return t.pve.Create(ctx, t.node.Name, createSpec(t, in.Image.Volume))
	})
	if proxmox.Classify(err).Reaction == proxmox.NewVMID {
		// The VMID is taken: by ourselves, if the answer to an earlier call was lost.
		if done, serr := p.settle(ctx, in.OperationInput, t); done || serr != nil {
			return struct{}{}, serr
		}
	}
	return struct{}{}, err
}

// settle finds out what became of a create whose outcome is not known; done means that the CT is there and ours.
func (p *Proxmox) settle(ctx context.Context, in domain.OperationInput, t target) (done bool, err error) {
	found, err := t.pve.ReconcileCreate(ctx, t.node.Name, t.Placement.VMID, t.ID, t.CreatedAt)
	if err != nil {
		return false, err
	}
	switch found.State {
	case proxmox.CreateDone:
		return true, nil
	case proxmox.CreateRunning:
		return true, p.follow(ctx, in, t, "create", found.Task)
	case proxmox.CreateLeftover:
		return false, &proxmox.LeftoverError{Node: t.node.Name, VMID: t.Placement.VMID, Lock: "create"}
	}
	return false, nil // absent, or somebody else's: the call itself tells which
}

func createSpec(t target, volume string) proxmox.CreateSpec {
	return proxmox.CreateSpec{
		VMID: t.Placement.VMID, Hostname: t.Name, Template: volume, Storage: t.node.RootStorage,
		DiskGiB: t.Spec.DiskGiB, Cores: t.Spec.Cores, MemoryMiB: t.Spec.MemoryMiB, SwapMiB: t.Spec.SwapMiB,
		Net:          proxmox.Net{Name: "eth0", Bridge: t.node.Bridge, MAC: t.MAC, IP: "dhcp"},
		Searchdomain: t.site.Domain,
		Tags:         proxmox.Tags(t.ID),
		Description:  proxmox.Description(t.ID, t.Spec.Image, t.Owner),
		OnBoot:       true,
		Nesting:      true, // systemd needs it in unprivileged containers, and a token may set it
	}
}

// Configure adds the container's environment and replaces its entrypoint. Proxmox VE takes both from the image when it
// creates a CT and ignores the request's, so they are written afterwards.
func (p *Proxmox) Configure(ctx context.Context, in domain.OperationInput) (struct{}, error) {
	t, err := p.target(ctx, in)
	if err != nil || len(t.Spec.Env) == 0 && t.Spec.Entrypoint == "" {
		return struct{}{}, err
	}
	p.journal().enter(ctx, in, "configure", "Writes environment and entrypoint.")
	return struct{}{}, p.change(ctx, t, func(ctx context.Context) error {
		now, err := t.pve.Config(ctx, t.node.Name, t.Placement.VMID)
		if err != nil {
			return err
		}
		change := proxmox.ConfigChange{Env: mergeEnv(now.Env, t.Spec.Env), Digest: now.Digest}
		if t.Spec.Entrypoint != "" {
			change.Entrypoint = &t.Spec.Entrypoint
		}
		return t.pve.Configure(ctx, t.node.Name, t.Placement.VMID, change)
	})
}

// mergeEnv puts own values over those of the image; the result is sorted, so that it is the same each time.
func mergeEnv(image []string, own map[string]string) []string {
	merged := map[string]string{}
	for _, kv := range image {
		key, value, _ := strings.Cut(kv, "=")
		merged[key] = value
	}
	maps.Copy(merged, own)
	out := make([]string, 0, len(merged))
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		out = append(out, key+"="+merged[key])
	}
	return out
}

// role is what owners may do with their container in Proxmox VE itself: see it, use its console, switch it.
const role = "PVEVMUser"

func vmPath(t target) string { return fmt.Sprintf("/vms/%d", t.Placement.VMID) }

// Grant gives the owner access to the CT in Proxmox VE. A cluster without a realm knows no owners: that is noted.
func (p *Proxmox) Grant(ctx context.Context, in domain.OperationInput) (struct{}, error) {
	t, err := p.target(ctx, in)
	if err != nil {
		return struct{}{}, err
	}
	if t.cluster.Realm == "" {
		p.journal().add(ctx, in, "grant", info, "Skipped: the cluster has no realm, so Proxmox VE knows no owner to give access to.")
		return struct{}{}, nil
	}
	p.journal().enter(ctx, in, "grant", "Gives the owner access in Proxmox VE.")
	return struct{}{}, p.change(ctx, t, func(ctx context.Context) error {
		return t.pve.SetACL(ctx, vmPath(t), role, t.Owner+"@"+t.cluster.Realm, false)
	})
}

// Revoke takes the owner's access away.
func (p *Proxmox) Revoke(ctx context.Context, in domain.OperationInput) (struct{}, error) {
	t, err := p.target(ctx, in)
	if err != nil || t.Placement.VMID == 0 || t.cluster.Realm == "" {
		return struct{}{}, err
	}
	return struct{}{}, p.change(ctx, t, func(ctx context.Context) error {
		return t.pve.SetACL(ctx, vmPath(t), role, t.Owner+"@"+t.cluster.Realm, true)
	})
}
