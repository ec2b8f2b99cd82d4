package store

import (
	"cmp"
	"context"

	"berth/domain"
)

type externalDomainRow struct {
	ID         string
	Name       string
	SiteID     string
	AuthServer string

	ACMEAccounts []string `gorm:"column:acme_accounts;serializer:json"`

	DNSProvider     domain.DNSProviderKind `gorm:"column:dns_provider"`
	DNSServer       string                 `gorm:"column:dns_server"`
	DNSKeyName      string                 `gorm:"column:dns_key_name"`
	DNSKeyAlgorithm string                 `gorm:"column:dns_key_algorithm"`
	DNSSecretSealed string                 `gorm:"column:dns_secret_sealed"`
	RecordsForAll   bool

	CreatedAt micros
	Version   int64
}

// TableName is GORM's way to name the table.
func (externalDomainRow) TableName() string { return "external_domains" }

func (s *Store) externalDomainRow(d domain.ExternalDomain) (externalDomainRow, error) {
	sealed, err := s.seal(providerSecret, d.ID, []byte(d.DNS.Secret.Reveal()))
	row := externalDomainRow{
		ID: d.ID, Name: d.Name, SiteID: d.SiteID, AuthServer: d.AuthServer, ACMEAccounts: d.ACMEAccounts,
		DNSProvider: d.DNS.Kind, DNSServer: d.DNS.Server, DNSKeyName: d.DNS.KeyName,
		DNSKeyAlgorithm: d.DNS.KeyAlgorithm, DNSSecretSealed: sealed, RecordsForAll: d.RecordsForAll,
		CreatedAt: microsOf(d.CreatedAt), Version: d.Version,
	}
	if row.ACMEAccounts == nil {
		row.ACMEAccounts = []string{}
	}
	return row, err
}

func (r externalDomainRow) domain() domain.ExternalDomain {
	return domain.ExternalDomain{
		ID: r.ID, Name: r.Name, SiteID: r.SiteID, AuthServer: r.AuthServer, ACMEAccounts: r.ACMEAccounts,
		DNS:           domain.DNSProvider{Kind: r.DNSProvider, Server: r.DNSServer, KeyName: r.DNSKeyName, KeyAlgorithm: r.DNSKeyAlgorithm},
		RecordsForAll: r.RecordsForAll, CreatedAt: r.CreatedAt.time(), Version: r.Version,
	}
}

// CreateExternalDomain stores a new external domain. It fills ID, CreatedAt and Version.
func (s *Store) CreateExternalDomain(ctx context.Context, d *domain.ExternalDomain) error {
	s.born(&d.ID, &d.CreatedAt, &d.Version)
	d.DNS.Kind = cmp.Or(d.DNS.Kind, domain.DNSManual)
	return s.Transact(ctx, func(tx *Store) error {
		row, err := tx.externalDomainRow(*d)
		if err != nil {
			return err
		}
		d.DNS.Secret = ""
		tx.changed(domain.TopicSettings, "external-domain/"+d.ID)
		return insert(ctx, tx, &row, "external domain "+d.Name)
	})
}

// ExternalDomain returns an external domain by ID.
func (s *Store) ExternalDomain(ctx context.Context, id string) (domain.ExternalDomain, error) {
	row, err := one[externalDomainRow](s, s.q(ctx).Where("id = ?", id), "external domain "+id)
	return row.domain(), err
}

// ExternalDomainByName returns an external domain by its name.
func (s *Store) ExternalDomainByName(ctx context.Context, name string) (domain.ExternalDomain, error) {
	row, err := one[externalDomainRow](s, s.q(ctx).Where("name = ?", name), "external domain "+name)
	return row.domain(), err
}

// ExternalDomains lists external domains.
func (s *Store) ExternalDomains(ctx context.Context, p Page) ([]domain.ExternalDomain, string, error) {
	id := func(r externalDomainRow) string { return r.ID }
	rows, next, err := paged(s, s.q(ctx), p, "id", oldestFirst, id, "external domains")
	list := make([]domain.ExternalDomain, len(rows))
	for i, r := range rows {
		list[i] = r.domain()
	}
	return list, next, err
}

// DNSProvider returns who answers for the zone of an external domain, with the secret.
func (s *Store) DNSProvider(ctx context.Context, domainID string) (domain.DNSProvider, error) {
	row, err := one[externalDomainRow](s, s.q(ctx).Where("id = ?", domainID), "external domain "+domainID)
	if err != nil {
		return domain.DNSProvider{}, err
	}
	secret, err := s.unseal(providerSecret, row.ID, row.DNSSecretSealed)
	p := row.domain().DNS
	p.Secret = domain.Secret(secret)
	return p, err
}

// UpdateExternalDomain replaces an external domain if its version is still d.Version, and raises the revision of every site. A provider
// without a secret keeps the one it had, unless it needs none.
func (s *Store) UpdateExternalDomain(ctx context.Context, d *domain.ExternalDomain) error {
	return s.Transact(ctx, func(tx *Store) error {
		next := *d
		next.Version++
		row, err := tx.externalDomainRow(next)
		if err != nil {
			return err
		}
		var keep []string
		if next.DNS.Writes() && next.DNS.Secret == "" {
			keep = append(keep, "dns_secret_sealed")
		}
		if err := replace(ctx, tx, &row, d.ID, d.Version, "external domain "+d.Name, keep...); err != nil {
			return err
		}
		next.DNS.Secret = ""
		tx.changed(domain.TopicSettings, "external-domain/"+d.ID)
		*d = next
		return tx.bumpSites(ctx)
	})
}

// bumpSites raises the revision of every site: services of any may be published under a domain.
func (s *Store) bumpSites(ctx context.Context) error {
	sites, err := All(func(p Page) ([]domain.Site, string, error) { return s.Sites(ctx, p) })
	if err != nil {
		return err
	}
	for _, site := range sites {
		if _, err := s.BumpSite(ctx, site.ID); err != nil {
			return err
		}
	}
	return nil
}

// DeleteExternalDomain deletes an external domain that nothing is published under.
func (s *Store) DeleteExternalDomain(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := locked[externalDomainRow](ctx, tx, id, "external domain "+id)
		if err != nil {
			return err
		}
		n, err := tx.ServicesUnder(ctx, row.domain())
		if err != nil {
			return err
		}
		if n > 0 {
			return domain.Errorf(domain.Conflict, "external domain %s is in use: %d names are published under it", row.Name, n)
		}
		var left int64
		if err := tx.q(ctx).Model(&publishedNameRow{}).Where("domain_id = ?", id).Count(&left).Error; err != nil {
			return tx.fault(err, "count records")
		}
		if left > 0 {
			return domain.Errorf(domain.Conflict, "external domain %s still has public records of %d names that are being taken away: try again "+
				"shortly, or set its DNS provider to manual to leave them", row.Name, left)
		}
		tx.changed(domain.TopicSettings, "external-domain/"+id)
		return remove[externalDomainRow](ctx, tx, id, "external domain "+row.Name)
	})
}
