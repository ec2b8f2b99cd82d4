package store

import (
	"context"

	"berth/domain"
)

type certificateRow struct {
	ID        string
	Names     []string `gorm:"serializer:json"`
	Source    domain.CertificateSource
	Chain     string
	KeySealed string
	Issuer    string
	Serial    string
	NotBefore micros
	NotAfter  micros
	CreatedAt micros
	Version   int64
}

// TableName is GORM's way to name the table.
func (certificateRow) TableName() string { return "certificates" }

func (s *Store) certificateRow(c domain.Certificate) (certificateRow, error) {
	sealed, err := s.seal(certificateKey, c.ID, []byte(c.Key.Reveal()))
	return certificateRow{
		ID: c.ID, Names: c.Names, Source: c.Source, Chain: c.Chain, KeySealed: sealed, Issuer: c.Issuer, Serial: c.Serial,
		NotBefore: microsOf(c.NotBefore), NotAfter: microsOf(c.NotAfter), CreatedAt: microsOf(c.CreatedAt), Version: c.Version,
	}, err
}

// withoutKey is a certificate as lists have it.
func (r certificateRow) withoutKey() domain.Certificate {
	return domain.Certificate{
		ID: r.ID, Names: r.Names, Source: r.Source, Chain: r.Chain, Issuer: r.Issuer, Serial: r.Serial,
		NotBefore: r.NotBefore.time(), NotAfter: r.NotAfter.time(), CreatedAt: r.CreatedAt.time(), Version: r.Version,
	}
}

// CreateCertificate stores a new certificate and raises the revision of every site. It fills ID, CreatedAt and Version.
func (s *Store) CreateCertificate(ctx context.Context, c *domain.Certificate) error {
	s.born(&c.ID, &c.CreatedAt, &c.Version)
	return s.Transact(ctx, func(tx *Store) error {
		row, err := tx.certificateRow(*c)
		if err != nil {
			return err
		}
		if err := insert(ctx, tx, &row, "certificate"); err != nil {
			return err
		}
		return tx.bumpSites(ctx)
	})
}

// Certificate returns a certificate by ID, without its key.
func (s *Store) Certificate(ctx context.Context, id string) (domain.Certificate, error) {
	row, err := one[certificateRow](s, s.q(ctx).Where("id = ?", id), "certificate "+id)
	return row.withoutKey(), err
}

// Certificates lists certificates without their keys.
func (s *Store) Certificates(ctx context.Context, p Page) ([]domain.Certificate, string, error) {
	rows, next, err := paged(s, s.q(ctx), p, "id", oldestFirst, func(r certificateRow) string { return r.ID }, "certificates")
	list := make([]domain.Certificate, len(rows))
	for i, r := range rows {
		list[i] = r.withoutKey()
	}
	return list, next, err
}

// DeleteCertificate forgets a certificate and its key, and raises the revision of every site.
func (s *Store) DeleteCertificate(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		if err := remove[certificateRow](ctx, tx, id, "certificate "+id); err != nil {
			return err
		}
		return tx.bumpSites(ctx)
	})
}

// edgeCertificate returns a certificate with its key, as edges get it.
func (s *Store) edgeCertificate(ctx context.Context, id string) (domain.EdgeCertificate, error) {
	row, err := one[certificateRow](s, s.q(ctx).Where("id = ?", id), "certificate "+id)
	if err != nil {
		return domain.EdgeCertificate{}, err
	}
	key, err := s.unseal(certificateKey, row.ID, row.KeySealed)
	return domain.EdgeCertificate{ID: row.ID, Chain: row.Chain, Key: string(key)}, err
}
