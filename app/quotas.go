package app

import (
	"context"

	"berth/domain"
	"berth/store"
)

// Quotas are the use cases on quotas. People may see their own, administrators manage all.
type Quotas struct{ *core }

// QuotaInput is what the containers of one user may hold together; 0 means no limit.
type QuotaInput struct {
	Containers int
	Cores      int
	MemoryMiB  int
	DiskGiB    int
}

// Get returns the quota that counts for a user, and what of it is used. The empty user stands for everybody who has no quota.
func (s *Quotas) Get(ctx context.Context, actor domain.Actor, user string) (domain.Quota, domain.Usage, error) {
	if err := s.read(ctx, actor, attempt{action: "quota.get", resource: "quota", name: user}, toRead); err != nil {
		return domain.Quota{}, domain.Usage{}, err
	}
	if !actor.Admin && user != actor.User {
		return domain.Quota{}, domain.Usage{}, missing("quota", user)
	}
	q, err := s.Store.Quota(ctx, user)
	if err != nil || user == "" {
		return q, domain.Usage{}, err
	}
	used, err := s.Store.Usage(ctx, user)
	return q, used, err
}

// List returns all quotas, the default first. It is for administrators.
func (s *Quotas) List(ctx context.Context, actor domain.Actor) ([]domain.Quota, error) {
	if err := s.read(ctx, actor, attempt{action: "quota.list", resource: "quota"}, toAdminister); err != nil {
		return nil, err
	}
	return store.All(func(p store.Page) ([]domain.Quota, string, error) { return s.Store.Quotas(ctx, p) })
}

// Set gives a user a quota, or with an empty user everybody who has none of their own. What is held already stays.
func (s *Quotas) Set(ctx context.Context, actor domain.Actor, user string, in QuotaInput) (set domain.Quota, err error) {
	at := attempt{action: "quota.set", resource: "quota", name: user}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		var f fields
		for _, limit := range []struct {
			field string
			value int
		}{
			{"containers", in.Containers},
			{"cores", in.Cores},
			{"memoryMiB", in.MemoryMiB},
			{"diskGiB", in.DiskGiB},
		} {
			if limit.value < 0 {
				f.fail(limit.field, "must not be negative; 0 means no limit")
			}
		}
		if user != "" {
			if _, err := s.Store.User(ctx, user); err != nil {
				if err := f.name("user", err); err != nil {
					return err
				}
			}
		}
		if err := f.err("the quota"); err != nil {
			return err
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			set = domain.Quota{User: user, Containers: in.Containers, Cores: in.Cores, MemoryMiB: in.MemoryMiB, DiskGiB: in.DiskGiB}
			if err := tx.SetQuota(ctx, &set); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
	if err != nil {
		return domain.Quota{}, err
	}
	return set, nil
}

// Delete takes the quota of a user away, who then has the default, or takes the default away.
func (s *Quotas) Delete(ctx context.Context, actor domain.Actor, user string) error {
	at := attempt{action: "quota.delete", resource: "quota", name: user}
	return s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			if err := tx.DeleteQuota(ctx, user); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
}
