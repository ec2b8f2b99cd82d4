package store

import (
	"context"
	"strconv"

	"berth/domain"
)

type auditRow struct {
	ID         int64 `gorm:"primaryKey;autoIncrement"`
	At         micros
	Actor      string
	Source     string
	Action     string
	Resource   string
	ResourceID string
	Name       string
	Outcome    string
	Detail     string
}

// TableName is GORM's way to name the table.
func (auditRow) TableName() string { return "audit" }

// AddAudit appends to the audit trail; nothing of it is ever changed or deleted. It fills ID and, if zero, Time.
func (s *Store) AddAudit(ctx context.Context, e *domain.AuditEntry) error {
	if e.Time.IsZero() {
		e.Time = s.stamp()
	}
	return s.Transact(ctx, func(tx *Store) error {
		row := auditRow{
			At: microsOf(e.Time), Actor: e.Actor, Source: e.Source, Action: e.Action, Resource: e.Resource,
			ResourceID: e.ResourceID, Name: e.Name, Outcome: e.Outcome, Detail: e.Detail,
		}
		err := insert(ctx, tx, &row, "audit entry")
		e.ID = row.ID
		return err
	})
}

// AuditFilter picks entries; what is empty does not count.
type AuditFilter struct {
	Actor      string
	Action     string
	Resource   string
	ResourceID string
}

// Audit lists the audit trail, newest first.
func (s *Store) Audit(ctx context.Context, f AuditFilter, p Page) ([]domain.AuditEntry, string, error) {
	q := s.q(ctx)
	for _, w := range []struct{ column, value string }{
		{"actor", f.Actor},
		{"action", f.Action},
		{"resource", f.Resource},
		{"resource_id", f.ResourceID},
	} {
		if w.value != "" {
			q = q.Where(w.column+" = ?", w.value)
		}
	}
	if p.Cursor != "" { // IDs are numbers here
		id, err := cursorID(p.Cursor)
		if err != nil {
			return nil, "", err
		}
		last, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, "", domain.Errorf(domain.Invalid, "the cursor is of another list")
		}
		q = q.Where("id < ?", last)
		p.Cursor = ""
	}
	id := func(r auditRow) string { return strconv.FormatInt(r.ID, 10) }
	rows, next, err := paged(s, q, p, "id", newestFirst, id, "audit entries")
	list := make([]domain.AuditEntry, len(rows))
	for i, r := range rows {
		list[i] = domain.AuditEntry{
			ID: r.ID, Time: r.At.time(), Actor: r.Actor, Source: r.Source, Action: r.Action, Resource: r.Resource,
			ResourceID: r.ResourceID, Name: r.Name, Outcome: r.Outcome, Detail: r.Detail,
		}
	}
	return list, next, err
}
