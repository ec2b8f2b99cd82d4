package api

import (
	"context"

	"berth/app"
	"berth/domain"
)

// ListClusters answers GET /api/v1/clusters.
func (s *server) ListClusters(ctx context.Context, r ListClustersRequestObject) (ListClustersResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.Clusters.List(ctx, actor, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListClusters200JSONResponse{Items: convert(found.Items, clusterJSON), Next: optional(found.Next)}, nil
}

// CreateCluster answers POST /api/v1/clusters.
func (s *server) CreateCluster(ctx context.Context, r CreateClusterRequestObject) (CreateClusterResponseObject, error) {
	ctx, actor := caller(ctx)
	b := r.Body
	cluster, findings, err := s.app.Clusters.Create(ctx, actor, app.ClusterInput{
		Name: value(b.Name), Endpoints: b.Endpoints, TokenID: b.TokenID, Token: domain.Secret(value(b.Token)), CA: value(b.CA),
		Insecure: value(b.Insecure), VMIDFirst: value(b.VMIDFirst), VMIDLast: value(b.VMIDLast), Realm: value(b.Realm),
	})
	if err != nil {
		return nil, withFindings(err, findings)
	}
	body := clusterJSON(cluster)
	body.Findings = optionalFindings(findings)
	return CreateCluster201JSONResponse{Body: body, Headers: CreateCluster201ResponseHeaders{ETag: etag(cluster.Version)}}, nil
}

// GetCluster answers GET /api/v1/clusters/{cluster}.
func (s *server) GetCluster(ctx context.Context, r GetClusterRequestObject) (GetClusterResponseObject, error) {
	ctx, actor := caller(ctx)
	cluster, err := s.app.Clusters.Get(ctx, actor, r.Cluster)
	if err != nil {
		return nil, err
	}
	return GetCluster200JSONResponse{clusterJSON(cluster), GetCluster200ResponseHeaders{ETag: etag(cluster.Version)}}, nil
}

// UpdateCluster answers PATCH /api/v1/clusters/{cluster}.
func (s *server) UpdateCluster(ctx context.Context, r UpdateClusterRequestObject) (UpdateClusterResponseObject, error) {
	ctx, actor := caller(ctx)
	b := r.Body
	cluster, err := s.app.Clusters.Update(ctx, actor, r.Cluster, app.ClusterPatch{
		Name: b.Name, Endpoints: b.Endpoints, TokenID: b.TokenID, Token: (*domain.Secret)(b.Token), CA: b.CA,
		Insecure: b.Insecure, VMIDFirst: b.VMIDFirst, VMIDLast: b.VMIDLast, Realm: b.Realm,
	}, ifMatch(r.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	return UpdateCluster200JSONResponse{clusterJSON(cluster), UpdateCluster200ResponseHeaders{ETag: etag(cluster.Version)}}, nil
}

// DeleteCluster answers DELETE /api/v1/clusters/{cluster}.
func (s *server) DeleteCluster(ctx context.Context, r DeleteClusterRequestObject) (DeleteClusterResponseObject, error) {
	ctx, actor := caller(ctx)
	if err := s.app.Clusters.Delete(ctx, actor, r.Cluster, ifMatch(r.Params.IfMatch)); err != nil {
		return nil, err
	}
	return DeleteCluster204Response{}, nil
}

// ListClusterGuests answers GET /api/v1/clusters/{cluster}/guests.
func (s *server) ListClusterGuests(ctx context.Context, r ListClusterGuestsRequestObject) (ListClusterGuestsResponseObject, error) {
	ctx, actor := caller(ctx)
	guests, err := s.app.Clusters.Guests(ctx, actor, r.Cluster)
	if err != nil {
		return nil, err
	}
	return ListClusterGuests200JSONResponse{Items: convert(guests, func(g app.RemoteGuest) Guest {
		return Guest{VMID: g.VMID, Name: optional(g.Name), Node: g.Node, Running: g.Running}
	})}, nil
}

func clusterJSON(c domain.Cluster) Cluster {
	return Cluster{
		ID: c.ID, Name: c.Name, State: ClusterState(c.State), Message: optional(c.Message), Endpoints: list(c.Endpoints),
		TokenID: c.TokenID, CA: optional(c.CA), Insecure: c.Insecure, VMIDFirst: c.VMIDFirst, VMIDLast: c.VMIDLast,
		Realm: optional(c.Realm), PVE: optional(c.PVE), Quorate: c.Quorate, SeenAt: moment(c.SeenAt),
		CreatedAt: c.CreatedAt.UTC(), Version: c.Version,
	}
}
