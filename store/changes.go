package store

import (
	"context"
	"time"

	"berth/domain"

	"gorm.io/gorm"
)

// ChangeRetention is for how long changes are kept: longer than any process that is alive goes without reading them.
const ChangeRetention = time.Hour

type changeRow struct {
	Seq   int64 `gorm:"primaryKey;autoIncrement:false"`
	Topic domain.Topic
	RowID string
	At    micros
}

// TableName is GORM's way to name the table.
func (changeRow) TableName() string { return "changes" }

type changeCounter struct {
	ID      int64
	LastSeq int64
}

// TableName is GORM's way to name the table.
func (changeCounter) TableName() string { return "change_counter" }

// flushChanges writes what the transaction changed, as its last statements. Numbers that a database hands out by itself become
// visible out of order: a transaction that took 7 may commit after one that took 8, and whoever read 8 would never look at 7.
// So the number comes from a row whose lock lasts until the commit: whoever gets 8 waited for 7 to be visible or undone.
// Numbers grow by one without gaps, and "all after the last that I saw" misses nothing. It is the last lock a transaction
// takes, so it is held for one round trip and a commit, and never part of a deadlock.
func (s *Store) flushChanges(ctx context.Context) error {
	n := len(s.tx.changes)
	if n == 0 {
		return nil
	}
	err := s.q(ctx).Model(&changeCounter{}).Where("id = ?", 1).Update("last_seq", gorm.Expr("last_seq + ?", n)).Error
	if err != nil {
		return s.fault(err, "number changes")
	}
	last, err := s.LastChange(ctx)
	if err != nil {
		return err
	}
	rows, at := make([]changeRow, n), microsOf(s.stamp())
	for i, c := range s.tx.changes {
		rows[i] = changeRow{Seq: last - int64(n) + int64(i) + 1, Topic: c.Topic, RowID: c.ID, At: at}
	}
	return s.fault(s.q(ctx).CreateInBatches(rows, 500).Error, "write changes")
}

// Changes returns the changes after a number, oldest first, at most limit of them.
func (s *Store) Changes(ctx context.Context, after int64, limit int) ([]domain.Change, error) {
	var rows []changeRow
	if err := s.q(ctx).Where("seq > ?", after).Order("seq").Limit(limit).Find(&rows).Error; err != nil {
		return nil, s.fault(err, "read changes")
	}
	list := make([]domain.Change, len(rows))
	for i, r := range rows {
		list[i] = domain.Change{Seq: r.Seq, Topic: r.Topic, ID: r.RowID, Time: r.At.time()}
	}
	return list, nil
}

// LastChange returns the number of the last change, 0 before the first.
func (s *Store) LastChange(ctx context.Context) (int64, error) {
	row, err := one[changeCounter](s, s.q(ctx).Where("id = ?", 1), "number of the last change")
	return row.LastSeq, err
}

// PruneChanges deletes changes older than ChangeRetention and returns how many.
func (s *Store) PruneChanges(ctx context.Context) (n int64, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		before := microsOf(tx.stamp().Add(-ChangeRetention))
		done := tx.q(ctx).Where("at < ?", before).Delete(&changeRow{})
		n = done.RowsAffected
		return tx.fault(done.Error, "prune changes")
	})
	return n, err
}
