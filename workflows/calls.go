package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// quick runs an activity that only needs SQL inside the workflow task itself: it costs one write instead of a round
// trip through the server. It is tried until SQL answers, since nothing can go on without it.
func quick[T any](ctx workflow.Context, name string, in any) (T, error) {
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: time.Hour,
		StartToCloseTimeout:    30 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 5 * time.Second,
		},
	})
	var out T
	err := workflow.ExecuteLocalActivity(ctx, name, in).Get(ctx, &out)
	return out, err
}

// limits says how long one call may take, all tries together, and how it is tried again.
type limits struct {
	total     time.Duration // schedule to close
	heartbeat time.Duration // 0 = none
	queue     string        // "" = that of the workflow
	summary   string        // for the Temporal UI
}

// call starts an activity that talks to the outside world and returns its future.
func call(ctx workflow.Context, name string, in any, l limits) workflow.Future {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              l.queue,
		ScheduleToCloseTimeout: l.total,
		StartToCloseTimeout:    l.total,
		HeartbeatTimeout:       l.heartbeat,
		WaitForCancellation:    true, // a compensation must not run beside the step it undoes
		Summary:                l.summary,
		// The activities know how long to wait after each kind of error (proxmox's table of failures) and say so; this is what
		// happens when they do not, such as after a lost worker.
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 15 * time.Second,
		},
	})
	return workflow.ExecuteActivity(ctx, name, in)
}

// await runs call and waits for its result.
func await[T any](ctx workflow.Context, name string, in any, l limits) (T, error) {
	var out T
	err := call(ctx, name, in, l).Get(ctx, &out)
	return out, err
}

// none is the result of an activity that has none.
type none struct{}

// deadlinesOrDefault keeps an operation going whose Begin failed before it told the deadlines.
func deadlinesOrDefault(d domain.Deadlines) domain.Deadlines {
	if d == (domain.Deadlines{}) {
		return domain.DefaultDeadlines()
	}
	return d
}
