package store

import (
	"context"

	"berth/domain"
)

type externalDomainRow struct {
	ID         string
	Name       string
	SiteID     string
	AuthServer string

	ACMEAccounts []string `gorm:"column:acme_accounts;serializer:json"`

	CreatedAt micros
	Version   int64
}

// TableName is GORM's way to name the table.
func (externalDomainRow) TableName() string { return "external_domains" }

func externalDomainRowOf(d domain.ExternalDomain) externalDomainRow {
	row := externalDomainRow{
		ID: d.ID, Name: d.Name, SiteID: d.SiteID, AuthServer: d.AuthServer, ACMEAccounts: d.ACMEAccounts,
		CreatedAt: microsOf(d.CreatedAt), Version: d.Version,
	}
	if row.ACMEAccounts == nil {
		row.ACMEAccounts = []string{}
	}
	return row
}

func (r externalDomainRow) domain() domain.ExternalDomain {
	return domain.ExternalDomain{
		ID: r.ID, Name: r.Name, SiteID: r.SiteID, AuthServer: r.AuthServer, ACMEAccounts: r.ACMEAccounts,
		CreatedAt: r.CreatedAt.time(), Version: r.Version,
	}
}

// CreateExternalDomain stores a new external domain. It fills ID, CreatedAt and Version.
func (s *Store) CreateExternalDomain(ctx context.Context, d *domain.ExternalDomain) error {
	s.born(&d.ID, &d.CreatedAt, &d.Version)
	return s.Transact(ctx, func(tx *Store) error {
		row := externalDomainRowOf(*d)
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

// UpdateExternalDomain replaces an external domain if its version is still d.Version, and raises the revision of every site.
func (s *Store) UpdateExternalDomain(ctx context.Context, d *domain.ExternalDomain) error {
	return s.Transact(ctx, func(tx *Store) error {
		next := *d
		next.Version++
		row := externalDomainRowOf(next)
		if err := replace(ctx, tx, &row, d.ID, d.Version, "external domain "+d.Name); err != nil {
			return err
		}
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
		tx.changed(domain.TopicSettings, "external-domain/"+id)
		return remove[externalDomainRow](ctx, tx, id, "external domain "+row.Name)
	})
}
