package app

import (
	"context"

	"berth/domain"
)

// SignIn lets the owner of an administrator's token into a part of Berth that is for administrators, such as Temporal's UI.
func (s *Auth) SignIn(ctx context.Context, bearer, source, part string) (domain.Actor, error) {
	actor, err := s.Administrator(ctx, bearer, source)
	if err != nil {
		return domain.Actor{}, err
	}
	return actor, s.did(ctx, s.Store, actor, attempt{action: "sign_in", resource: "web", name: part}, "")
}

// Administrator returns the administrator whom a bearer token stands for. Sessions ask each time, so that they end with the
// token, or with the administrator's rights.
func (s *Auth) Administrator(ctx context.Context, bearer, source string) (domain.Actor, error) {
	actor, err := s.Authenticate(ctx, bearer, source)
	if err != nil {
		return domain.Actor{}, err
	}
	return actor, s.read(ctx, actor, attempt{action: "sign_in", resource: "web"}, toAdminister)
}
