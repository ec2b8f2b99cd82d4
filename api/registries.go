package api

import (
	"context"

	"berth/app"
	"berth/domain"
)

// ListRegistries answers GET /api/v1/registries.
func (s *server) ListRegistries(ctx context.Context, r ListRegistriesRequestObject) (ListRegistriesResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.Registries.List(ctx, actor, page(r.Params.Limit, r.Params.Cursor))
	if err != nil {
		return nil, err
	}
	return ListRegistries200JSONResponse{Items: convert(found.Items, registryJSON), Next: optional(found.Next)}, nil
}

// CreateRegistry answers POST /api/v1/registries.
func (s *server) CreateRegistry(ctx context.Context, r CreateRegistryRequestObject) (CreateRegistryResponseObject, error) {
	ctx, actor := caller(ctx)
	made, err := s.app.Registries.Create(ctx, actor, app.RegistryInput{
		Host: r.Body.Host, Username: r.Body.Username, Password: domain.Secret(value(r.Body.Password)),
	})
	if err != nil {
		return nil, err
	}
	return CreateRegistry201JSONResponse{registryJSON(made), CreateRegistry201ResponseHeaders{ETag: etag(made.Version)}}, nil
}

// GetRegistry answers GET /api/v1/registries/{registry}.
func (s *server) GetRegistry(ctx context.Context, r GetRegistryRequestObject) (GetRegistryResponseObject, error) {
	ctx, actor := caller(ctx)
	found, err := s.app.Registries.Get(ctx, actor, r.Registry)
	if err != nil {
		return nil, err
	}
	return GetRegistry200JSONResponse{registryJSON(found), GetRegistry200ResponseHeaders{ETag: etag(found.Version)}}, nil
}

// UpdateRegistry answers PATCH /api/v1/registries/{registry}.
func (s *server) UpdateRegistry(ctx context.Context, r UpdateRegistryRequestObject) (UpdateRegistryResponseObject, error) {
	ctx, actor := caller(ctx)
	changed, err := s.app.Registries.Update(ctx, actor, r.Registry, app.RegistryPatch{
		Username: r.Body.Username, Password: (*domain.Secret)(r.Body.Password),
	}, ifMatch(r.Params.IfMatch))
	if err != nil {
		return nil, err
	}
	return UpdateRegistry200JSONResponse{registryJSON(changed), UpdateRegistry200ResponseHeaders{ETag: etag(changed.Version)}}, nil
}

// DeleteRegistry answers DELETE /api/v1/registries/{registry}.
func (s *server) DeleteRegistry(ctx context.Context, r DeleteRegistryRequestObject) (DeleteRegistryResponseObject, error) {
	ctx, actor := caller(ctx)
	if err := s.app.Registries.Delete(ctx, actor, r.Registry, ifMatch(r.Params.IfMatch)); err != nil {
		return nil, err
	}
	return DeleteRegistry204Response{}, nil
}

func registryJSON(r domain.Registry) Registry {
	return Registry{ID: r.ID, Host: r.Host, Username: r.Username, CreatedAt: r.CreatedAt, Version: r.Version}
}
