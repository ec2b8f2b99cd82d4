package store

import (
	"context"
	"slices"
	"time"

	"berth/domain"

	"gorm.io/gorm"
)

type siteRow struct {
	ID           string
	Name         string
	Domain       string
	CIDR         string `gorm:"column:cidr"`
	Gateway      string
	RangeFirst   string
	RangeLast    string
	DynamicFirst string
	DynamicLast  string
	Nameservers  []string `gorm:"serializer:json"`
	Forwarders   []string `gorm:"serializer:json"`
	LeaseSeconds int64
	PortFirst    int
	PortLast     int

	PublicAddresses []string `gorm:"serializer:json"`

	Desired   int64
	Published int64
	CreatedAt micros
	Version   int64
}

// TableName is GORM's way to name the table.
func (siteRow) TableName() string { return "sites" }

func siteRowOf(s domain.Site) siteRow {
	row := siteRow{
		ID: s.ID, Name: s.Name, Domain: s.Domain, CIDR: s.CIDR, Gateway: s.Gateway, RangeFirst: s.RangeFirst, RangeLast: s.RangeLast,
		DynamicFirst: s.DynamicFirst, DynamicLast: s.DynamicLast, Nameservers: s.Nameservers, Forwarders: s.Forwarders,
		LeaseSeconds: int64(s.LeaseTime / time.Second), PortFirst: s.PortFirst, PortLast: s.PortLast,
		PublicAddresses: s.PublicAddresses, Desired: s.Desired, Published: s.Published, CreatedAt: microsOf(s.CreatedAt), Version: s.Version,
	}
	if row.PublicAddresses == nil {
		row.PublicAddresses = []string{}
	}
	return row
}

func (r siteRow) site() domain.Site {
	return domain.Site{
		ID: r.ID, Name: r.Name, Domain: r.Domain, CIDR: r.CIDR, Gateway: r.Gateway, RangeFirst: r.RangeFirst, RangeLast: r.RangeLast,
		DynamicFirst: r.DynamicFirst, DynamicLast: r.DynamicLast, Nameservers: r.Nameservers, Forwarders: r.Forwarders,
		LeaseTime: time.Duration(r.LeaseSeconds) * time.Second, PortFirst: r.PortFirst, PortLast: r.PortLast,
		PublicAddresses: slices.Concat(r.PublicAddresses), Desired: r.Desired, Published: r.Published,
		CreatedAt: r.CreatedAt.time(), Version: r.Version,
	}
}

// CreateSite stores a new site. It fills ID, CreatedAt, Version, lease time and ports if it has none, and the first revision.
func (s *Store) CreateSite(ctx context.Context, site *domain.Site) error {
	s.born(&site.ID, &site.CreatedAt, &site.Version)
	if site.LeaseTime == 0 {
		site.LeaseTime = domain.DefaultLeaseTime
	}
	if site.PortFirst == 0 && site.PortLast == 0 {
		site.PortFirst, site.PortLast = domain.DefaultPortFirst, domain.DefaultPortLast
	}
	site.Desired, site.Published = 1, 1
	return s.Transact(ctx, func(tx *Store) error {
		row := siteRowOf(*site)
		if err := insert(ctx, tx, &row, "site "+site.Name); err != nil {
			return err
		}
		tx.changed(domain.TopicSite, site.ID)
		return nil
	})
}

// Site returns a site by ID.
func (s *Store) Site(ctx context.Context, id string) (domain.Site, error) {
	row, err := one[siteRow](s, s.q(ctx).Where("id = ?", id), "site "+id)
	return row.site(), err
}

// SiteByName returns a site by name.
func (s *Store) SiteByName(ctx context.Context, name string) (domain.Site, error) {
	row, err := one[siteRow](s, s.q(ctx).Where("name = ?", name), "site "+name)
	return row.site(), err
}

// Sites lists sites.
func (s *Store) Sites(ctx context.Context, p Page) ([]domain.Site, string, error) {
	rows, next, err := paged(s, s.q(ctx), p, "id", oldestFirst, func(r siteRow) string { return r.ID }, "sites")
	list := make([]domain.Site, len(rows))
	for i, r := range rows {
		list[i] = r.site()
	}
	return list, next, err
}

// UpdateSite replaces a site if its version is still site.Version, and raises its desired revision. Desired and Published as
// given are ignored, and are set to what they became.
func (s *Store) UpdateSite(ctx context.Context, site *domain.Site) error {
	return s.Transact(ctx, func(tx *Store) error {
		next := *site
		next.Version++
		row := siteRowOf(next)
		if err := replace(ctx, tx, &row, site.ID, site.Version, "site "+site.Name, "desired", "published"); err != nil {
			return err
		}
		if _, err := tx.BumpSite(ctx, site.ID); err != nil {
			return err
		}
		fresh, err := tx.Site(ctx, site.ID)
		if err != nil {
			return err
		}
		*site = fresh
		return nil
	})
}

// BumpSite raises the desired revision of a site and returns it. The site stays locked until the transaction ends.
func (s *Store) BumpSite(ctx context.Context, siteID string) (revision int64, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		err := set[siteRow](ctx, tx, siteID, "site "+siteID, map[string]any{"desired": gorm.Expr("desired + 1")})
		if err != nil {
			return err
		}
		row, err := one[siteRow](tx, tx.q(ctx).Where("id = ?", siteID), "site "+siteID)
		revision = row.Desired
		tx.changed(domain.TopicSite, siteID)
		return err
	})
	return revision, err
}

// PublishSite lets edges fetch the desired revision of a site and returns it.
func (s *Store) PublishSite(ctx context.Context, siteID string) (revision int64, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		row, err := locked[siteRow](ctx, tx, siteID, "site "+siteID)
		if err != nil {
			return err
		}
		revision = row.Desired
		if row.Published == row.Desired {
			return nil
		}
		tx.changed(domain.TopicSite, siteID)
		return set[siteRow](ctx, tx, siteID, "site "+row.Name, map[string]any{"published": row.Desired})
	})
	return revision, err
}

// DeleteSite deletes a site that nothing is left of.
func (s *Store) DeleteSite(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := locked[siteRow](ctx, tx, id, "site "+id)
		if err != nil {
			return err
		}
		if err := tx.siteUnused(ctx, row); err != nil {
			return err
		}
		err = tx.q(ctx).Where("site_id = ?", id).Delete(&freedAddressRow{}).Error
		if err != nil {
			return tx.fault(err, "forget freed addresses")
		}
		tx.changed(domain.TopicSite, id)
		return remove[siteRow](ctx, tx, id, "site "+row.Name)
	})
}

// siteUnused is nil when nothing belongs to a site any more.
func (s *Store) siteUnused(ctx context.Context, site siteRow) error {
	for _, part := range []struct {
		what string
		row  any
	}{
		{"containers", &containerRow{}},
		{"nodes", &nodeRow{}},
		{"edges", &edgeRow{}},
		{"reserved addresses", &reservationRow{}},
		{"external domains", &externalDomainRow{}},
	} {
		var n int64
		if err := s.q(ctx).Model(part.row).Where("site_id = ?", site.ID).Count(&n).Error; err != nil {
			return s.fault(err, "count "+part.what)
		}
		if n > 0 {
			return domain.Errorf(domain.Conflict, "site %s is in use: it still has %d %s", site.Name, n, part.what)
		}
	}
	return nil
}
