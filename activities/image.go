package activities

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.temporal.io/sdk/activity"

	"berth/domain"
	"berth/proxmox"
)

// Images reads images from registries.
type Images interface {
	// Inspect tells the digest and configuration of an image.
	Inspect(ctx context.Context, image domain.Image) (domain.ImageInfo, error)
	// Private reports whether Berth has a login for the image's registry, which the nodes do not have.
	Private(ctx context.Context, image domain.Image) (bool, error)
	// Archive writes an image to a file as the OCI archive that Proxmox VE takes by upload.
	Archive(ctx context.Context, image domain.Image, path string) error
}

// PullImage sees to it that the node has the container's image, under a name that carries its digest, and returns the
// volume. The digest is looked up once and kept, so that a tag that moves meanwhile does not matter.
func (p *Proxmox) PullImage(ctx context.Context, in domain.OperationInput) (domain.Pulled, error) {
	t, err := p.target(ctx, in)
	if err != nil {
		return domain.Pulled{}, err
	}
	image, err := domain.ParseImage(t.Spec.Image)
	if err != nil {
		return domain.Pulled{}, domain.Errorf(domain.Invalid, "image %w", err)
	}
	if image.IsTemplate() {
		return p.template(ctx, t, image)
	}
	looked, err := p.Images.Inspect(ctx, image)
	if err != nil {
		return domain.Pulled{}, err
	}
	if err := p.Store.ModifyContainer(ctx, t.ID, func(c *domain.Container) error {
		c.Digest = looked.Digest
		return nil
	}); err != nil {
		return domain.Pulled{}, err
	}
	name := image.FileName(looked.Digest)
	out := domain.Pulled{Volume: t.node.TemplateStorage + ":vztmpl/" + name + ".tar", Digest: looked.Digest}
	// Before the look, so that an image that is there is not pruned between the look and the create.
	if err := p.Store.UseImage(ctx, t.node.ID, out.Volume); err != nil {
		return out, err
	}
	if has, err := p.hasVolume(ctx, t, out.Volume); err != nil || has {
		if has {
			p.journal().enter(ctx, in, "image", "The node has the image already.")
		}
		return out, err
	}
	source, who, err := p.source(ctx, image, looked.Digest)
	if err != nil {
		return out, err
	}
	p.journal().enter(ctx, in, "image", fmt.Sprintf("%s %s: %d blobs, %d MiB.", who, image, looked.Layers+1, looked.Size/mib+1))
	return out, p.bring(ctx, in, t, source, name, out.Volume)
}

// source decides who brings an image, and by what reference: the node pulls what has a tag. What it cannot pull goes by
// digest, which Berth uploads: a digest itself, and what only Berth has a login for.
func (p *Proxmox) source(ctx context.Context, image domain.Image, digest string) (source domain.Image, who string, err error) {
	private, err := p.Images.Private(ctx, image)
	if err != nil {
		return image, "", err
	}
	if private {
		image.Tag, image.Digest = "", digest
	}
	if image.Digest != "" {
		return image, "Berth uploads", nil
	}
	return image, "The node pulls", nil
}

// bring gets an image onto the node, by pull when it has a tag, else by upload.
func (p *Proxmox) bring(ctx context.Context, in domain.OperationInput, t target, image domain.Image, name, volume string) error {
	err := p.pull(ctx, in, t, image, name)
	if proxmox.Classify(err).Reaction == proxmox.AlreadyDone {
		err = nil // somebody else's pull of the same file came first; is it complete?
	}
	if err != nil {
		return err
	}
	return p.until(ctx, "waits until another pull of the same image ends", func() (bool, error) { return p.hasVolume(ctx, t, volume) })
}

func (p *Proxmox) pull(ctx context.Context, in domain.OperationInput, t target, image domain.Image, name string) error {
	if task, ok := resumed(ctx); ok {
		return p.follow(ctx, in, t, "image", task)
	}
	start := func() (proxmox.TaskRef, error) {
		return t.pve.Pull(ctx, t.node.Name, t.node.TemplateStorage, image.String(), name)
	}
	if image.Digest != "" {
		start = func() (proxmox.TaskRef, error) {
			activity.RecordHeartbeat(ctx, beat{Doing: "uploads the image"})
			return p.upload(ctx, t, image, name)
		}
	}
	task, err := start()
	if err != nil {
		return p.guard(ctx, t, err)
	}
	return p.follow(ctx, in, t, "image", task)
}

// template checks that the node has a CT template.
func (p *Proxmox) template(ctx context.Context, t target, image domain.Image) (domain.Pulled, error) {
	has, err := p.hasVolume(ctx, t, image.Template)
	if err == nil && !has {
		err = &domain.Error{Kind: domain.Permanent, Message: fmt.Sprintf("Node %s does not have the CT template %s.", t.node.Name, image.Template)}
	}
	return domain.Pulled{Volume: image.Template}, err
}

func (p *Proxmox) hasVolume(ctx context.Context, t target, volume string) (bool, error) {
	storage, _, _ := strings.Cut(volume, ":")
	content, err := t.pve.Content(ctx, t.node.Name, storage, "vztmpl")
	if err != nil {
		return false, p.guard(ctx, t, err)
	}
	for _, v := range content {
		if v.VolID == volume {
			return true, nil
		}
	}
	return false, nil
}

// upload brings an image to the node through Berth: the way for digests, which Proxmox VE does not pull.
func (p *Proxmox) upload(ctx context.Context, t target, image domain.Image, name string) (proxmox.TaskRef, error) {
	dir, err := os.MkdirTemp("", "berth-image-")
	if err != nil {
		return proxmox.TaskRef{}, domain.Errorf(domain.Transient, "no room for the image: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	archive := filepath.Join(dir, "image.tar")
	if err := p.Images.Archive(ctx, image, archive); err != nil {
		return proxmox.TaskRef{}, err
	}
	f, err := os.Open(archive)
	if err != nil {
		return proxmox.TaskRef{}, domain.Errorf(domain.Internal, "image archive: %w", err)
	}
	defer func() { _ = f.Close() }()
	size, err := f.Stat()
	if err != nil {
		return proxmox.TaskRef{}, domain.Errorf(domain.Internal, "image archive: %w", err)
	}
	return t.pve.Upload(ctx, t.node.Name, t.node.TemplateStorage, name, f, size.Size())
}
