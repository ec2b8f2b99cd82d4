package store

import (
	"context"

	"berth/domain"
)

type certificateOrderRow struct {
	CertificateID string `gorm:"primaryKey"`
	AccountID     string
	URL           string `gorm:"column:url"`
	KeySealed     string
	CreatedAt     micros
}

// TableName is GORM's way to name the table.
func (certificateOrderRow) TableName() string { return "certificate_orders" }

type challengeRow struct {
	Token            string `gorm:"primaryKey"`
	CertificateID    string
	SiteID           string
	KeyAuthorization string
	Record           string
}

// TableName is GORM's way to name the table.
func (challengeRow) TableName() string { return "acme_challenges" }

// CertificateOrder returns the open order for a certificate, with the key of the certificate to be.
func (s *Store) CertificateOrder(ctx context.Context, certificateID string) (domain.CertificateOrder, error) {
	row, err := one[certificateOrderRow](s, s.q(ctx).Where("certificate_id = ?", certificateID), "order for certificate "+certificateID)
	if err != nil {
		return domain.CertificateOrder{}, err
	}
	key, err := s.unseal(orderKey, row.CertificateID, row.KeySealed)
	return domain.CertificateOrder{
		CertificateID: row.CertificateID, AccountID: row.AccountID, URL: row.URL, Key: domain.Secret(key), CreatedAt: row.CreatedAt.time(),
	}, err
}

// PutCertificateOrder keeps the open order for a certificate, in the place of the one before.
func (s *Store) PutCertificateOrder(ctx context.Context, o domain.CertificateOrder) error {
	return s.Transact(ctx, func(tx *Store) error {
		sealed, err := tx.seal(orderKey, o.CertificateID, []byte(o.Key.Reveal()))
		if err != nil {
			return err
		}
		if err := tx.q(ctx).Where("certificate_id = ?", o.CertificateID).Delete(&certificateOrderRow{}).Error; err != nil {
			return tx.fault(err, "replace the order")
		}
		row := certificateOrderRow{o.CertificateID, o.AccountID, o.URL, sealed, microsOf(tx.stamp())}
		return insert(ctx, tx, &row, "order")
	})
}

// DropCertificateOrder forgets the open order for a certificate with its key, and what edges answer for it. Records in public DNS are
// dropped by DropRecordChallenge, when they are gone.
func (s *Store) DropCertificateOrder(ctx context.Context, certificateID string) error {
	return s.Transact(ctx, func(tx *Store) error {
		if _, err := tx.PutChallenges(ctx, domain.Certificate{ID: certificateID}, nil); err != nil {
			return err
		}
		return tx.forgetOrder(ctx, certificateID)
	})
}

// forgetOrder drops the order and what edges answer for it; whoever calls it raises the revision.
func (s *Store) forgetOrder(ctx context.Context, certificateID string) error {
	err := s.q(ctx).Where("certificate_id = ?", certificateID).Delete(&certificateOrderRow{}).Error
	if err == nil {
		err = s.q(ctx).Where("certificate_id = ? AND record = ''", certificateID).Delete(&challengeRow{}).Error
	}
	return s.fault(err, "end the order")
}

// PutChallenges makes the edges of a certificate's site answer its challenges, in the place of those before, and returns the revision
// with them; 0 when nothing differs. Challenges that records in public DNS answer are kept for whoever takes those away again.
func (s *Store) PutChallenges(ctx context.Context, c domain.Certificate, challenges []domain.Challenge) (revision int64, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		revision = 0
		siteID := ""
		var before []challengeRow
		if err := tx.q(ctx).Where("certificate_id = ? AND record = ''", c.ID).Find(&before).Error; err != nil {
			return tx.fault(err, "list challenges")
		}
		for _, one := range before {
			siteID = one.SiteID
		}
		if err := tx.q(ctx).Where("certificate_id = ? AND record = ''", c.ID).Delete(&challengeRow{}).Error; err != nil {
			return tx.fault(err, "replace challenges")
		}
		for _, one := range challenges {
			row := challengeRow{one.Token, c.ID, "", one.KeyAuthorization, one.Record}
			if one.Record == "" {
				row.SiteID, siteID = c.SiteID, c.SiteID
			} else if err := tx.DropRecordChallenge(ctx, one.Token); err != nil {
				return err
			}
			if err := insert(ctx, tx, &row, "challenge"); err != nil {
				return err
			}
		}
		if siteID != "" {
			revision, err = tx.BumpSite(ctx, siteID)
		}
		return err
	})
	return revision, err
}

// DropRecordChallenge forgets a challenge that a record in public DNS answered.
func (s *Store) DropRecordChallenge(ctx context.Context, token string) error {
	err := s.q(ctx).Where("token = ? AND record <> ''", token).Delete(&challengeRow{}).Error
	return s.fault(err, "forget a challenge")
}

// Challenges lists what edges and records in public DNS answer for a certificate, by token.
func (s *Store) Challenges(ctx context.Context, certificateID string) ([]domain.Challenge, error) {
	return s.challenges(ctx, "certificate_id = ?", certificateID)
}

func (s *Store) challenges(ctx context.Context, where string, args ...any) ([]domain.Challenge, error) {
	var rows []challengeRow
	err := s.q(ctx).Where(where, args...).Order("token").Find(&rows).Error
	var list []domain.Challenge
	for _, r := range rows {
		list = append(list, domain.Challenge{Token: r.Token, KeyAuthorization: r.KeyAuthorization, Record: r.Record})
	}
	return list, s.fault(err, "list challenges")
}
