package store

import (
	"context"
	"strings"

	"berth/domain"
)

type operationRow struct {
	ID           string
	Kind         domain.OperationKind
	Resource     string
	ResourceID   string
	ResourceName string
	SiteID       string
	State        domain.OperationState
	Step         string
	Message      string
	ErrorKind    string
	Actor        string
	CancelAsked  bool
	RunID        string
	Params       domain.OperationParams `gorm:"serializer:json"`
	Events       int64
	CreatedAt    micros
	StartedAt    micros
	EndedAt      micros
	Version      int64
}

// TableName is GORM's way to name the table.
func (operationRow) TableName() string { return "operations" }

func operationRowOf(o domain.Operation) operationRow {
	return operationRow{
		ID: o.ID, Kind: o.Kind, Resource: o.Resource, ResourceID: o.ResourceID, ResourceName: o.ResourceName, SiteID: o.SiteID,
		State: o.State, Step: o.Step, Message: o.Message, ErrorKind: o.ErrorKind, Actor: o.Actor, CancelAsked: o.CancelAsked,
		RunID: o.RunID, Params: o.Params, CreatedAt: microsOf(o.CreatedAt), StartedAt: microsOf(o.StartedAt),
		EndedAt: microsOf(o.EndedAt), Version: o.Version,
	}
}

func (r operationRow) operation() domain.Operation {
	return domain.Operation{
		ID: r.ID, Kind: r.Kind, Resource: r.Resource, ResourceID: r.ResourceID, ResourceName: r.ResourceName, SiteID: r.SiteID,
		State: r.State, Step: r.Step, Message: r.Message, ErrorKind: r.ErrorKind, Actor: r.Actor, CancelAsked: r.CancelAsked,
		RunID: r.RunID, Params: r.Params, CreatedAt: r.CreatedAt.time(), StartedAt: r.StartedAt.time(),
		EndedAt: r.EndedAt.time(), Version: r.Version,
	}
}

// CreateOperation stores a new operation. It fills ID, CreatedAt, Version and, if empty, State.
func (s *Store) CreateOperation(ctx context.Context, o *domain.Operation) error {
	s.born(&o.ID, &o.CreatedAt, &o.Version)
	if o.State == "" {
		o.State = domain.OpPending
	}
	return s.Transact(ctx, func(tx *Store) error {
		row := operationRowOf(*o)
		if err := insert(ctx, tx, &row, "operation"); err != nil {
			return err
		}
		tx.changed(domain.TopicOperation, o.ID)
		return nil
	})
}

// Operation returns an operation by ID.
func (s *Store) Operation(ctx context.Context, id string) (domain.Operation, error) {
	row, err := one[operationRow](s, s.q(ctx).Where("id = ?", id), "operation "+id)
	return row.operation(), err
}

// OperationFilter picks operations; what is empty does not count.
type OperationFilter struct {
	Resource   string
	ResourceID string
	SiteID     string
	State      domain.OperationState
	Open       bool // only those that have not ended
	Kind       domain.OperationKind
	Actor      string
	VisibleTo  string // user: only operations on containers that they own, and what they asked for, with whatever token
}

var openStates = []domain.OperationState{domain.OpPending, domain.OpWaiting, domain.OpRunning}

// Operations lists operations, newest first.
func (s *Store) Operations(ctx context.Context, f OperationFilter, p Page) ([]domain.Operation, string, error) {
	q := s.q(ctx)
	for _, w := range []struct{ column, value string }{
		{"resource", f.Resource},
		{"resource_id", f.ResourceID},
		{"site_id", f.SiteID},
		{"state", string(f.State)},
		{"kind", string(f.Kind)},
		{"actor", f.Actor},
	} {
		if w.value != "" {
			q = q.Where(w.column+" = ?", w.value)
		}
	}
	if f.Open {
		q = q.Where("state IN ?", openStates)
	}
	if f.VisibleTo != "" {
		who := "user:" + f.VisibleTo
		owned := s.q(ctx).Model(&containerRow{}).Select("id").Where("owner = ?", f.VisibleTo)
		q = q.Where("(resource_id IN (?) OR actor = ? OR actor LIKE ? ESCAPE '!')",
			owned, who, strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(who)+" token:%")
	}
	rows, next, err := paged(s, q, p, "id", newestFirst, func(r operationRow) string { return r.ID }, "operations")
	list := make([]domain.Operation, len(rows))
	for i, r := range rows {
		list[i] = r.operation()
	}
	return list, next, err
}

// OpenOperationOf returns the operation on a resource that has not ended, a running one before one that waits for it; NotFound
// when there is none.
func (s *Store) OpenOperationOf(ctx context.Context, resource, resourceID string) (domain.Operation, error) {
	row, err := one[operationRow](s, s.q(ctx).
		Where("resource = ? AND resource_id = ? AND state IN ?", resource, resourceID, openStates).
		Order("CASE state WHEN 'running' THEN 0 WHEN 'pending' THEN 1 ELSE 2 END, id"), "open operation of "+resource+" "+resourceID)
	return row.operation(), err
}

// ModifyOperation reads an operation under its row's lock, lets change edit it, and writes it back. When change fails nothing is
// written.
func (s *Store) ModifyOperation(ctx context.Context, id string, change func(*domain.Operation) error) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := locked[operationRow](ctx, tx, id, "operation "+id)
		if err != nil {
			return err
		}
		o := row.operation()
		if err := change(&o); err != nil {
			return err
		}
		next := operationRowOf(o)
		next.Version = row.Version + 1
		tx.changed(domain.TopicOperation, id)
		return replace(ctx, tx, &next, id, row.Version, "operation "+id, "events")
	})
}
