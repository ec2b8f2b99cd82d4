package store

import (
	"context"
	"fmt"

	"berth/domain"
)

type quotaRow struct {
	Username   string
	Containers int
	Cores      int
	MemoryMiB  int `gorm:"column:memory_mib"`
	DiskGiB    int `gorm:"column:disk_gib"`
	Version    int64
}

// TableName is GORM's way to name the table.
func (quotaRow) TableName() string { return "quotas" }

func (r quotaRow) quota() domain.Quota {
	return domain.Quota{
		User: r.Username, Containers: r.Containers, Cores: r.Cores, MemoryMiB: r.MemoryMiB, DiskGiB: r.DiskGiB, Version: r.Version,
	}
}

// SetQuota stores the quota of a user, or with an empty user what everybody has who has none. With q.Version 0 it replaces
// whatever there is, else only that version.
func (s *Store) SetQuota(ctx context.Context, q *domain.Quota) error {
	return s.Transact(ctx, func(tx *Store) error {
		old, err := one[quotaRow](tx, tx.forUpdate(ctx).Where("username = ?", q.User), "quota")
		found := err == nil
		if err != nil && !domain.Is(err, domain.NotFound) {
			return err
		}
		if q.Version != 0 && q.Version != old.Version {
			return domain.Errorf(domain.Precondition, "the quota was changed meanwhile: read it again and repeat the change")
		}
		row := quotaRow{q.User, q.Containers, q.Cores, q.MemoryMiB, q.DiskGiB, old.Version + 1}
		tx.changed(domain.TopicSettings, "quota/"+q.User)
		q.Version = row.Version
		if !found {
			return insert(ctx, tx, &row, "quota")
		}
		done := tx.q(ctx).Model(&row).Select("*").Omit("username").Where("username = ?", q.User).Updates(&row)
		return tx.fault(done.Error, "change quota")
	})
}

// Quota returns the quota that counts for a user: its own, else the default, else one without limits, whose Version is 0. Its
// User is empty unless it is the user's own.
func (s *Store) Quota(ctx context.Context, user string) (domain.Quota, error) {
	var rows []quotaRow
	err := s.q(ctx).Where("username IN ?", []string{user, ""}).Order("username DESC").Limit(1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return domain.Quota{}, s.fault(err, "quota")
	}
	return rows[0].quota(), nil
}

// Quotas lists all quotas by user, the default first.
func (s *Store) Quotas(ctx context.Context, p Page) ([]domain.Quota, string, error) {
	rows, next, err := paged(s, s.q(ctx), p, "username", oldestFirst, func(r quotaRow) string { return r.Username }, "quotas")
	list := make([]domain.Quota, len(rows))
	for i, r := range rows {
		list[i] = r.quota()
	}
	return list, next, err
}

// DeleteQuota deletes the quota of a user, who then has the default, or the default itself.
func (s *Store) DeleteQuota(ctx context.Context, user string) error {
	return s.Transact(ctx, func(tx *Store) error {
		done := tx.q(ctx).Where("username = ?", user).Delete(&quotaRow{})
		if done.Error == nil && done.RowsAffected == 0 {
			return domain.Errorf(domain.NotFound, "there is no quota for %q", user)
		}
		tx.changed(domain.TopicSettings, "quota/"+user)
		return tx.fault(done.Error, "delete quota")
	})
}

// Usage returns what the containers of a user hold together. Failed ones hold nothing.
func (s *Store) Usage(ctx context.Context, user string) (domain.Usage, error) {
	var u domain.Usage
	err := s.q(ctx).Model(&containerRow{}).Where("owner = ? AND state <> ?", user, domain.ContainerFailed).
		Select("COUNT(*), COALESCE(SUM(cores), 0), COALESCE(SUM(memory_mib), 0), COALESCE(SUM(disk_gib), 0)").
		Row().Scan(&u.Containers, &u.Cores, &u.MemoryMiB, &u.DiskGiB)
	return u, s.fault(err, "sum what the containers of "+user+" hold")
}

// CheckQuota is nil when a user may have one more container as wanted, else Limited in words that name the limit. Within a
// transaction the user's row stays locked until it ends, so that requests made together do not pass one limit each. Call it
// before the container is created.
func (s *Store) CheckQuota(ctx context.Context, user string, want domain.Spec) error {
	more := domain.Usage{Containers: 1, Cores: want.Cores, MemoryMiB: want.MemoryMiB, DiskGiB: want.DiskGiB}
	return s.CheckGrowth(ctx, user, more, want.Cores == 0)
}

// CheckGrowth is CheckQuota for a container that there is already; more is what it gets in addition. allCores says that it is to
// have all cores of its node, which a limit on cores rules out.
func (s *Store) CheckGrowth(ctx context.Context, user string, more domain.Usage, allCores bool) error {
	return s.Transact(ctx, func(tx *Store) error {
		if err := tx.lockUser(ctx, user); err != nil {
			return err
		}
		quota, err := tx.Quota(ctx, user)
		if err != nil {
			return err
		}
		used, err := tx.Usage(ctx, user)
		if err != nil {
			return err
		}
		for _, l := range []struct {
			what              string
			limit, used, more int
			unit              string
		}{
			{"containers", quota.Containers, used.Containers, more.Containers, ""},
			{"cores", quota.Cores, used.Cores, more.Cores, ""},
			{"memory", quota.MemoryMiB, used.MemoryMiB, more.MemoryMiB, " MiB"},
			{"disk", quota.DiskGiB, used.DiskGiB, more.DiskGiB, " GiB"},
		} {
			if l.limit != 0 && l.more > 0 && l.used+l.more > l.limit {
				return domain.Errorf(domain.Limited, "the quota of %s allows %s%s: %d are used and %d more were asked for",
					user, fmt.Sprint(l.limit, l.unit), describe(l.what), l.used, l.more)
			}
		}
		if quota.Cores != 0 && allCores {
			return domain.Errorf(domain.Limited, "the quota of %s allows %d cores: name how many of them the container gets",
				user, quota.Cores)
		}
		return nil
	})
}

func describe(what string) string {
	if what == "memory" || what == "disk" {
		return " of " + what
	}
	return " " + what
}
