package store

import (
	"context"
	"slices"

	"berth/domain"
)

type acmeAccountRow struct {
	ID            string
	Name          string
	Directory     string
	Email         string
	Profile       string
	Roots         string
	EABKid        string `gorm:"column:eab_kid"`
	EABKeySealed  string `gorm:"column:eab_key_sealed"`
	KeySealed     string
	URL           string `gorm:"column:url"`
	Blocked       micros
	BlockedReason string
	CreatedAt     micros
	Version       int64
}

// TableName is GORM's way to name the table.
func (acmeAccountRow) TableName() string { return "acme_accounts" }

func (s *Store) acmeAccountRow(a domain.ACMEAccount) (acmeAccountRow, error) {
	row := acmeAccountRow{
		ID: a.ID, Name: a.Name, Directory: a.Directory, Email: a.Email, Profile: a.Profile, Roots: a.Roots, EABKid: a.EABKid, URL: a.URL,
		Blocked: microsOf(a.Blocked), BlockedReason: a.BlockedReason, CreatedAt: microsOf(a.CreatedAt), Version: a.Version,
	}
	var err error
	if row.KeySealed, err = s.seal(accountKey, a.ID, []byte(a.Key.Reveal())); err != nil {
		return row, err
	}
	row.EABKeySealed, err = s.seal(accountEABKey, a.ID, []byte(a.EABKey.Reveal()))
	return row, err
}

func (s *Store) acmeAccount(r acmeAccountRow) (domain.ACMEAccount, error) {
	a := domain.ACMEAccount{
		ID: r.ID, Name: r.Name, Directory: r.Directory, Email: r.Email, Profile: r.Profile, Roots: r.Roots, EABKid: r.EABKid, URL: r.URL,
		Blocked: r.Blocked.time(), BlockedReason: r.BlockedReason, CreatedAt: r.CreatedAt.time(), Version: r.Version,
	}
	key, err := s.unseal(accountKey, r.ID, r.KeySealed)
	if err != nil {
		return a, err
	}
	eab, err := s.unseal(accountEABKey, r.ID, r.EABKeySealed)
	a.Key, a.EABKey = domain.Secret(key), domain.Secret(eab)
	return a, err
}

// CreateACMEAccount stores a new account. It fills ID, CreatedAt and Version.
func (s *Store) CreateACMEAccount(ctx context.Context, a *domain.ACMEAccount) error {
	s.born(&a.ID, &a.CreatedAt, &a.Version)
	return s.Transact(ctx, func(tx *Store) error {
		row, err := tx.acmeAccountRow(*a)
		if err != nil {
			return err
		}
		return insert(ctx, tx, &row, "ACME account "+a.Name)
	})
}

// ACMEAccount returns an account by ID, with its keys.
func (s *Store) ACMEAccount(ctx context.Context, id string) (domain.ACMEAccount, error) {
	row, err := one[acmeAccountRow](s, s.q(ctx).Where("id = ?", id), "ACME account "+id)
	if err != nil {
		return domain.ACMEAccount{}, err
	}
	return s.acmeAccount(row)
}

// ACMEAccountByName returns an account by its name, with its keys.
func (s *Store) ACMEAccountByName(ctx context.Context, name string) (domain.ACMEAccount, error) {
	row, err := one[acmeAccountRow](s, s.q(ctx).Where("name = ?", name), "ACME account "+name)
	if err != nil {
		return domain.ACMEAccount{}, err
	}
	return s.acmeAccount(row)
}

// ACMEAccounts lists accounts, with their keys.
func (s *Store) ACMEAccounts(ctx context.Context, p Page) ([]domain.ACMEAccount, string, error) {
	id := func(r acmeAccountRow) string { return r.ID }
	rows, next, err := paged(s, s.q(ctx), p, "id", oldestFirst, id, "ACME accounts")
	if err != nil {
		return nil, "", err
	}
	list := make([]domain.ACMEAccount, len(rows))
	for i, r := range rows {
		if list[i], err = s.acmeAccount(r); err != nil {
			return nil, "", err
		}
	}
	return list, next, nil
}

// ModifyACMEAccount changes an account; its name, CA and key stay.
func (s *Store) ModifyACMEAccount(ctx context.Context, id string, change func(*domain.ACMEAccount)) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := locked[acmeAccountRow](ctx, tx, id, "ACME account "+id)
		if err != nil {
			return err
		}
		a, err := tx.acmeAccount(row)
		if err != nil {
			return err
		}
		change(&a)
		next, err := tx.acmeAccountRow(a)
		if err != nil {
			return err
		}
		return set[acmeAccountRow](ctx, tx, id, "ACME account "+a.Name, map[string]any{
			"email": next.Email, "profile": next.Profile, "roots": next.Roots, "eab_kid": next.EABKid, "eab_key_sealed": next.EABKeySealed,
			"url": next.URL, "blocked": next.Blocked, "blocked_reason": next.BlockedReason, "version": row.Version + 1,
		})
	})
}

// DeleteACMEAccount forgets an account that no external domain orders from.
func (s *Store) DeleteACMEAccount(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		domains, err := All(func(p Page) ([]domain.ExternalDomain, string, error) { return tx.ExternalDomains(ctx, p) })
		if err != nil {
			return err
		}
		for _, d := range domains {
			if slices.Contains(d.ACMEAccounts, id) {
				return domain.Errorf(domain.Conflict, "external domain %s orders its certificates from this account", d.Name)
			}
		}
		return remove[acmeAccountRow](ctx, tx, id, "ACME account "+id)
	})
}
