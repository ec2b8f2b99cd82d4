package store

import (
	"context"

	"berth/domain"
)

type groupRow struct {
	ID        string
	Name      string
	CreatedAt micros
	Version   int64
}

// TableName is GORM's way to name the table; "groups" is a reserved word of MySQL.
func (groupRow) TableName() string { return "user_groups" }

type memberRow struct {
	GroupID  string
	Username string
}

// TableName is GORM's way to name the table.
func (memberRow) TableName() string { return "group_members" }

// CreateGroup stores a new group with its members. It fills ID, CreatedAt and Version.
func (s *Store) CreateGroup(ctx context.Context, g *domain.Group) error {
	s.born(&g.ID, &g.CreatedAt, &g.Version)
	return s.Transact(ctx, func(tx *Store) error {
		row := groupRow{g.ID, g.Name, microsOf(g.CreatedAt), g.Version}
		if err := insert(ctx, tx, &row, "group "+g.Name); err != nil {
			return err
		}
		return tx.setMembers(ctx, g)
	})
}

// UpdateGroup replaces a group and its members if its version is still g.Version.
func (s *Store) UpdateGroup(ctx context.Context, g *domain.Group) error {
	return s.Transact(ctx, func(tx *Store) error {
		row := groupRow{ID: g.ID, Name: g.Name, Version: g.Version + 1}
		if err := replace(ctx, tx, &row, g.ID, g.Version, "group "+g.Name); err != nil {
			return err
		}
		if err := tx.setMembers(ctx, g); err != nil {
			return err
		}
		g.Version++
		return nil
	})
}

func (s *Store) setMembers(ctx context.Context, g *domain.Group) error {
	if err := s.q(ctx).Where("group_id = ?", g.ID).Delete(&memberRow{}).Error; err != nil {
		return s.fault(err, "change members of group "+g.Name)
	}
	if len(g.Members) == 0 {
		return nil
	}
	rows := make([]memberRow, len(g.Members))
	for i, name := range g.Members {
		rows[i] = memberRow{g.ID, name}
	}
	return s.fault(s.q(ctx).Create(&rows).Error, "change members of group "+g.Name)
}

// GroupByName returns a group with its members.
func (s *Store) GroupByName(ctx context.Context, name string) (domain.Group, error) {
	row, err := one[groupRow](s, s.q(ctx).Where("name = ?", name), "group "+name)
	if err != nil {
		return domain.Group{}, err
	}
	list, err := s.withMembers(ctx, []groupRow{row})
	if err != nil {
		return domain.Group{}, err
	}
	return list[0], nil
}

// Groups lists groups with their members.
func (s *Store) Groups(ctx context.Context, p Page) ([]domain.Group, string, error) {
	rows, next, err := paged(s, s.q(ctx), p, "id", oldestFirst, func(r groupRow) string { return r.ID }, "groups")
	if err != nil {
		return nil, "", err
	}
	list, err := s.withMembers(ctx, rows)
	return list, next, err
}

func (s *Store) withMembers(ctx context.Context, groups []groupRow) ([]domain.Group, error) {
	ids := make([]string, len(groups))
	for i, g := range groups {
		ids[i] = g.ID
	}
	var members []memberRow
	if err := s.q(ctx).Where("group_id IN ?", ids).Order("username").Find(&members).Error; err != nil {
		return nil, s.fault(err, "list members of groups")
	}
	of := map[string][]string{}
	for _, m := range members {
		of[m.GroupID] = append(of[m.GroupID], m.Username)
	}
	list := make([]domain.Group, len(groups))
	for i, g := range groups {
		list[i] = domain.Group{ID: g.ID, Name: g.Name, Members: of[g.ID], CreatedAt: g.CreatedAt.time(), Version: g.Version}
	}
	return list, nil
}

// DeleteGroup deletes a group.
func (s *Store) DeleteGroup(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error { return remove[groupRow](ctx, tx, id, "group "+id) })
}
