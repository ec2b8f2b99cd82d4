package worker

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"berth/activities"
	"berth/domain"
)

// border is what every activity runs behind: it ends a little before Temporal gives it up, shows signs of life meanwhile, and
// its errors become Temporal's.
type border struct {
	interceptor.WorkerInterceptorBase
}

// InterceptActivity wraps one activity.
func (*border) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &crossing{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}}
}

// crossing is one run of an activity.
type crossing struct {
	interceptor.ActivityInboundInterceptorBase
	pulse *pulse
}

// Init puts the pulse between the activity and its heartbeats.
func (c *crossing) Init(outbound interceptor.ActivityOutboundInterceptor) error {
	c.pulse = &pulse{ActivityOutboundInterceptorBase: interceptor.ActivityOutboundInterceptorBase{Next: outbound}}
	return c.Next.Init(c.pulse)
}

// ExecuteActivity runs the activity.
func (c *crossing) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	bounded, cancel := beforeDeadline(ctx)
	defer cancel()
	defer c.pulse.beat(ctx, activity.GetInfo(ctx).HeartbeatTimeout)()
	out, err := c.Next.ExecuteActivity(bounded, in)
	info := activity.GetInfo(ctx)
	crossed := activities.AtBorder(err, activities.Standing{
		Spent: time.Since(info.ScheduledTime), Total: info.Deadline.Sub(info.ScheduledTime),
		Over: errors.Is(bounded.Err(), context.DeadlineExceeded),
	})
	if err != nil && !errors.Is(crossed, err) { // a person is told less than what happened
		activity.GetLogger(ctx).Warn("activity failed", "kind", domain.KindOf(err).String(), "error", err.Error())
	}
	return out, crossed
}

// margin is the longest time that an activity ends before its deadline.
const margin = time.Minute

// beforeDeadline ends a little before ctx does: an activity that still waits at its deadline cannot tell any more what it saw,
// since Temporal has given it up by then.
func beforeDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	left := time.Until(deadline)
	return context.WithTimeout(ctx, left-min(left/10, margin))
}
