package api

import (
	"context"
	"time"

	"berth/app"
	"berth/domain"
)

// ListSites answers GET /api/v1/sites.
func (s *server) ListSites(ctx context.Context, r ListSitesRequestObject) (ListSitesResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.Sites.List(ctx, actor, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListSites200JSONResponse{Items: convert(found.Items, siteJSON), Next: optional(found.Next)}, nil
}

// CreateSite answers POST /api/v1/sites.
func (s *server) CreateSite(ctx context.Context, r CreateSiteRequestObject) (CreateSiteResponseObject, error) {
	ctx, actor := caller(ctx)
	b := r.Body
	lease, err := durationOf("leaseTime", b.LeaseTime)
	if err != nil {
		return nil, err
	}
	site, err := s.app.Sites.Create(ctx, actor, app.SiteInput{
		Name: b.Name, Domain: b.Domain, CIDR: b.CIDR, Gateway: b.Gateway, RangeFirst: b.RangeFirst, RangeLast: b.RangeLast,
		DynamicFirst: value(b.DynamicFirst), DynamicLast: value(b.DynamicLast), Nameservers: list(value(b.Nameservers)),
		Forwarders: list(value(b.Forwarders)), LeaseTime: lease,
		PortFirst: value(b.PortFirst), PortLast: value(b.PortLast), PublicAddresses: value(b.PublicAddresses),
	})
	if err != nil {
		return nil, err
	}
	return CreateSite201JSONResponse{siteJSON(site), CreateSite201ResponseHeaders{ETag: etag(site.Version)}}, nil
}

// GetSite answers GET /api/v1/sites/{site}.
func (s *server) GetSite(ctx context.Context, r GetSiteRequestObject) (GetSiteResponseObject, error) {
	ctx, actor := caller(ctx)
	site, err := s.app.Sites.Get(ctx, actor, r.Site)
	if err != nil {
		return nil, err
	}
	return GetSite200JSONResponse{siteJSON(site), GetSite200ResponseHeaders{ETag: etag(site.Version)}}, nil
}

// UpdateSite answers PATCH /api/v1/sites/{site}.
func (s *server) UpdateSite(ctx context.Context, r UpdateSiteRequestObject) (UpdateSiteResponseObject, error) {
	ctx, actor := caller(ctx)
	b := r.Body
	lease, err := durationOf("leaseTime", b.LeaseTime)
	if err != nil {
		return nil, err
	}
	patch := app.SitePatch{
		Name: b.Name, Domain: b.Domain, Gateway: b.Gateway, RangeFirst: b.RangeFirst, RangeLast: b.RangeLast,
		DynamicFirst: b.DynamicFirst, DynamicLast: b.DynamicLast, Nameservers: b.Nameservers, Forwarders: b.Forwarders,
		PortFirst: b.PortFirst, PortLast: b.PortLast, PublicAddresses: b.PublicAddresses,
	}
	if b.LeaseTime != nil {
		patch.LeaseTime = &lease
	}
	site, err := s.app.Sites.Update(ctx, actor, r.Site, patch, ifMatch(r.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	return UpdateSite200JSONResponse{siteJSON(site), UpdateSite200ResponseHeaders{ETag: etag(site.Version)}}, nil
}

// DeleteSite answers DELETE /api/v1/sites/{site}.
func (s *server) DeleteSite(ctx context.Context, r DeleteSiteRequestObject) (DeleteSiteResponseObject, error) {
	ctx, actor := caller(ctx)
	if err := s.app.Sites.Delete(ctx, actor, r.Site, ifMatch(r.Params.IfMatch)); err != nil {
		return nil, err
	}
	return DeleteSite204Response{}, nil
}

// GetSiteNetwork answers GET /api/v1/sites/{site}/network.
func (s *server) GetSiteNetwork(ctx context.Context, r GetSiteNetworkRequestObject) (GetSiteNetworkResponseObject, error) {
	ctx, actor := caller(ctx)
	network, err := s.app.Sites.Network(ctx, actor, r.Site)
	if err != nil {
		return nil, err
	}
	site := Ref{ID: network.Site.ID, Name: network.Site.Name}
	return GetSiteNetwork200JSONResponse{
		Desired: network.Site.Desired, Published: network.Site.Published,
		Reservations: convert(network.Reservations, reservationJSON),
		Edges:        convert(network.Edges, func(e domain.Edge) Edge { return edgeJSON(e, site) }),
	}, nil
}

func reservationJSON(r app.Reservation) Reservation {
	out := Reservation{
		Address: r.Address, State: ReservationStateHeld, MAC: optional(r.MAC), Hostname: optional(r.Hostname),
	}
	switch {
	case r.ContainerID == "":
		out.State = ReservationStateQuarantined
	case r.Releasing:
		out.State = ReservationStateReleasing
	}
	if r.ContainerID != "" {
		out.Container = &Ref{ID: r.ContainerID, Name: r.Container}
	}
	return out
}

func siteJSON(s domain.Site) Site {
	state := SiteStateCurrent
	if s.Published < s.Desired {
		state = SiteStateChanging
	}
	return Site{
		ID: s.ID, Name: s.Name, State: state, Domain: s.Domain, CIDR: s.CIDR, Gateway: s.Gateway, RangeFirst: s.RangeFirst,
		RangeLast: s.RangeLast, DynamicFirst: optional(s.DynamicFirst), DynamicLast: optional(s.DynamicLast),
		Nameservers: list(s.Nameservers), Forwarders: list(s.Forwarders), LeaseTime: s.LeaseTime.Round(time.Second).String(),
		PortFirst: s.PortFirst, PortLast: s.PortLast, PublicAddresses: list(s.PublicAddresses), Desired: s.Desired, Published: s.Published, CreatedAt: s.CreatedAt.UTC(), Version: s.Version,
	}
}
