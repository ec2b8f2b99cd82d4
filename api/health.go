package api

import (
	"context"
	"errors"

	"berth/domain"
)

// GetHealth answers GET /healthz.
func (s *server) GetHealth(context.Context, GetHealthRequestObject) (GetHealthResponseObject, error) {
	return GetHealth200JSONResponse{StatusJSONResponse{Status: "ok"}}, nil
}

// GetReadiness answers GET /readyz.
func (s *server) GetReadiness(ctx context.Context, _ GetReadinessRequestObject) (GetReadinessResponseObject, error) {
	ctx, _ = caller(ctx)
	if err := s.app.Health.Ready(ctx); err != nil {
		var known *domain.Error
		if errors.As(err, &known) && known.Kind == domain.Unavailable {
			return nil, err
		}
		// Whatever stands in the way, a probe reads 503 as "not yet" and anything else as a defect.
		return nil, domain.Errorf(domain.Unavailable, "not ready: %w", err)
	}
	return GetReadiness200JSONResponse{StatusJSONResponse{Status: "ready"}}, nil
}
