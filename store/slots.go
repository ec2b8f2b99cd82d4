package store

import (
	"context"
	"time"

	"berth/domain"
)

type slotRow struct {
	Holder    string
	NodeID    string
	ExpiresAt micros
}

// TableName is GORM's way to name the table.
func (slotRow) TableName() string { return "slots" }

// AcquireSlot takes one of a node's slots for holder, until ttl is over or ReleaseSlot. ok is false when all are taken. A holder
// that has one already keeps it for another ttl.
func (s *Store) AcquireSlot(ctx context.Context, nodeID string, slots int, holder string, ttl time.Duration) (ok bool, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		ok = false
		if _, err := locked[nodeRow](ctx, tx, nodeID, "node "+nodeID); err != nil {
			return err
		}
		now := tx.stamp()
		over := tx.q(ctx).Where("node_id = ? AND (expires_at <= ? OR holder = ?)", nodeID, microsOf(now), holder)
		if err := over.Delete(&slotRow{}).Error; err != nil {
			return tx.fault(err, "clear slots")
		}
		taken, err := count[slotRow](tx, tx.q(ctx).Where("node_id = ?", nodeID), "slots")
		if err != nil || taken >= int64(slots) {
			return err
		}
		ok = true
		row := slotRow{holder, nodeID, microsOf(now.Add(ttl))}
		return tx.fault(tx.q(ctx).Clauses(upsert("holder", "node_id", "expires_at")).Create(&row).Error, "take slot")
	})
	return ok && err == nil, err
}

// RenewSlot keeps a slot for another ttl. NotFound means that it was lost: its holder must not go on as if it had it.
func (s *Store) RenewSlot(ctx context.Context, holder string, ttl time.Duration) error {
	return s.Transact(ctx, func(tx *Store) error {
		now := tx.stamp()
		done := tx.q(ctx).Model(&slotRow{}).Where("holder = ? AND expires_at > ?", holder, microsOf(now)).
			Update("expires_at", microsOf(now.Add(ttl)))
		if done.Error == nil && done.RowsAffected == 0 {
			return domain.Errorf(domain.NotFound, "the slot is lost")
		}
		return tx.fault(done.Error, "renew slot")
	})
}

// ReleaseSlot gives a slot back. A slot that is lost is no error.
func (s *Store) ReleaseSlot(ctx context.Context, holder string) error {
	return s.Transact(ctx, func(tx *Store) error {
		return tx.fault(tx.q(ctx).Where("holder = ?", holder).Delete(&slotRow{}).Error, "release slot")
	})
}
