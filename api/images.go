package api

import (
	"context"

	"berth/app"
	"berth/domain"
)

// ListImages answers GET /api/v1/images.
func (s *server) ListImages(ctx context.Context, _ ListImagesRequestObject) (ListImagesResponseObject, error) {
	ctx, actor := caller(ctx)
	images, err := s.app.Images.List(ctx, actor)
	if err != nil {
		return nil, err
	}
	return ListImages200JSONResponse{Items: convert(images, imageJSON)}, nil
}

// AddImage answers POST /api/v1/images.
func (s *server) AddImage(ctx context.Context, r AddImageRequestObject) (AddImageResponseObject, error) {
	ctx, actor := caller(ctx)
	image, err := s.app.Images.Add(ctx, actor, app.ImageInput{
		Name: r.Body.Name, Reference: r.Body.Reference, Description: value(r.Body.Description),
	})
	if err != nil {
		return nil, err
	}
	return AddImage201JSONResponse(imageJSON(image)), nil
}

// RemoveImage answers DELETE /api/v1/images/{image}.
func (s *server) RemoveImage(ctx context.Context, r RemoveImageRequestObject) (RemoveImageResponseObject, error) {
	ctx, actor := caller(ctx)
	if err := s.app.Images.Remove(ctx, actor, r.Image); err != nil {
		return nil, err
	}
	return RemoveImage204Response{}, nil
}

// InspectImage answers GET /api/v1/images/inspect.
func (s *server) InspectImage(ctx context.Context, r InspectImageRequestObject) (InspectImageResponseObject, error) {
	ctx, actor := caller(ctx)
	info, err := s.app.Images.Inspect(ctx, actor, r.Params.Reference)
	if err != nil {
		return nil, err
	}
	labels := info.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return InspectImage200JSONResponse{
		Reference: info.Reference, Digest: info.Digest, Platform: info.Platform, Size: info.Size, Layers: info.Layers,
		Entrypoint: list(info.Entrypoint), Env: list(info.Env), Ports: list(info.Ports), Labels: labels,
	}, nil
}

func imageJSON(i domain.CatalogueImage) Image {
	return Image{ID: i.ID, Name: i.Name, Reference: i.Reference, Description: optional(i.Description)}
}
