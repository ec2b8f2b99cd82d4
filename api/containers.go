package api

import (
	"context"
	"maps"
	"slices"
	"time"

	"berth/app"
	"berth/domain"
)

// ListContainers answers GET /api/v1/containers.
func (s *server) ListContainers(ctx context.Context, r ListContainersRequestObject) (ListContainersResponseObject, error) {
	ctx, actor := caller(ctx)
	p := r.Params
	filter := app.ContainerFilter{
		Site: value(p.Site), Node: value(p.Node), Owner: value(p.Owner), Name: value(p.Name),
		State: domain.ContainerState(value(p.State)),
	}
	found, err := s.app.Containers.List(ctx, actor, filter, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	names := s.namesFor(actor)
	items := convert(found.Items, func(c domain.Container) Container { return containerJSON(ctx, c, names) })
	return ListContainers200JSONResponse{Items: items, Next: optional(found.Next)}, nil
}

// CreateContainer answers POST /api/v1/containers.
func (s *server) CreateContainer(ctx context.Context, r CreateContainerRequestObject) (CreateContainerResponseObject, error) {
	ctx, actor := caller(ctx)
	b := r.Body
	container, operation, err := s.app.Containers.Create(ctx, actor, app.ContainerInput{
		Name: b.Name, Site: value(b.Site), Owner: value(b.Owner), Spec: specOf(b), Node: value(b.Node),
		Services: convert(value(b.Services), specOfService),
	}, value(r.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return CreateContainer202JSONResponse{s.accepted(ctx, actor, container, &operation)}, nil
}

// ImportContainer answers POST /api/v1/containers/import.
func (s *server) ImportContainer(ctx context.Context, r ImportContainerRequestObject) (ImportContainerResponseObject, error) {
	ctx, actor := caller(ctx)
	b := r.Body
	container, operation, err := s.app.Containers.Import(ctx, actor, app.ImportInput{
		Site: value(b.Site), Node: b.Node, VMID: b.VMID, Owner: value(b.Owner), Name: value(b.Name),
	}, value(r.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return ImportContainer202JSONResponse{s.accepted(ctx, actor, container, &operation)}, nil
}

// GetContainer answers GET /api/v1/containers/{container}.
func (s *server) GetContainer(ctx context.Context, r GetContainerRequestObject) (GetContainerResponseObject, error) {
	ctx, actor := caller(ctx)
	container, err := s.app.Containers.Get(ctx, actor, r.Container, value(r.Params.Site))
	if err != nil {
		return nil, err
	}
	return GetContainer200JSONResponse{
		containerJSON(ctx, container, s.namesFor(actor)), GetContainer200ResponseHeaders{ETag: etag(container.Version)},
	}, nil
}

// UpdateContainer answers PATCH /api/v1/containers/{container}.
func (s *server) UpdateContainer(ctx context.Context, r UpdateContainerRequestObject) (UpdateContainerResponseObject, error) {
	ctx, actor := caller(ctx)
	b := r.Body
	container, operation, err := s.app.Containers.Update(ctx, actor, r.Container, value(r.Params.Site), app.ContainerPatch{
		Name: b.Name, Cores: b.Cores, MemoryMiB: b.MemoryMiB, SwapMiB: b.SwapMiB, DiskGiB: b.DiskGiB, Env: value(b.Env),
		Entrypoint: b.Entrypoint, Restart: value(b.Restart),
	}, ifMatch(r.Params.IfMatch), value(r.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	answer := s.accepted(ctx, actor, container, operation)
	if operation == nil {
		return UpdateContainer200JSONResponse{answer.Body, UpdateContainer200ResponseHeaders{ETag: etag(container.Version)}}, nil
	}
	return UpdateContainer202JSONResponse{answer}, nil
}

// DeleteContainer answers DELETE /api/v1/containers/{container}.
func (s *server) DeleteContainer(ctx context.Context, r DeleteContainerRequestObject) (DeleteContainerResponseObject, error) {
	ctx, actor := caller(ctx)
	p := r.Params
	operation, err := s.app.Containers.Delete(ctx, actor, r.Container, value(p.Site), value(p.Forget), value(p.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return DeleteContainer202JSONResponse{started(operation)}, nil
}

// PowerContainer answers POST /api/v1/containers/{container}/power.
func (s *server) PowerContainer(ctx context.Context, r PowerContainerRequestObject) (PowerContainerResponseObject, error) {
	ctx, actor := caller(ctx)
	operation, err := s.app.Containers.Power(ctx, actor, r.Container, value(r.Params.Site), app.PowerInput{
		Action:  domain.PowerAction(r.Body.Action),
		Timeout: time.Duration(value(r.Body.TimeoutSeconds)) * time.Second,
		Force:   value(r.Body.Force),
	}, value(r.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return PowerContainer202JSONResponse{started(operation)}, nil
}

// RetryContainer answers POST /api/v1/containers/{container}/retry.
func (s *server) RetryContainer(ctx context.Context, r RetryContainerRequestObject) (RetryContainerResponseObject, error) {
	ctx, actor := caller(ctx)
	operation, err := s.app.Containers.Retry(ctx, actor, r.Container, value(r.Params.Site), value(r.Params.IdempotencyKey))
	if err != nil {
		return nil, err
	}
	return RetryContainer202JSONResponse{started(operation)}, nil
}

// accepted is the answer to whatever starts a workflow and gives a container; operation is nil when nothing had to be done.
func (s *server) accepted(ctx context.Context, actor domain.Actor, c domain.Container, o *domain.Operation) ContainerAcceptedJSONResponse {
	answer := ContainerAcceptedJSONResponse{Body: AcceptedContainer{Container: containerJSON(ctx, c, s.namesFor(actor))}}
	if o != nil {
		operation := operationJSON(*o)
		answer.Body.Operation = &operation
		answer.Headers.Location = operationPath(o.ID)
	}
	return answer
}

func containerJSON(ctx context.Context, c domain.Container, names *names) Container {
	site := names.site(ctx, c.SiteID)
	out := Container{
		ID: c.ID, Name: c.Name, State: ContainerState(c.State), Power: Power(c.Power), WantPower: Power(c.WantPower),
		Message: optional(c.Message), Site: Ref{ID: site.ID, Name: site.Name}, Owner: c.Owner, Image: c.Spec.Image,
		Digest: optional(c.Digest), Cores: c.Spec.Cores, MemoryMiB: c.Spec.MemoryMiB, SwapMiB: c.Spec.SwapMiB,
		DiskGiB: c.Spec.DiskGiB, EnvKeys: list(slices.Sorted(maps.Keys(c.Spec.Env))), Entrypoint: optional(c.Spec.Entrypoint),
		Address: optional(c.Address), MAC: optional(c.MAC), Unmanaged: c.Unmanaged, VMID: optional(c.Placement.VMID),
		PlacementReason: optional(c.Placement.Reason), Operation: optional(c.Operation), CreatedAt: c.CreatedAt.UTC(),
		ReadyAt: moment(c.ReadyAt), Version: c.Version,
	}
	if site.Domain != "" {
		out.FQDN = optional(c.Name + "." + site.Domain)
	}
	if c.Placement.NodeID != "" {
		out.Node = &Ref{ID: c.Placement.NodeID, Name: c.Placement.Node}
	}
	return out
}
