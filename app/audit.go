package app

import (
	"context"
	"time"

	"berth/domain"
	"berth/store"
)

// Audit is the append-only trail of who did what from where.
type Audit struct{ *core }

// AuditFilter narrows the audit trail; empty fields match everything.
type AuditFilter struct {
	Actor      string
	Action     string
	Resource   string
	ResourceID string
	Outcome    string
	Since      time.Time
}

// List returns the trail, newest first. It is for administrators.
func (s *Audit) List(
	ctx context.Context, actor domain.Actor, filter AuditFilter, page Page,
) (List[domain.AuditEntry], error) {
	if err := s.read(ctx, actor, attempt{action: "audit.list", resource: "audit"}, toAdminister); err != nil {
		return List[domain.AuditEntry]{}, err
	}
	f := store.AuditFilter{Actor: filter.Actor, Action: filter.Action, Resource: filter.Resource, ResourceID: filter.ResourceID}
	over := false // the trail is older than Since from here on
	found, err := sift(page, func(p store.Page) ([]domain.AuditEntry, string, error) {
		if over {
			return nil, "", nil
		}
		return s.Store.Audit(ctx, f, p)
	}, func(e domain.AuditEntry) bool {
		over = over || e.Time.Before(filter.Since)
		return !over && (filter.Outcome == "" || e.Outcome == filter.Outcome)
	})
	if over {
		found.Next = ""
	}
	return found, err
}
