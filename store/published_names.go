package store

import (
	"context"

	"berth/domain"

	"gorm.io/gorm/clause"
)

type publishedNameRow struct {
	Name        string `gorm:"primaryKey"`
	DomainID    string
	ContainerID string
	Records     []domain.DNSRecord `gorm:"serializer:json"`
	Message     string
	TriedAt     micros
	CheckedAt   micros
}

// TableName is GORM's way to name the table.
func (publishedNameRow) TableName() string { return "published_names" }

func (r publishedNameRow) name() domain.PublishedName {
	return domain.PublishedName{
		Name: r.Name, DomainID: r.DomainID, ContainerID: r.ContainerID, Records: r.Records, Message: r.Message, TriedAt: r.TriedAt.time(),
		CheckedAt: r.CheckedAt.time(),
	}
}

// PublishedNames lists the names of a container that Berth keeps records for, or of all containers when none is named, by name.
func (s *Store) PublishedNames(ctx context.Context, containerID string) ([]domain.PublishedName, error) {
	var rows []publishedNameRow
	q := s.q(ctx).Order("name")
	if containerID != "" {
		q = q.Where("container_id = ?", containerID)
	}
	err := q.Find(&rows).Error
	list := make([]domain.PublishedName, len(rows))
	for i, r := range rows {
		list[i] = r.name()
	}
	return list, s.fault(err, "list published names")
}

// WantedNames returns the names that are to have records of their own, of a container or of all when none is named: those that services
// are published under, at a site that has public addresses, in zones that Berth may change.
func (s *Store) WantedNames(ctx context.Context, containerID string) (wanted []domain.PublishedName, err error) {
	where, args := "state = ?", []any{Held}
	if containerID != "" {
		where, args = where+" AND container_id = ?", append(args, containerID)
	}
	rows, err := s.serviceRows(ctx, where, args...)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	domains, err := All(func(p Page) ([]domain.ExternalDomain, string, error) { return s.ExternalDomains(ctx, p) })
	if err != nil {
		return nil, err
	}
	sites, seen := map[string]domain.Site{}, map[string]bool{}
	for _, r := range rows {
		d := domain.DomainOf(domains, r.Spec.Host)
		if r.Spec.Host == "" || seen[r.Spec.Host] || !d.DNS.Writes() || !d.RecordsAt(r.SiteID) {
			continue
		}
		seen[r.Spec.Host] = true
		site, known := sites[r.SiteID]
		if !known {
			if site, err = s.Site(ctx, r.SiteID); err != nil {
				return nil, err
			}
			sites[r.SiteID] = site
		}
		if records := site.PublicRecords(r.Spec.Host); len(records) > 0 {
			wanted = append(wanted, domain.PublishedName{Name: r.Spec.Host, DomainID: d.ID, ContainerID: r.ContainerID, Records: records})
		}
	}
	return wanted, nil
}

// PutPublishedName writes down what is about to be written for a name, or what came of it, in the place of what was known.
func (s *Store) PutPublishedName(ctx context.Context, p domain.PublishedName) error {
	return s.Transact(ctx, func(tx *Store) error {
		row := publishedNameRow{
			Name: p.Name, DomainID: p.DomainID, ContainerID: p.ContainerID, Records: p.Records, Message: p.Message,
			TriedAt: microsOf(p.TriedAt), CheckedAt: microsOf(p.CheckedAt),
		}
		if row.Records == nil {
			row.Records = []domain.DNSRecord{}
		}
		tx.changed(domain.TopicContainer, p.ContainerID)
		onConflict := upsert("name", "domain_id", "container_id", "records", "message", "tried_at", "checked_at")
		return tx.fault(tx.q(ctx).Clauses(onConflict).Create(&row).Error, "write down the records of "+p.Name)
	})
}

// DropPublishedName forgets a name whose records were taken away. When another container has the name by now, its records are to be
// written again.
func (s *Store) DropPublishedName(ctx context.Context, p domain.PublishedName) error {
	return s.Transact(ctx, func(tx *Store) error {
		tx.changed(domain.TopicContainer, p.ContainerID)
		if err := tx.q(ctx).Where("name = ? AND container_id = ?", p.Name, p.ContainerID).Delete(&publishedNameRow{}).Error; err != nil {
			return tx.fault(err, "forget the records of "+p.Name)
		}
		again := tx.q(ctx).Model(&publishedNameRow{}).Where("name = ?", p.Name).Updates(map[string]any{"tried_at": 0, "checked_at": 0})
		return tx.fault(again.Error, "write the records of "+p.Name+" again")
	})
}

// installation is the setting that has the ID of the installation.
const installation = "installation"

// InstallationID returns what tells this installation apart from others that share something with it, such as a DNS zone. It is made when
// it is first asked for.
func (s *Store) InstallationID(ctx context.Context) (id string, err error) {
	err = s.Setting(ctx, installation, &id)
	if !domain.Is(err, domain.NotFound) {
		return id, err
	}
	row := settingRow{installation, `"` + domain.NewID() + `"`}
	if err := s.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
		return "", s.fault(err, "name the installation")
	}
	err = s.Setting(ctx, installation, &id)
	return id, err
}
