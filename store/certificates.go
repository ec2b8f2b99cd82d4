package store

import (
	"cmp"
	"context"
	"slices"

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
	State     domain.CertificateState
	DomainID  string
	SiteID    string
	Challenge domain.ChallengeType
	AccountID string
	Message   string
	Failures  int
	RetryAt   micros
	RenewAt   micros
	CreatedAt micros
	Version   int64
}

// TableName is GORM's way to name the table.
func (certificateRow) TableName() string { return "certificates" }

func (s *Store) certificateRow(c domain.Certificate) (certificateRow, error) {
	sealed, err := s.seal(certificateKey, c.ID, []byte(c.Key.Reveal()))
	return certificateRow{
		ID: c.ID, Names: c.Names, Source: c.Source, Chain: c.Chain, KeySealed: sealed, Issuer: c.Issuer, Serial: c.Serial,
		NotBefore: microsOf(c.NotBefore), NotAfter: microsOf(c.NotAfter),
		State: cmp.Or(c.State, domain.CertificateIssued), DomainID: c.DomainID, SiteID: c.SiteID, Challenge: c.Challenge, AccountID: c.AccountID,
		Message: c.Message, Failures: c.Failures, RetryAt: microsOf(c.RetryAt), RenewAt: microsOf(c.RenewAt),
		CreatedAt: microsOf(c.CreatedAt), Version: c.Version,
	}, err
}

// withoutKey is a certificate as lists have it.
func (r certificateRow) withoutKey() domain.Certificate {
	return domain.Certificate{
		ID: r.ID, Names: r.Names, Source: r.Source, Chain: r.Chain, Issuer: r.Issuer, Serial: r.Serial,
		NotBefore: r.NotBefore.time(), NotAfter: r.NotAfter.time(),
		State: r.State, DomainID: r.DomainID, SiteID: r.SiteID, Challenge: r.Challenge, AccountID: r.AccountID,
		Message: r.Message, Failures: r.Failures, RetryAt: r.RetryAt.time(), RenewAt: r.RenewAt.time(),
		CreatedAt: r.CreatedAt.time(), Version: r.Version,
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
		if err := tx.forgetOrder(ctx, id); err != nil {
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

// ModifyCertificate changes what is known of a certificate; chain, key and what is read from them stay.
func (s *Store) ModifyCertificate(ctx context.Context, id string, change func(*domain.Certificate)) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := locked[certificateRow](ctx, tx, id, "certificate "+id)
		if err != nil {
			return err
		}
		c := row.withoutKey()
		change(&c)
		return set[certificateRow](ctx, tx, id, "certificate", map[string]any{
			"state": c.State, "account_id": c.AccountID, "message": c.Message, "failures": c.Failures,
			"retry_at": microsOf(c.RetryAt), "renew_at": microsOf(c.RenewAt), "version": row.Version + 1,
		})
	})
}

// WantCertificates makes certificates to be ordered for what containers expose, all of them or one, where their domains order any, and
// returns those that are not issued yet. Mostly there is nothing to make, so it looks before it locks.
func (s *Store) WantCertificates(ctx context.Context, containerID string) (waiting []domain.Certificate, err error) {
	missing, waiting, err := s.missingCertificates(ctx, containerID)
	if err != nil || len(missing) == 0 {
		return waiting, err
	}
	err = s.Transact(ctx, func(tx *Store) error {
		var sites []string
		for _, c := range missing {
			sites = append(sites, c.SiteID)
		}
		slices.Sort(sites)
		for _, id := range slices.Compact(sites) { // of two that look at once, one makes them
			if _, err := locked[siteRow](ctx, tx, id, "site "+id); err != nil {
				return err
			}
		}
		if missing, waiting, err = tx.missingCertificates(ctx, containerID); err != nil {
			return err
		}
		for _, c := range missing {
			tx.born(&c.ID, &c.CreatedAt, &c.Version)
			row, err := tx.certificateRow(c)
			if err != nil {
				return err
			}
			if err := insert(ctx, tx, &row, "certificate"); err != nil {
				return err
			}
			waiting = append(waiting, c)
		}
		return nil
	})
	return waiting, err
}

// missingCertificates returns the certificates that WantCertificates has to make, and those that were made and are not issued.
func (s *Store) missingCertificates(ctx context.Context, containerID string) (missing, waiting []domain.Certificate, err error) {
	where, args := "state = ?", []any{Held}
	if containerID != "" {
		where, args = where+" AND container_id = ?", append(args, containerID)
	}
	rows, err := s.serviceRows(ctx, where, args...)
	rows = slices.DeleteFunc(rows, func(r serviceRow) bool { return r.Spec.Host == "" })
	if err != nil || len(rows) == 0 {
		return nil, nil, err
	}
	domains, have, err := s.covered(ctx)
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]bool{}
	for _, r := range rows {
		covering := have.Covering(r.Spec.Host)
		wanted, ok := domain.CertificateWanted(covering, domains, r.Spec.Host, r.SiteID, s.now())
		if ok && !seen[r.SiteID+wanted.Names[0]] { // one name in two ways, or a wildcard for two names
			seen[r.SiteID+wanted.Names[0]] = true
			missing = append(missing, wanted)
		}
		for _, c := range covering {
			if c.Source == domain.CertificateACME && c.SiteID == r.SiteID && c.NotAfter.IsZero() && !seen[c.ID] {
				seen[c.ID] = true
				waiting = append(waiting, c)
			}
		}
	}
	return missing, waiting, nil
}

// covered returns the external domains, and all certificates by the names that they are valid for.
func (s *Store) covered(ctx context.Context) (domains []domain.ExternalDomain, have domain.CertificatesByName, err error) {
	if domains, err = All(func(p Page) ([]domain.ExternalDomain, string, error) { return s.ExternalDomains(ctx, p) }); err != nil {
		return nil, nil, err
	}
	all, err := All(func(p Page) ([]domain.Certificate, string, error) { return s.Certificates(ctx, p) })
	return domains, domain.ByName(all), err
}

// CertificateUsed reports whether a service is published under a name that a certificate was ordered for at its site, and needs it: a
// wildcard takes the place of those for single names.
func (s *Store) CertificateUsed(ctx context.Context, c domain.Certificate) (bool, error) {
	rows, err := s.serviceRows(ctx, "site_id = ? AND state = ?", c.SiteID, Held)
	rows = slices.DeleteFunc(rows, func(r serviceRow) bool {
		covers, _ := c.Covers(r.Spec.Host)
		return r.Spec.Host == "" || !covers
	})
	if err != nil || len(rows) == 0 {
		return false, err
	}
	domains, have, err := s.covered(ctx)
	return slices.ContainsFunc(rows, func(r serviceRow) bool {
		return domain.CertificateNeeded(c, have.Covering(r.Spec.Host), domains, r.Spec.Host)
	}), err
}

// InstallCertificate puts chain and key of a parsed certificate in the place of those it had, ends its order, raises the revision of
// every site and returns that of its own.
func (s *Store) InstallCertificate(ctx context.Context, id string, c domain.Certificate) (revision int64, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		row, err := locked[certificateRow](ctx, tx, id, "certificate "+id)
		if err != nil {
			return err
		}
		sealed, err := tx.seal(certificateKey, id, []byte(c.Key.Reveal()))
		if err != nil {
			return err
		}
		if err := set[certificateRow](ctx, tx, id, "certificate", map[string]any{
			"chain": c.Chain, "key_sealed": sealed, "issuer": c.Issuer, "serial": c.Serial, "account_id": c.AccountID,
			"not_before": microsOf(c.NotBefore), "not_after": microsOf(c.NotAfter), "renew_at": microsOf(c.RenewAt),
			"state": domain.CertificateIssued, "message": "", "failures": 0, "retry_at": 0, "version": row.Version + 1,
		}); err != nil {
			return err
		}
		if err := tx.forgetOrder(ctx, id); err != nil {
			return err
		}
		if err := tx.bumpSites(ctx); err != nil {
			return err
		}
		site, err := tx.Site(ctx, row.SiteID)
		revision = site.Desired
		return err
	})
	return revision, err
}

// WithdrawCertificate forgets chain and key of a certificate that was revoked, so that it is ordered anew, and raises the revision of
// every site.
func (s *Store) WithdrawCertificate(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		if err := set[certificateRow](ctx, tx, id, "certificate", map[string]any{
			"chain": "", "key_sealed": "", "issuer": "", "serial": "", "not_before": 0, "not_after": 0, "renew_at": 0,
			"state": domain.CertificatePending, "message": "It was revoked, and is ordered anew.", "retry_at": 0,
		}); err != nil {
			return err
		}
		return tx.bumpSites(ctx)
	})
}
