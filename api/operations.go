package api

import (
	"context"
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"berth/app"
	"berth/domain"
)

// ListOperations answers GET /api/v1/operations.
func (s *server) ListOperations(ctx context.Context, r ListOperationsRequestObject) (ListOperationsResponseObject, error) {
	ctx, actor := caller(ctx)
	p := r.Params
	filter := app.OperationFilter{
		Container: value(p.Container), Site: value(p.Site), Kind: domain.OperationKind(value(p.Kind)),
		State: domain.OperationState(value(p.State)), Open: value(p.Open),
	}
	found, err := s.app.Operations.List(ctx, actor, filter, page(p.Limit, p.Cursor))
	if err != nil {
		return nil, err
	}
	return ListOperations200JSONResponse{Items: convert(found.Items, operationJSON), Next: optional(found.Next)}, nil
}

// GetOperation answers GET /api/v1/operations/{operation}.
func (s *server) GetOperation(ctx context.Context, r GetOperationRequestObject) (GetOperationResponseObject, error) {
	ctx, actor := caller(ctx)
	operation, err := s.app.Operations.Get(ctx, actor, r.Operation)
	if err != nil {
		return nil, err
	}
	return GetOperation200JSONResponse(operationJSON(operation)), nil
}

// CancelOperation answers POST /api/v1/operations/{operation}/cancel.
func (s *server) CancelOperation(ctx context.Context, r CancelOperationRequestObject) (CancelOperationResponseObject, error) {
	ctx, actor := caller(ctx)
	operation, err := s.app.Operations.Cancel(ctx, actor, r.Operation)
	if err != nil {
		return nil, err
	}
	return CancelOperation202JSONResponse{started(operation)}, nil
}

// RetryOperation answers POST /api/v1/operations/{operation}/retry.
func (s *server) RetryOperation(ctx context.Context, r RetryOperationRequestObject) (RetryOperationResponseObject, error) {
	ctx, actor := caller(ctx)
	operation, err := s.app.Operations.Retry(ctx, actor, r.Operation)
	if err != nil {
		return nil, err
	}
	return RetryOperation202JSONResponse{started(operation)}, nil
}

// ListOperationEvents answers GET /api/v1/operations/{operation}/events, as a list or as a stream.
func (s *server) ListOperationEvents(ctx context.Context, r ListOperationEventsRequestObject) (ListOperationEventsResponseObject, error) {
	after := value(r.Params.After)
	if r.Params.LastEventID != nil {
		after = *r.Params.LastEventID
	}
	c, isGin := ctx.(*gin.Context)
	ctx, actor := caller(ctx)
	if isGin && wantsStream(c) {
		updates, err := s.app.Operations.Watch(ctx, actor, r.Operation, after)
		if err != nil {
			return nil, err
		}
		return eventStream{ctx, updates, s.heartbeat}, nil
	}
	events, err := s.app.Operations.Events(ctx, actor, r.Operation, after)
	if err != nil {
		return nil, err
	}
	return ListOperationEvents200JSONResponse{Items: convert(events, eventJSON)}, nil
}

// Reconcile answers POST /api/v1/reconcile.
func (s *server) Reconcile(ctx context.Context, r ReconcileRequestObject) (ReconcileResponseObject, error) {
	ctx, actor := caller(ctx)
	dryRun := r.Body != nil && value(r.Body.DryRun)
	report, err := s.app.Operations.Reconcile(ctx, actor, dryRun)
	if err != nil {
		return nil, err
	}
	return Reconcile200JSONResponse{DryRun: dryRun, Report: report}, nil
}

func operationPath(id string) *string {
	return optional("/api/v1/operations/" + url.PathEscape(id))
}

// started is the answer that names an operation alone.
func started(o domain.Operation) OperationAcceptedJSONResponse {
	return OperationAcceptedJSONResponse{
		Body: operationJSON(o), Headers: OperationAcceptedResponseHeaders{Location: operationPath(o.ID)},
	}
}

func operationJSON(o domain.Operation) Operation {
	return Operation{
		ID: o.ID, Name: strings.TrimSpace(verb(o) + " " + o.ResourceName), State: OperationState(o.State), Kind: OperationKind(o.Kind),
		Resource: o.Resource, ResourceID: o.ResourceID, ResourceName: o.ResourceName, SiteID: optional(o.SiteID),
		Step: optional(o.Step), Message: optional(o.Message), ErrorKind: optional(o.ErrorKind), Actor: o.Actor,
		CancelAsked: o.CancelAsked, WorkflowID: o.WorkflowID(), RunID: optional(o.RunID), CreatedAt: o.CreatedAt.UTC(),
		StartedAt: moment(o.StartedAt), EndedAt: moment(o.EndedAt), Version: o.Version,
	}
}

// verb says what an operation does; for a power operation that is the action asked for.
func verb(o domain.Operation) string {
	if o.Kind == domain.OpPower && o.Params.Power != "" {
		return string(o.Params.Power)
	}
	return string(o.Kind)
}

func eventJSON(e domain.OperationEvent) OperationEvent {
	return OperationEvent{
		Seq: e.Seq, Time: e.Time.UTC(), Step: optional(e.Step), Level: OperationEventLevel(e.Level), Message: e.Message,
	}
}
