package store

import (
	"context"

	"berth/domain"
)

type registryRow struct {
	ID             string
	Host           string
	Username       string
	PasswordSealed string
	CreatedAt      micros
	Version        int64
}

// TableName is GORM's way to name the table.
func (registryRow) TableName() string { return "registries" }

func (s *Store) registryRow(r domain.Registry) (registryRow, error) {
	sealed, err := s.seal(registryPassword, r.ID, []byte(r.Password.Reveal()))
	return registryRow{
		ID: r.ID, Host: r.Host, Username: r.Username, PasswordSealed: sealed, CreatedAt: microsOf(r.CreatedAt), Version: r.Version,
	}, err
}

func (s *Store) registry(r registryRow) (domain.Registry, error) {
	password, err := s.unseal(registryPassword, r.ID, r.PasswordSealed)
	return domain.Registry{
		ID: r.ID, Host: r.Host, Username: r.Username, Password: domain.Secret(password), CreatedAt: r.CreatedAt.time(), Version: r.Version,
	}, err
}

// CreateRegistry stores the login for a registry. It fills ID, CreatedAt and Version.
func (s *Store) CreateRegistry(ctx context.Context, r *domain.Registry) error {
	s.born(&r.ID, &r.CreatedAt, &r.Version)
	return s.Transact(ctx, func(tx *Store) error {
		row, err := tx.registryRow(*r)
		if err != nil {
			return err
		}
		if err := insert(ctx, tx, &row, "registry "+r.Host); err != nil {
			return err
		}
		tx.changed(domain.TopicSettings, "registry/"+r.ID)
		return nil
	})
}

// Registry returns a registry by ID, with its password.
func (s *Store) Registry(ctx context.Context, id string) (domain.Registry, error) {
	row, err := one[registryRow](s, s.q(ctx).Where("id = ?", id), "registry "+id)
	if err != nil {
		return domain.Registry{}, err
	}
	return s.registry(row)
}

// RegistryByHost returns a registry by its host in the form of domain.RegistryHost, with its password.
func (s *Store) RegistryByHost(ctx context.Context, host string) (domain.Registry, error) {
	row, err := one[registryRow](s, s.q(ctx).Where("host = ?", host), "registry "+host)
	if err != nil {
		return domain.Registry{}, err
	}
	return s.registry(row)
}

// Registries lists registries, with their passwords.
func (s *Store) Registries(ctx context.Context, p Page) ([]domain.Registry, string, error) {
	rows, next, err := paged(s, s.q(ctx), p, "id", oldestFirst, func(r registryRow) string { return r.ID }, "registries")
	if err != nil {
		return nil, "", err
	}
	list := make([]domain.Registry, len(rows))
	for i, r := range rows {
		if list[i], err = s.registry(r); err != nil {
			return nil, "", err
		}
	}
	return list, next, nil
}

// UpdateRegistry replaces a registry, password included, if its version is still r.Version.
func (s *Store) UpdateRegistry(ctx context.Context, r *domain.Registry) error {
	return s.Transact(ctx, func(tx *Store) error {
		next := *r
		next.Version++
		row, err := tx.registryRow(next)
		if err != nil {
			return err
		}
		if err := replace(ctx, tx, &row, r.ID, r.Version, "registry "+r.Host); err != nil {
			return err
		}
		tx.changed(domain.TopicSettings, "registry/"+r.ID)
		*r = next
		return nil
	})
}

// DeleteRegistry forgets the login for a registry.
func (s *Store) DeleteRegistry(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		tx.changed(domain.TopicSettings, "registry/"+id)
		return remove[registryRow](ctx, tx, id, "registry "+id)
	})
}
