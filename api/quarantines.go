package api

import (
	"cmp"
	"context"

	"berth/domain"
)

// ListQuarantines answers GET /api/v1/quarantines.
func (s *server) ListQuarantines(ctx context.Context, _ ListQuarantinesRequestObject) (ListQuarantinesResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.Quarantines.List(ctx, actor)
	if err != nil {
		return nil, err
	}
	names := s.namesFor(actor)
	return ListQuarantines200JSONResponse{Items: convert(found, func(q domain.Quarantine) Quarantine {
		return quarantineJSON(ctx, q, names)
	})}, nil
}

// ReleaseQuarantine answers POST /api/v1/quarantines/{quarantine}/release.
func (s *server) ReleaseQuarantine(ctx context.Context, r ReleaseQuarantineRequestObject) (ReleaseQuarantineResponseObject, error) {
	ctx, actor := caller(ctx)
	released, err := s.app.Quarantines.Release(ctx, actor, r.Quarantine, r.Body != nil && value(r.Body.Force))
	if err != nil {
		return nil, err
	}
	body := quarantineJSON(ctx, released, s.namesFor(actor))
	body.State = QuarantineStateReleased
	return ReleaseQuarantine200JSONResponse(body), nil
}

func quarantineJSON(ctx context.Context, q domain.Quarantine, names *names) Quarantine {
	out := Quarantine{
		ID: q.ID, Name: cmp.Or(q.Container, q.ContainerID), State: QuarantineStateQuarantined, ContainerID: q.ContainerID,
		Operation: optional(string(q.Kind)), Addresses: list(q.Addresses), Node: optional(q.Node), VMID: optional(q.VMID),
		Reason: q.Reason, Since: q.Since.UTC(),
	}
	if q.SiteID != "" {
		out.Site = optional(names.siteRef(ctx, q.SiteID))
	}
	if q.ClusterID != "" {
		out.Cluster = optional(names.cluster(ctx, q.ClusterID))
	}
	return out
}
