package worker

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"berth/activities"
	"berth/domain"
)

// errorsAtBorder turns the errors of activities into Temporal application errors.
type errorsAtBorder struct {
	interceptor.WorkerInterceptorBase
}

// InterceptActivity wraps one activity.
func (*errorsAtBorder) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &border{interceptor.ActivityInboundInterceptorBase{Next: next}}
}

type border struct {
	interceptor.ActivityInboundInterceptorBase
}

// ExecuteActivity runs the activity and converts its error.
func (b *border) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	out, err := b.Next.ExecuteActivity(ctx, in)
	crossed := activities.AtBorder(err)
	if err != nil && !errors.Is(crossed, err) { // a person is told less than what happened
		activity.GetLogger(ctx).Warn("activity failed", "kind", domain.KindOf(err).String(), "error", err.Error())
	}
	return out, crossed
}
