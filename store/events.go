package store

import (
	"context"

	"berth/domain"

	"gorm.io/gorm"
)

type eventRow struct {
	OperationID string
	Seq         int64 `gorm:"autoIncrement:false"`
	At          micros
	Step        string
	Level       string
	Message     string
}

// TableName is GORM's way to name the table.
func (eventRow) TableName() string { return "operation_events" }

// AddEvent appends a line to the log of an operation. Lines that are written at the same time get numbers in turn, because the
// operation's row counts them.
func (s *Store) AddEvent(ctx context.Context, operationID, step, level, message string) error {
	return s.Transact(ctx, func(tx *Store) error {
		what := "operation " + operationID
		err := set[operationRow](ctx, tx, operationID, what, map[string]any{"events": gorm.Expr("events + 1")})
		if err != nil {
			return err
		}
		op, err := one[operationRow](tx, tx.q(ctx).Where("id = ?", operationID), what)
		if err != nil {
			return err
		}
		tx.changed(domain.TopicOperation, operationID)
		row := eventRow{operationID, op.Events, microsOf(tx.stamp()), step, level, message}
		return insert(ctx, tx, &row, "event")
	})
}

// maxEvents is how many lines Events returns at most.
const maxEvents = 1000

// Events returns the log of an operation after a number, oldest first, at most 1000 lines.
func (s *Store) Events(ctx context.Context, operationID string, afterSeq int64) ([]domain.OperationEvent, error) {
	var rows []eventRow
	err := s.q(ctx).Where("operation_id = ? AND seq > ?", operationID, afterSeq).Order("seq").Limit(maxEvents).Find(&rows).Error
	if err != nil {
		return nil, s.fault(err, "read events")
	}
	list := make([]domain.OperationEvent, len(rows))
	for i, r := range rows {
		list[i] = domain.OperationEvent{Seq: r.Seq, Time: r.At.time(), Step: r.Step, Level: r.Level, Message: r.Message}
	}
	return list, nil
}
