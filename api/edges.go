package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"berth/domain"
)

// ListEdges answers GET /api/v1/edges.
func (s *server) ListEdges(ctx context.Context, r ListEdgesRequestObject) (ListEdgesResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.Edges.List(ctx, actor, value(r.Params.Site), page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	names := s.namesFor(actor)
	items := convert(found.Items, func(e domain.Edge) Edge { return edgeJSON(e, names.siteRef(ctx, e.SiteID)) })
	return ListEdges200JSONResponse{Items: items, Next: optional(found.Next)}, nil
}

// EnrollEdge answers POST /api/v1/edges.
func (s *server) EnrollEdge(ctx context.Context, r EnrollEdgeRequestObject) (EnrollEdgeResponseObject, error) {
	ctx, actor := caller(ctx)
	edge, token, err := s.app.Edges.Enroll(ctx, actor, r.Body.Site, r.Body.Name)
	if err != nil {
		return nil, err
	}
	e := edgeJSON(edge, s.namesFor(actor).siteRef(ctx, edge.SiteID))
	return EnrollEdge201JSONResponse{
		ID: e.ID, Name: e.Name, State: EnrolledEdgeState(e.State), Site: e.Site, Versions: e.Versions, Leases: e.Leases,
		CreatedAt: e.CreatedAt, Version: e.Version, Token: token.Reveal(),
	}, nil
}

// GetEdge answers GET /api/v1/edges/{edge}.
func (s *server) GetEdge(ctx context.Context, r GetEdgeRequestObject) (GetEdgeResponseObject, error) {
	ctx, actor := caller(ctx)
	edge, err := s.app.Edges.Get(ctx, actor, r.Edge)
	if err != nil {
		return nil, err
	}
	return GetEdge200JSONResponse(edgeJSON(edge, s.namesFor(actor).siteRef(ctx, edge.SiteID))), nil
}

// RetireEdge answers POST /api/v1/edges/{edge}/retire.
func (s *server) RetireEdge(ctx context.Context, r RetireEdgeRequestObject) (RetireEdgeResponseObject, error) {
	ctx, actor := caller(ctx)
	edge, err := s.app.Edges.Retire(ctx, actor, r.Edge)
	if err != nil {
		return nil, err
	}
	return RetireEdge200JSONResponse(edgeJSON(edge, s.namesFor(actor).siteRef(ctx, edge.SiteID))), nil
}

// DeleteEdge answers DELETE /api/v1/edges/{edge}.
func (s *server) DeleteEdge(ctx context.Context, r DeleteEdgeRequestObject) (DeleteEdgeResponseObject, error) {
	ctx, actor := caller(ctx)
	if err := s.app.Edges.Delete(ctx, actor, r.Edge, 0); err != nil {
		return nil, err
	}
	return DeleteEdge204Response{}, nil
}

// GetEdgeSnapshot answers GET /api/v1/edge/snapshot.
func (s *server) GetEdgeSnapshot(ctx context.Context, r GetEdgeSnapshotRequestObject) (GetEdgeSnapshotResponseObject, error) {
	ctx, actor := caller(ctx)
	wait := time.Duration(value(r.Params.Wait)) * time.Second
	snapshot, tag, changed, err := s.app.Edges.Snapshot(ctx, actor, value(r.Params.IfNoneMatch), wait)
	if err != nil {
		return nil, err
	}
	if !changed {
		return GetEdgeSnapshot304Response{GetEdgeSnapshot304ResponseHeaders{ETag: &tag}}, nil
	}
	return snapshotAnswer{snapshot, tag}, nil
}

// snapshotAnswer writes the domain's snapshot as it is: its JSON names are those of the contract.
type snapshotAnswer struct {
	snapshot domain.Snapshot
	tag      string
}

// VisitGetEdgeSnapshotResponse writes the snapshot and its entity tag.
func (a snapshotAnswer) VisitGetEdgeSnapshotResponse(w http.ResponseWriter) error {
	body, err := json.Marshal(a.snapshot)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", a.tag)
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(body)
	return err
}

// PostEdgeReport answers POST /api/v1/edge/report.
func (s *server) PostEdgeReport(ctx context.Context, r PostEdgeReportRequestObject) (PostEdgeReportResponseObject, error) {
	ctx, actor := caller(ctx)
	b := r.Body
	report := domain.EdgeReport{
		Address: value(b.Address), Fetched: b.Fetched, Applied: b.Applied, Message: value(b.Message), Versions: value(b.Versions),
		Reloads: b.Reloads, Leases: convert(value(b.Leases), func(l Lease) domain.Lease {
			return domain.Lease{Address: l.Address, MAC: l.MAC, Hostname: value(l.Hostname), Expires: l.Expires}
		}),
		LeftOut: convert(value(b.LeftOut), func(l LeftOut) domain.LeftOut {
			return domain.LeftOut{ServiceID: l.ServiceID, Reason: l.Reason}
		}),
	}
	if err := s.app.Edges.Report(ctx, actor, report); err != nil {
		return nil, err
	}
	return PostEdgeReport204Response{}, nil
}

func edgeJSON(e domain.Edge, site Ref) Edge {
	versions := e.Versions
	if versions == nil {
		versions = map[string]string{}
	}
	return Edge{
		ID: e.ID, Name: e.Name, State: EdgeState(e.State), Site: site, Address: optional(e.Address), Applied: e.Applied,
		Fetched: e.Fetched, Message: optional(e.Message), Versions: versions, Reloads: e.Reloads,
		Leases: convert(e.Leases, func(l domain.Lease) Lease {
			return Lease{Address: l.Address, MAC: l.MAC, Hostname: optional(l.Hostname), Expires: l.Expires}
		}),
		SeenAt: moment(e.SeenAt), AppliedAt: moment(e.AppliedAt), CreatedAt: e.CreatedAt.UTC(), Version: e.Version,
	}
}
