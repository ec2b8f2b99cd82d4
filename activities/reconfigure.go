package activities

import (
	"context"
	"fmt"

	"berth/domain"
	"berth/proxmox"
)

// Reconfigure writes the container's settings to its node: everything that SQL wants, so that a second run changes
// nothing. It tells whether a restart is needed and was agreed to.
func (p *Proxmox) Reconfigure(ctx context.Context, in domain.OperationInput) (domain.Reconfigured, error) {
	op, err := p.Store.Operation(ctx, in.OperationID)
	if err != nil {
		return domain.Reconfigured{}, err
	}
	t, err := p.target(ctx, in)
	if err != nil {
		return domain.Reconfigured{}, err
	}
	change := op.Params.Reconfigure
	p.journal().enter(ctx, in, "settings", "Writes the settings to node "+t.node.Name+".")
	if err := p.writeSettings(ctx, t, change.Env || change.Entrypoint); err != nil {
		return domain.Reconfigured{}, err
	}
	if change.DiskGiB != nil {
		p.journal().add(ctx, in, "settings", info, fmt.Sprintf("Grows the disk to %d GiB.", t.Spec.DiskGiB))
		err := p.task(ctx, in, t, "resize", func(ctx context.Context) (proxmox.TaskRef, error) {
			return t.pve.Resize(ctx, t.node.Name, t.Placement.VMID, t.Spec.DiskGiB)
		})
		if err != nil && proxmox.Classify(err).Reaction != proxmox.AlreadyDone {
			return domain.Reconfigured{}, err
		}
	}
	status, err := t.pve.Status(ctx, t.node.Name, t.Placement.VMID)
	if err != nil {
		return domain.Reconfigured{}, err
	}
	return domain.Reconfigured{Restart: status.Running && change.NeedsRestart() && change.Restart}, nil
}

func (p *Proxmox) writeSettings(ctx context.Context, t target, runtime bool) error {
	return p.change(ctx, t, func(ctx context.Context) error {
		now, err := t.pve.Config(ctx, t.node.Name, t.Placement.VMID)
		if err != nil {
			return err
		}
		change := proxmox.ConfigChange{
			Hostname: &t.Name, Cores: &t.Spec.Cores, MemoryMiB: &t.Spec.MemoryMiB, SwapMiB: &t.Spec.SwapMiB, Digest: now.Digest,
		}
		if runtime {
			if change.Env, err = p.environment(ctx, t, now.Env); err != nil {
				return err
			}
			if t.Spec.Entrypoint != "" {
				change.Entrypoint = &t.Spec.Entrypoint
			}
		}
		return t.pve.Configure(ctx, t.node.Name, t.Placement.VMID, change)
	})
}

// environment returns the image's environment with the container's own values over it. What the node has now cannot tell
// the two apart, so the image is asked again; a CT template has no environment of its own.
func (p *Proxmox) environment(ctx context.Context, t target, now []string) ([]string, error) {
	image, err := domain.ParseImage(t.Spec.Image)
	if err != nil || image.IsTemplate() || t.Digest == "" {
		return mergeEnv(nil, t.Spec.Env), nil //nolint:nilerr // an imported CT has no image
	}
	image.Tag, image.Digest = "", t.Digest
	looked, err := p.Images.Inspect(ctx, image)
	if err != nil {
		p.Logger.WarnContext(ctx, "image not asked for its environment; the node's is kept", "container", t.Name, "error", err)
		return mergeEnv(now, t.Spec.Env), nil
	}
	return mergeEnv(looked.Env, t.Spec.Env), nil
}

// Revert takes back what a reconfigure that failed wanted: SQL goes back to what the operation kept of it, and then so
// does the node. Environment values, which no operation keeps, are on the node as SQL has them afterwards: as asked for.
func (p *Proxmox) Revert(ctx context.Context, in domain.OperationInput) (struct{}, error) {
	op, err := p.Store.Operation(ctx, in.OperationID)
	if err != nil {
		return struct{}{}, err
	}
	before := op.Params.Before
	if before == nil {
		return struct{}{}, nil
	}
	if before.Name != nil {
		if _, err := p.Store.RenameReservation(ctx, in.ContainerID, *before.Name); err != nil {
			return struct{}{}, err
		}
	}
	if err := p.Store.ModifyContainer(ctx, in.ContainerID, func(c *domain.Container) error {
		before.Restore(c)
		return nil
	}); err != nil {
		return struct{}{}, err
	}
	t, err := p.target(ctx, in)
	if err != nil {
		return struct{}{}, err
	}
	change := op.Params.Reconfigure
	return struct{}{}, p.writeSettings(ctx, t, change.Env || change.Entrypoint)
}
