package api

import (
	"context"
	"time"

	"berth/app"
	"berth/domain"
)

// ListTokens answers GET /api/v1/tokens.
func (s *server) ListTokens(ctx context.Context, r ListTokensRequestObject) (ListTokensResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.Tokens.List(ctx, actor, value(r.Params.Owner), page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	now := s.now()
	items := convert(found.Items, func(t domain.Token) Token { return tokenJSON(t, now) })
	return ListTokens200JSONResponse{Items: items, Next: optional(found.Next)}, nil
}

// CreateToken answers POST /api/v1/tokens.
func (s *server) CreateToken(ctx context.Context, r CreateTokenRequestObject) (CreateTokenResponseObject, error) {
	ctx, actor := caller(ctx)
	token, secret, err := s.app.Tokens.Create(ctx, actor, app.TokenInput{
		Name: r.Body.Name, Owner: value(r.Body.Owner), ExpiresAt: value(r.Body.ExpiresAt),
		Scopes: convert(r.Body.Scopes, func(scope TokenCreateScopes) domain.Scope { return domain.Scope(scope) }),
	})
	if err != nil {
		return nil, err
	}
	t := tokenJSON(token, s.now())
	return CreateToken201JSONResponse{
		ID: t.ID, Name: t.Name, State: CreatedTokenState(t.State), Owner: t.Owner, Scopes: t.Scopes, EdgeID: t.EdgeID,
		ExpiresAt: t.ExpiresAt, LastUsedAt: t.LastUsedAt, CreatedAt: t.CreatedAt, Secret: secret.Reveal(),
	}, nil
}

// DeleteToken answers DELETE /api/v1/tokens/{token}.
func (s *server) DeleteToken(ctx context.Context, r DeleteTokenRequestObject) (DeleteTokenResponseObject, error) {
	ctx, actor := caller(ctx)
	if err := s.app.Tokens.Delete(ctx, actor, r.Token); err != nil {
		return nil, err
	}
	return DeleteToken204Response{}, nil
}

func tokenJSON(t domain.Token, now time.Time) Token {
	state := TokenStateActive
	if !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) {
		state = TokenStateExpired
	}
	return Token{
		ID: t.ID, Name: t.Name, State: state, Owner: t.Owner, EdgeID: optional(t.EdgeID), ExpiresAt: moment(t.ExpiresAt),
		Scopes:     convert(t.Scopes, func(scope domain.Scope) Scope { return Scope(scope) }),
		LastUsedAt: moment(t.LastUsedAt), CreatedAt: t.CreatedAt.UTC(),
	}
}

// ListUsers answers GET /api/v1/users.
func (s *server) ListUsers(ctx context.Context, r ListUsersRequestObject) (ListUsersResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.Users.List(ctx, actor, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListUsers200JSONResponse{Items: convert(found.Items, userJSON), Next: optional(found.Next)}, nil
}

// GetUser answers GET /api/v1/users/{user}.
func (s *server) GetUser(ctx context.Context, r GetUserRequestObject) (GetUserResponseObject, error) {
	ctx, actor := caller(ctx)
	user, err := s.app.Users.Get(ctx, actor, r.User)
	if err != nil {
		return nil, err
	}
	return GetUser200JSONResponse(userJSON(user)), nil
}

// CreateUser answers POST /api/v1/users.
func (s *server) CreateUser(ctx context.Context, r CreateUserRequestObject) (CreateUserResponseObject, error) {
	ctx, actor := caller(ctx)
	user, err := s.app.Users.Create(ctx, actor, app.UserInput{Name: r.Body.Name, Admin: value(r.Body.Admin)})
	if err != nil {
		return nil, err
	}
	return CreateUser201JSONResponse(userJSON(user)), nil
}

func userJSON(u domain.User) User {
	return User{ID: u.ID, Name: u.Name, Admin: u.Admin, CreatedAt: u.CreatedAt.UTC()}
}
