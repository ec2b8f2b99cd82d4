package store

import (
	"context"
	"time"

	"berth/domain"
)

type tokenRow struct {
	ID         string
	Name       string
	Owner      string
	Scopes     []domain.Scope `gorm:"serializer:json"`
	EdgeID     string
	Hash       string
	ExpiresAt  micros
	LastUsedAt micros
	CreatedAt  micros
	Version    int64
}

// TableName is GORM's way to name the table.
func (tokenRow) TableName() string { return "tokens" }

func (r tokenRow) token() domain.Token {
	return domain.Token{
		ID: r.ID, Name: r.Name, Owner: r.Owner, Scopes: r.Scopes, EdgeID: r.EdgeID, ExpiresAt: r.ExpiresAt.time(),
		LastUsedAt: r.LastUsedAt.time(), CreatedAt: r.CreatedAt.time(), Version: r.Version,
	}
}

// CreateToken stores a new token with the hash of its secret. It fills ID, CreatedAt and Version.
func (s *Store) CreateToken(ctx context.Context, t *domain.Token, hash string) error {
	s.born(&t.ID, &t.CreatedAt, &t.Version)
	return s.Transact(ctx, func(tx *Store) error {
		row := tokenRow{
			ID: t.ID, Name: t.Name, Owner: t.Owner, Scopes: t.Scopes, EdgeID: t.EdgeID, Hash: hash,
			ExpiresAt: microsOf(t.ExpiresAt), LastUsedAt: microsOf(t.LastUsedAt), CreatedAt: microsOf(t.CreatedAt), Version: t.Version,
		}
		return insert(ctx, tx, &row, "token "+t.Name)
	})
}

// Token returns a token by ID.
func (s *Store) Token(ctx context.Context, id string) (domain.Token, error) {
	row, err := one[tokenRow](s, s.q(ctx).Where("id = ?", id), "token "+id)
	return row.token(), err
}

// TokenByHash returns the token whose secret has that hash, expired or not.
func (s *Store) TokenByHash(ctx context.Context, hash string) (domain.Token, error) {
	row, err := one[tokenRow](s, s.q(ctx).Where("hash = ?", hash), "token")
	return row.token(), err
}

// Tokens lists the tokens of a user or, with an empty owner, all.
func (s *Store) Tokens(ctx context.Context, owner string, p Page) ([]domain.Token, string, error) {
	q := s.q(ctx)
	if owner != "" {
		q = q.Where("owner = ?", owner)
	}
	rows, next, err := paged(s, q, p, "id", oldestFirst, func(r tokenRow) string { return r.ID }, "tokens")
	list := make([]domain.Token, len(rows))
	for i, r := range rows {
		list[i] = r.token()
	}
	return list, next, err
}

// DeleteToken voids a token.
func (s *Store) DeleteToken(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error { return remove[tokenRow](ctx, tx, id, "token "+id) })
}

// touchInterval keeps requests from writing to the database each.
const touchInterval = time.Minute

// TouchToken records that a token is in use, at most once a minute. t is the token as it was read.
func (s *Store) TouchToken(ctx context.Context, t domain.Token) error {
	now := s.stamp()
	if now.Sub(t.LastUsedAt) < touchInterval {
		return nil
	}
	return s.Transact(ctx, func(tx *Store) error {
		done := tx.q(ctx).Model(&tokenRow{}).Where("id = ? AND last_used_at <= ?", t.ID, microsOf(now.Add(-touchInterval))).
			Update("last_used_at", microsOf(now))
		return tx.fault(done.Error, "record use of token")
	})
}
