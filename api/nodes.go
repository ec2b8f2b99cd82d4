package api

import (
	"context"

	"berth/app"
	"berth/domain"
)

// ListNodes answers GET /api/v1/nodes.
func (s *server) ListNodes(ctx context.Context, r ListNodesRequestObject) (ListNodesResponseObject, error) {
	ctx, actor := caller(ctx)
	filter := app.NodeFilter{Site: value(r.Params.Site), Cluster: value(r.Params.Cluster)}
	found, err := s.app.Nodes.List(ctx, actor, filter, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	names := s.namesFor(actor)
	items := convert(found.Items, func(n domain.Node) Node { return nodeJSON(ctx, n, names) })
	return ListNodes200JSONResponse{Items: items, Next: optional(found.Next)}, nil
}

// CreateNode answers POST /api/v1/nodes.
func (s *server) CreateNode(ctx context.Context, r CreateNodeRequestObject) (CreateNodeResponseObject, error) {
	ctx, actor := caller(ctx)
	b := r.Body
	node, findings, err := s.app.Nodes.Create(ctx, actor, app.NodeInput{
		Site: b.Site, Name: value(b.Name), Cluster: value(b.Cluster), URL: value(b.URL), TokenID: value(b.TokenID),
		Token: domain.Secret(value(b.Token)), CA: value(b.CA), Insecure: value(b.Insecure),
		TemplateStorage: value(b.TemplateStorage), RootStorage: value(b.RootStorage), Bridge: value(b.Bridge),
		Address: value(b.Address), Slots: value(b.Slots),
	})
	if err != nil {
		return nil, withFindings(err, findings)
	}
	body := nodeJSON(ctx, node, s.namesFor(actor))
	body.Findings = optionalFindings(findings)
	return CreateNode201JSONResponse{body, CreateNode201ResponseHeaders{ETag: etag(node.Version)}}, nil
}

// GetNode answers GET /api/v1/nodes/{node}.
func (s *server) GetNode(ctx context.Context, r GetNodeRequestObject) (GetNodeResponseObject, error) {
	ctx, actor := caller(ctx)
	node, err := s.app.Nodes.Get(ctx, actor, r.Node)
	if err != nil {
		return nil, err
	}
	return GetNode200JSONResponse{nodeJSON(ctx, node, s.namesFor(actor)), GetNode200ResponseHeaders{ETag: etag(node.Version)}}, nil
}

// UpdateNode answers PATCH /api/v1/nodes/{node}.
func (s *server) UpdateNode(ctx context.Context, r UpdateNodeRequestObject) (UpdateNodeResponseObject, error) {
	ctx, actor := caller(ctx)
	b := r.Body
	node, err := s.app.Nodes.Update(ctx, actor, r.Node, app.NodePatch{
		TemplateStorage: b.TemplateStorage, RootStorage: b.RootStorage, Bridge: b.Bridge, Address: b.Address, Slots: b.Slots,
		Maintenance: b.Maintenance,
	}, ifMatch(r.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	return UpdateNode200JSONResponse{nodeJSON(ctx, node, s.namesFor(actor)), UpdateNode200ResponseHeaders{ETag: etag(node.Version)}}, nil
}

// DeleteNode answers DELETE /api/v1/nodes/{node}.
func (s *server) DeleteNode(ctx context.Context, r DeleteNodeRequestObject) (DeleteNodeResponseObject, error) {
	ctx, actor := caller(ctx)
	if err := s.app.Nodes.Delete(ctx, actor, r.Node, ifMatch(r.Params.IfMatch)); err != nil {
		return nil, err
	}
	return DeleteNode204Response{}, nil
}

// CheckNode answers POST /api/v1/nodes/{node}/check.
func (s *server) CheckNode(ctx context.Context, r CheckNodeRequestObject) (CheckNodeResponseObject, error) {
	ctx, actor := caller(ctx)
	findings, err := s.app.Nodes.Check(ctx, actor, r.Node)
	if err != nil {
		return nil, err
	}
	return CheckNode200JSONResponse{Items: findingsJSON(findings)}, nil
}

// ListNodeStorages answers GET /api/v1/nodes/{node}/storages.
func (s *server) ListNodeStorages(ctx context.Context, r ListNodeStoragesRequestObject) (ListNodeStoragesResponseObject, error) {
	ctx, actor := caller(ctx)
	storages, err := s.app.Nodes.Storages(ctx, actor, r.Node)
	if err != nil {
		return nil, err
	}
	return ListNodeStorages200JSONResponse{Items: convert(storages, func(d app.RemoteStorage) Storage {
		return Storage{Name: d.Name, Content: list(d.Content), Total: d.Total, Free: d.Free, Shared: d.Shared, Active: d.Active}
	})}, nil
}

func nodeJSON(ctx context.Context, n domain.Node, names *names) Node {
	return Node{
		ID: n.ID, Name: n.Name, State: NodeState(n.State), Message: optional(n.Message),
		Site: names.siteRef(ctx, n.SiteID), Cluster: names.cluster(ctx, n.ClusterID), Address: optional(n.Address),
		TemplateStorage: n.TemplateStorage, RootStorage: n.RootStorage, Bridge: n.Bridge, Cores: n.Cores,
		MemoryTotal: n.MemoryTotal, MemoryFree: n.MemoryFree, DiskTotal: n.DiskTotal, DiskFree: n.DiskFree, CPU: n.CPU,
		Slots: n.Slots, Maintenance: n.Maintenance, SeenAt: moment(n.SeenAt), CreatedAt: n.CreatedAt.UTC(), Version: n.Version,
	}
}
