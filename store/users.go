package store

import (
	"context"

	"berth/domain"

	"gorm.io/gorm/clause"
)

type userRow struct {
	ID        string
	Name      string
	Admin     bool
	CreatedAt micros
	Version   int64
}

// TableName is GORM's way to name the table.
func (userRow) TableName() string { return "users" }

func (r userRow) user() domain.User {
	return domain.User{ID: r.ID, Name: r.Name, Admin: r.Admin, CreatedAt: r.CreatedAt.time(), Version: r.Version}
}

// EnsureUser returns the user of a name, made without rights of an administrator if there is none.
func (s *Store) EnsureUser(ctx context.Context, name string) (user domain.User, err error) {
	if user, err = s.User(ctx, name); !domain.Is(err, domain.NotFound) {
		return user, err
	}
	err = s.Transact(ctx, func(tx *Store) error {
		row := userRow{ID: domain.NewID(), Name: name, CreatedAt: microsOf(tx.stamp()), Version: 1}
		// Two requests may come with the same new user: the second finds the first one's row.
		if err := tx.q(ctx).Clauses(clause.OnConflict{DoNothing: true}).Create(&row).Error; err != nil {
			return tx.fault(err, "create user "+name)
		}
		user, err = tx.User(ctx, name)
		return err
	})
	return user, err
}

// User returns a user by name.
func (s *Store) User(ctx context.Context, name string) (domain.User, error) {
	row, err := one[userRow](s, s.q(ctx).Where("name = ?", name), "user "+name)
	return row.user(), err
}

// Users lists users.
func (s *Store) Users(ctx context.Context, p Page) ([]domain.User, string, error) {
	rows, next, err := paged(s, s.q(ctx), p, "id", oldestFirst, func(r userRow) string { return r.ID }, "users")
	list := make([]domain.User, len(rows))
	for i, r := range rows {
		list[i] = r.user()
	}
	return list, next, err
}

// UpdateUser replaces a user if its version is still u.Version.
func (s *Store) UpdateUser(ctx context.Context, u *domain.User) error {
	return s.Transact(ctx, func(tx *Store) error {
		row := userRow{ID: u.ID, Name: u.Name, Admin: u.Admin, Version: u.Version + 1}
		if err := replace(ctx, tx, &row, u.ID, u.Version, "user "+u.Name); err != nil {
			return err
		}
		u.Version++
		return nil
	})
}

// lockUser holds the row of a user, made if there is none, until the transaction ends.
func (s *Store) lockUser(ctx context.Context, name string) error {
	if _, err := s.EnsureUser(ctx, name); err != nil {
		return err
	}
	_, err := one[userRow](s, s.forUpdate(ctx).Where("name = ?", name), "user "+name)
	return err
}
