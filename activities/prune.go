package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"berth/domain"
	"berth/store"
)

// pruneTime bounds the deletion of one image.
const pruneTime = 2 * time.Minute

// images deletes images from nodes that nobody has made a container from for long. Only what Berth brought there is known here, so
// nothing else is touched. A node that is away keeps its images until it is back.
func (p *pass) images(ctx context.Context) error {
	if p.ImageMaxAge <= 0 {
		return nil
	}
	unused, err := p.Store.UnusedImages(ctx, p.Now().Add(-p.ImageMaxAge))
	if err != nil {
		return err
	}
	for _, image := range unused {
		node, err := p.Store.Node(ctx, image.NodeID)
		if domain.Is(err, domain.NotFound) {
			continue // it went meanwhile, and what is known of its images with it
		}
		if err != nil {
			return err
		}
		if node.State != domain.NodeOnline {
			continue
		}
		p.heal(ctx, domain.Repair{
			What: "image unused", Subject: "image " + image.Volume + " on node " + node.Name, Action: "delete it",
			Detail: fmt.Sprintf("Nobody has made a container from it since %s.", image.UsedAt.UTC().Format(time.DateOnly)),
		}, func() error { return p.pruneImage(ctx, node, image) })
	}
	return nil
}

func (p *pass) pruneImage(ctx context.Context, node domain.Node, image store.NodeImage) error {
	ctx, cancel := context.WithTimeout(ctx, pruneTime)
	defer cancel()
	pve, _, err := p.Clients.Of(ctx, node.ClusterID)
	if err != nil {
		return err
	}
	if err := p.Store.ForgetImage(ctx, image); err != nil { // from here on a container that needs it brings it again
		return err
	}
	storage, _, _ := strings.Cut(image.Volume, ":")
	task, err := pve.DeleteVolume(ctx, node.Name, storage, image.Volume)
	if err == nil {
		_, err = pve.Wait(ctx, task, pruneTime, nil)
	}
	if err != nil {
		return errors.Join(err, p.Store.RememberImage(context.WithoutCancel(ctx), image))
	}
	return nil
}
