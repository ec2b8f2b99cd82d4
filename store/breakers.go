package store

import (
	"context"
	"time"

	"berth/domain"
)

type breakerRow struct {
	NodeID    string
	Failures  int
	OpenUntil micros
}

// TableName is GORM's way to name the table.
func (breakerRow) TableName() string { return "breakers" }

// BreakerFail counts a failed call to a node. From the threshold on, each failure in a row opens the breaker for a while; after
// that one call may try, and opens it again when it fails.
func (s *Store) BreakerFail(ctx context.Context, nodeID string, threshold int, open time.Duration) error {
	return s.Transact(ctx, func(tx *Store) error {
		if _, err := locked[nodeRow](ctx, tx, nodeID, "node "+nodeID); err != nil {
			return err
		}
		row, err := one[breakerRow](tx, tx.q(ctx).Where("node_id = ?", nodeID), "breaker")
		if err != nil && !domain.Is(err, domain.NotFound) {
			return err
		}
		row.NodeID = nodeID
		row.Failures++
		if row.Failures >= threshold {
			row.OpenUntil = microsOf(tx.stamp().Add(open))
			tx.changed(domain.TopicNode, nodeID)
		}
		return tx.fault(tx.q(ctx).Clauses(upsert("node_id", "failures", "open_until")).Create(&row).Error, "count failure")
	})
}

// BreakerReset closes the breaker of a node after a call that succeeded.
func (s *Store) BreakerReset(ctx context.Context, nodeID string) error {
	if row, err := one[breakerRow](s, s.q(ctx).Where("node_id = ?", nodeID), "breaker"); domain.Is(err, domain.NotFound) {
		return nil // the usual case costs no write
	} else if err != nil {
		return err
	} else if row.Failures == 0 {
		return nil
	}
	return s.Transact(ctx, func(tx *Store) error {
		tx.changed(domain.TopicNode, nodeID)
		return tx.fault(tx.q(ctx).Where("node_id = ?", nodeID).Delete(&breakerRow{}).Error, "reset breaker")
	})
}

// BreakerOpen reports whether calls to a node should be refused, and until when.
func (s *Store) BreakerOpen(ctx context.Context, nodeID string) (until time.Time, open bool, err error) {
	row, err := one[breakerRow](s, s.q(ctx).Where("node_id = ?", nodeID), "breaker")
	if domain.Is(err, domain.NotFound) {
		return time.Time{}, false, nil
	}
	until = row.OpenUntil.time()
	return until, err == nil && s.now().Before(until), err
}
