package store

import (
	"context"
	"time"
)

// Service is what a container exposes.
type Service struct {
	ID          string
	ContainerID string
	Name        string
	Kind        string // "http", "tcp", "udp" or "srv"
	Port        int    // that the container listens on
	CreatedAt   time.Time
	Version     int64
}

type serviceRow struct {
	ID          string
	ContainerID string
	Name        string
	Kind        string
	Port        int
	CreatedAt   micros
	Version     int64
}

// TableName is GORM's way to name the table.
func (serviceRow) TableName() string { return "services" }

// CreateService stores a new service. It fills ID, CreatedAt and Version.
func (s *Store) CreateService(ctx context.Context, v *Service) error {
	s.born(&v.ID, &v.CreatedAt, &v.Version)
	return s.Transact(ctx, func(tx *Store) error {
		row := serviceRow{v.ID, v.ContainerID, v.Name, v.Kind, v.Port, microsOf(v.CreatedAt), v.Version}
		return insert(ctx, tx, &row, "service "+v.Name)
	})
}

// Services lists the services of a container by ID.
func (s *Store) Services(ctx context.Context, containerID string) ([]Service, error) {
	var rows []serviceRow
	if err := s.q(ctx).Where("container_id = ?", containerID).Order("id").Find(&rows).Error; err != nil {
		return nil, s.fault(err, "list services")
	}
	list := make([]Service, len(rows))
	for i, r := range rows {
		list[i] = Service{r.ID, r.ContainerID, r.Name, r.Kind, r.Port, r.CreatedAt.time(), r.Version}
	}
	return list, nil
}

// ExternalDomain is a public DNS zone that services are published under.
type ExternalDomain struct {
	ID        string
	Name      string
	SiteID    string // default site, whose edges hold the wildcard certificate
	CreatedAt time.Time
	Version   int64
}

type externalDomainRow struct {
	ID        string
	Name      string
	SiteID    string
	CreatedAt micros
	Version   int64
}

// TableName is GORM's way to name the table.
func (externalDomainRow) TableName() string { return "external_domains" }

// CreateExternalDomain stores a new external domain. It fills ID, CreatedAt and Version.
func (s *Store) CreateExternalDomain(ctx context.Context, d *ExternalDomain) error {
	s.born(&d.ID, &d.CreatedAt, &d.Version)
	return s.Transact(ctx, func(tx *Store) error {
		row := externalDomainRow{d.ID, d.Name, d.SiteID, microsOf(d.CreatedAt), d.Version}
		return insert(ctx, tx, &row, "external domain "+d.Name)
	})
}

// ExternalDomains lists external domains.
func (s *Store) ExternalDomains(ctx context.Context, p Page) ([]ExternalDomain, string, error) {
	id := func(r externalDomainRow) string { return r.ID }
	rows, next, err := paged(s, s.q(ctx), p, "id", oldestFirst, id, "external domains")
	list := make([]ExternalDomain, len(rows))
	for i, r := range rows {
		list[i] = ExternalDomain{r.ID, r.Name, r.SiteID, r.CreatedAt.time(), r.Version}
	}
	return list, next, err
}
