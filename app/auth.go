package app

import (
	"context"
	"strings"

	"berth/domain"
)

// Auth tells who makes a request.
type Auth struct{ *core }

// Bearer returns the token in an Authorization header; found says that the header is one for tokens.
func Bearer(header string) (token string, found bool) {
	scheme, token, ok := strings.Cut(header, " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// longestToken bounds what is hashed for a stranger.
const longestToken = 256

// Authenticate returns the actor whom a bearer token stands for; source is the caller's address. What is wrong with a token is
// not told, except that it expired, which only its owner can find out.
func (s *Auth) Authenticate(ctx context.Context, bearer, source string) (domain.Actor, error) {
	refused := domain.Errorf(domain.Unauthenticated, "the token is not valid")
	if !strings.HasPrefix(bearer, tokenPrefix) || len(bearer) > longestToken {
		return domain.Actor{}, refused
	}
	// Only the hash meets the database's index, so the time of the lookup tells nothing about any token.
	t, err := s.Store.TokenByHash(ctx, hashed(bearer))
	if domain.Is(err, domain.NotFound) {
		return domain.Actor{}, refused
	}
	if err != nil {
		return domain.Actor{}, err
	}
	if !t.ExpiresAt.IsZero() && !s.Now().Before(t.ExpiresAt) {
		return domain.Actor{}, domain.Errorf(domain.Unauthenticated, "the token expired at %s",
			t.ExpiresAt.UTC().Format("2006-01-02 15:04 MST"))
	}
	actor := domain.Actor{User: t.Owner, TokenID: t.ID, Token: t.Name, EdgeID: t.EdgeID, Scopes: t.Scopes, Source: source}
	if t.EdgeID == "" {
		u, err := s.Store.User(ctx, t.Owner)
		if domain.Is(err, domain.NotFound) {
			return domain.Actor{}, refused
		}
		if err != nil {
			return domain.Actor{}, err
		}
		actor.Admin = u.Admin && actor.Has(domain.ScopeAdmin)
	}
	if err := s.Store.TouchToken(ctx, t); err != nil {
		s.Logger.WarnContext(ctx, "last use of a token not recorded", "token", t.ID, "error", err)
	}
	return actor, nil
}
