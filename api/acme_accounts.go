package api

import (
	"context"

	"berth/app"
	"berth/domain"
)

// ListACMEAccounts answers GET /api/v1/acme-accounts.
func (s *server) ListACMEAccounts(ctx context.Context, r ListACMEAccountsRequestObject) (ListACMEAccountsResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.ACMEAccounts.List(ctx, actor, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListACMEAccounts200JSONResponse{Items: convert(found.Items, acmeAccountJSON), Next: optional(found.Next)}, nil
}

// CreateACMEAccount answers POST /api/v1/acme-accounts.
func (s *server) CreateACMEAccount(ctx context.Context, r CreateACMEAccountRequestObject) (CreateACMEAccountResponseObject, error) {
	ctx, actor := caller(ctx)
	made, err := s.app.ACMEAccounts.Create(ctx, actor, app.ACMEAccountInput{
		Name: r.Body.Name, Directory: r.Body.Directory, Email: value(r.Body.Email), Profile: value(r.Body.Profile), Roots: value(r.Body.Roots),
		EABKid: value(r.Body.EabKid), EABKey: domain.Secret(value(r.Body.EabKey)), TermsAgreed: r.Body.TermsAgreed,
	})
	if err != nil {
		return nil, err
	}
	return CreateACMEAccount201JSONResponse(acmeAccountJSON(made)), nil
}

// GetACMEAccount answers GET /api/v1/acme-accounts/{acmeAccount}.
func (s *server) GetACMEAccount(ctx context.Context, r GetACMEAccountRequestObject) (GetACMEAccountResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.ACMEAccounts.Get(ctx, actor, r.AcmeAccount)
	if err != nil {
		return nil, err
	}
	return GetACMEAccount200JSONResponse(acmeAccountJSON(found)), nil
}

// DeleteACMEAccount answers DELETE /api/v1/acme-accounts/{acmeAccount}.
func (s *server) DeleteACMEAccount(ctx context.Context, r DeleteACMEAccountRequestObject) (DeleteACMEAccountResponseObject, error) {
	ctx, actor := caller(ctx)
	if err := s.app.ACMEAccounts.Delete(ctx, actor, r.AcmeAccount); err != nil {
		return nil, err
	}
	return DeleteACMEAccount204Response{}, nil
}

func acmeAccountJSON(a domain.ACMEAccount) ACMEAccount {
	return ACMEAccount{
		ID: a.ID, Name: a.Name, Directory: a.Directory, Email: optional(a.Email), Profile: optional(a.Profile), EabKid: optional(a.EABKid),
		URL: optional(a.URL), BlockedUntil: moment(a.Blocked), BlockedReason: optional(a.BlockedReason), CreatedAt: a.CreatedAt.UTC(),
	}
}
