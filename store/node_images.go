package store

import (
	"context"
	"time"

	"berth/domain"
)

type nodeImageRow struct {
	NodeID string
	Volume string
	UsedAt micros
}

// TableName is GORM's way to name the table.
func (nodeImageRow) TableName() string { return "node_images" }

// NodeImage is an image that Berth keeps on a node.
type NodeImage struct {
	NodeID string
	Volume string    // as Proxmox VE names it, such as local:vztmpl/berth-nginx-0123456789abcdef.tar
	UsedAt time.Time // when a container was last made from it there
}

// UseImage notes that a container is being made from an image on a node.
func (s *Store) UseImage(ctx context.Context, nodeID, volume string) error {
	return s.Transact(ctx, func(tx *Store) error {
		if _, err := locked[nodeRow](ctx, tx, nodeID, "node "+nodeID); err != nil {
			return err
		}
		return tx.keepImage(ctx, nodeImageRow{nodeID, volume, microsOf(tx.stamp())})
	})
}

func (s *Store) keepImage(ctx context.Context, row nodeImageRow) error {
	return s.fault(s.q(ctx).Clauses(upsert("node_id,volume", "used_at")).Create(&row).Error, "note the use of an image")
}

// UnusedImages lists the images that nobody has used since a time, the longest unused first.
func (s *Store) UnusedImages(ctx context.Context, since time.Time) ([]NodeImage, error) {
	var rows []nodeImageRow
	err := s.q(ctx).Where("used_at < ?", microsOf(since)).Order("used_at, node_id, volume").Limit(MaxLimit).Find(&rows).Error
	if err != nil {
		return nil, s.fault(err, "list unused images")
	}
	images := make([]NodeImage, len(rows))
	for i, r := range rows {
		images[i] = NodeImage{r.NodeID, r.Volume, r.UsedAt.time()}
	}
	return images, nil
}

// ForgetImage forgets an image that is about to be deleted, unless somebody has used it since: then it is Conflict, and the image
// must stay.
func (s *Store) ForgetImage(ctx context.Context, image NodeImage) error {
	return s.Transact(ctx, func(tx *Store) error {
		done := tx.q(ctx).Where("node_id = ? AND volume = ? AND used_at = ?", image.NodeID, image.Volume, microsOf(image.UsedAt)).
			Delete(&nodeImageRow{})
		if done.Error == nil && done.RowsAffected == 0 {
			return domain.Errorf(domain.Conflict, "image %s was used meanwhile", image.Volume)
		}
		return tx.fault(done.Error, "forget an image")
	})
}

// RememberImage takes ForgetImage back, for an image that could not be deleted.
func (s *Store) RememberImage(ctx context.Context, image NodeImage) error {
	return s.Transact(ctx, func(tx *Store) error {
		return tx.keepImage(ctx, nodeImageRow{image.NodeID, image.Volume, microsOf(image.UsedAt)})
	})
}
