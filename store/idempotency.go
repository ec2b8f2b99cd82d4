package store

import (
	"context"
	"time"

	"berth/domain"
)

// IdempotencyRetention is for how long an Idempotency-Key is remembered.
const IdempotencyRetention = 48 * time.Hour

// Remembrance is what a request with an Idempotency-Key led to.
type Remembrance struct {
	RequestHash string
	OperationID string
	ResourceID  string
	CreatedAt   time.Time
}

type idempotencyRow struct {
	Actor       string
	IdemKey     string
	RequestHash string
	OperationID string
	ResourceID  string
	CreatedAt   micros
}

// TableName is GORM's way to name the table.
func (idempotencyRow) TableName() string { return "idempotency" }

// Remember stores what a request led to, in the transaction that writes its intent. A key that is known is a Conflict: of two
// requests made together the second is undone and finds the first one's result with Remembered.
func (s *Store) Remember(ctx context.Context, actor, key, requestHash, operationID, resourceID string) error {
	return s.Transact(ctx, func(tx *Store) error {
		row := idempotencyRow{actor, key, requestHash, operationID, resourceID, microsOf(tx.stamp())}
		return insert(ctx, tx, &row, "idempotency key")
	})
}

// Remembered returns what an earlier request with the same key led to. A key that came with another request is a Conflict.
func (s *Store) Remembered(ctx context.Context, actor, key, requestHash string) (r Remembrance, found bool, err error) {
	row, err := one[idempotencyRow](s, s.q(ctx).Where("actor = ? AND idem_key = ?", actor, key), "idempotency key")
	switch {
	case domain.Is(err, domain.NotFound):
		return Remembrance{}, false, nil
	case err != nil:
		return Remembrance{}, false, err
	case row.RequestHash != requestHash:
		return Remembrance{}, false, &domain.Error{
			Kind:      domain.Conflict,
			Message:   "the Idempotency-Key was used for another request: take a fresh one",
			Operation: row.OperationID,
		}
	}
	return Remembrance{row.RequestHash, row.OperationID, row.ResourceID, row.CreatedAt.time()}, true, nil
}

// PruneIdempotency forgets keys older than IdempotencyRetention and returns how many.
func (s *Store) PruneIdempotency(ctx context.Context) (n int64, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		done := tx.q(ctx).Where("created_at < ?", microsOf(tx.stamp().Add(-IdempotencyRetention))).Delete(&idempotencyRow{})
		n = done.RowsAffected
		return tx.fault(done.Error, "prune idempotency keys")
	})
	return n, err
}
