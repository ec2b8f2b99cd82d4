package api

import (
	"context"

	"berth/app"
	"berth/domain"
)

// ListAudit answers GET /api/v1/audit.
func (s *server) ListAudit(ctx context.Context, r ListAuditRequestObject) (ListAuditResponseObject, error) {
	ctx, actor := caller(ctx)
	p := r.Params
	filter := app.AuditFilter{
		Actor: value(p.Actor), Action: value(p.Action), Resource: value(p.Resource), ResourceID: value(p.ResourceID),
		Outcome: value(p.Outcome), Since: value(p.Since),
	}
	found, err := s.app.Audit.List(ctx, actor, filter, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return ListAudit200JSONResponse{Items: convert(found.Items, auditJSON), Next: optional(found.Next)}, nil
}

func auditJSON(e domain.AuditEntry) AuditEntry {
	return AuditEntry{
		ID: e.ID, Time: e.Time.UTC(), Actor: e.Actor, Source: optional(e.Source), Action: e.Action, Resource: optional(e.Resource),
		ResourceID: optional(e.ResourceID), Name: optional(e.Name), Outcome: e.Outcome, Detail: optional(e.Detail),
	}
}
