package api

import (
	"context"

	"berth/app"
	"berth/domain"
)

// everybody is how paths write the quota of those who have none of their own; its user name is empty.
const everybody = "default"

func quotaUser(path string) string {
	if path == everybody {
		return ""
	}
	return path
}

// ListQuotas answers GET /api/v1/quotas.
func (s *server) ListQuotas(ctx context.Context, _ ListQuotasRequestObject) (ListQuotasResponseObject, error) {
	ctx, actor := caller(ctx)
	quotas, err := s.app.Quotas.List(ctx, actor)
	if err != nil {
		return nil, err
	}
	return ListQuotas200JSONResponse{Items: convert(quotas, quotaJSON)}, nil
}

// GetQuota answers GET /api/v1/quotas/{user}.
func (s *server) GetQuota(ctx context.Context, r GetQuotaRequestObject) (GetQuotaResponseObject, error) {
	ctx, actor := caller(ctx)
	quota, usage, err := s.app.Quotas.Get(ctx, actor, quotaUser(r.User))
	if err != nil {
		return nil, err
	}
	body := quotaJSON(quota)
	if r.User != everybody {
		body.ID, body.Name = r.User, r.User // also when it is everybody's that holds
		body.Usage = &Usage{
			Containers: usage.Containers, Cores: usage.Cores, MemoryMiB: usage.MemoryMiB, DiskGiB: usage.DiskGiB,
		}
	}
	return GetQuota200JSONResponse(body), nil
}

// SetQuota answers PUT /api/v1/quotas/{user}.
func (s *server) SetQuota(ctx context.Context, r SetQuotaRequestObject) (SetQuotaResponseObject, error) {
	ctx, actor := caller(ctx)
	quota, err := s.app.Quotas.Set(ctx, actor, quotaUser(r.User), app.QuotaInput{
		Containers: r.Body.Containers, Cores: r.Body.Cores, MemoryMiB: r.Body.MemoryMiB, DiskGiB: r.Body.DiskGiB,
	})
	if err != nil {
		return nil, err
	}
	return SetQuota200JSONResponse(quotaJSON(quota)), nil
}

// DeleteQuota answers DELETE /api/v1/quotas/{user}.
func (s *server) DeleteQuota(ctx context.Context, r DeleteQuotaRequestObject) (DeleteQuotaResponseObject, error) {
	ctx, actor := caller(ctx)
	if err := s.app.Quotas.Delete(ctx, actor, quotaUser(r.User)); err != nil {
		return nil, err
	}
	return DeleteQuota204Response{}, nil
}

func quotaJSON(q domain.Quota) Quota {
	name := q.User
	if name == "" {
		name = everybody
	}
	return Quota{
		ID: name, Name: name, Containers: q.Containers, Cores: q.Cores, MemoryMiB: q.MemoryMiB, DiskGiB: q.DiskGiB, Version: q.Version,
	}
}
