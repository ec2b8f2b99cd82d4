package api

import (
	"context"

	"berth/app"
	"berth/domain"
)

// ListExternalDomains answers GET /api/v1/external-domains.
func (s *server) ListExternalDomains(ctx context.Context, r ListExternalDomainsRequestObject) (ListExternalDomainsResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.ExternalDomains.List(ctx, actor, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListExternalDomains200JSONResponse{Items: convert(found.Items, externalDomainJSON), Next: optional(found.Next)}, nil
}

// CreateExternalDomain answers POST /api/v1/external-domains.
func (s *server) CreateExternalDomain(ctx context.Context, r CreateExternalDomainRequestObject) (CreateExternalDomainResponseObject, error) {
	ctx, actor := caller(ctx)
	made, err := s.app.ExternalDomains.Create(ctx, actor, app.ExternalDomainInput{
		Name: r.Body.Name, Site: value(r.Body.Site), AuthServer: value(r.Body.AuthServer), ACMEAccounts: value(r.Body.AcmeAccounts),
		DNS: value(dnsProvider(r.Body.DNS)), RecordsForAll: value(r.Body.RecordsForAll),
	})
	if err != nil {
		return nil, err
	}
	return CreateExternalDomain201JSONResponse{
		externalDomainJSON(made), CreateExternalDomain201ResponseHeaders{ETag: etag(made.Version)},
	}, nil
}

// GetExternalDomain answers GET /api/v1/external-domains/{externalDomain}.
func (s *server) GetExternalDomain(ctx context.Context, r GetExternalDomainRequestObject) (GetExternalDomainResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.ExternalDomains.Get(ctx, actor, r.ExternalDomain)
	if err != nil {
		return nil, err
	}
	return GetExternalDomain200JSONResponse{
		externalDomainJSON(found), GetExternalDomain200ResponseHeaders{ETag: etag(found.Version)},
	}, nil
}

// UpdateExternalDomain answers PATCH /api/v1/external-domains/{externalDomain}.
func (s *server) UpdateExternalDomain(ctx context.Context, r UpdateExternalDomainRequestObject) (UpdateExternalDomainResponseObject, error) {
	ctx, actor := caller(ctx)
	changed, err := s.app.ExternalDomains.Update(ctx, actor, r.ExternalDomain, app.ExternalDomainPatch{
		Site: r.Body.Site, AuthServer: r.Body.AuthServer, ACMEAccounts: r.Body.AcmeAccounts,
		DNS: dnsProvider(r.Body.DNS), RecordsForAll: r.Body.RecordsForAll,
	}, ifMatch(r.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	return UpdateExternalDomain200JSONResponse{
		externalDomainJSON(changed), UpdateExternalDomain200ResponseHeaders{ETag: etag(changed.Version)},
	}, nil
}

// DeleteExternalDomain answers DELETE /api/v1/external-domains/{externalDomain}.
func (s *server) DeleteExternalDomain(ctx context.Context, r DeleteExternalDomainRequestObject) (DeleteExternalDomainResponseObject, error) {
	ctx, actor := caller(ctx)
	if err := s.app.ExternalDomains.Delete(ctx, actor, r.ExternalDomain, ifMatch(r.Params.IfMatch)); err != nil {
		return nil, err
	}
	return DeleteExternalDomain204Response{}, nil
}

func externalDomainJSON(d app.ExternalDomain) ExternalDomain {
	var accounts []Ref
	for i, id := range d.ACMEAccounts {
		accounts = append(accounts, Ref{ID: id, Name: d.Accounts[i]})
	}
	return ExternalDomain{
		ID: d.ID, Name: d.Name, Site: Ref{ID: d.SiteID, Name: d.Site}, AuthServer: optional(d.AuthServer), AcmeAccounts: &accounts,
		DNS: DNSProvider{
			Provider: DNSProviderKind(d.DNS.Kind), Server: optional(d.DNS.Server), KeyName: optional(d.DNS.KeyName),
			KeyAlgorithm: optional(d.DNS.KeyAlgorithm),
		},
		RecordsForAll: d.RecordsForAll, CreatedAt: d.CreatedAt.UTC(), Version: d.Version,
	}
}

func dnsProvider(in *DNSProviderInput) *domain.DNSProvider {
	if in == nil {
		return nil
	}
	return &domain.DNSProvider{
		Kind: domain.DNSProviderKind(in.Provider), Server: value(in.Server), KeyName: value(in.KeyName), KeyAlgorithm: value(in.KeyAlgorithm),
		Secret: domain.Secret(value(in.Secret)),
	}
}
