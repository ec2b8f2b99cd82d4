package worker

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
)

// pulse repeats the heartbeat of an activity while it runs. Silence then means that its worker died, never that a call to the
// outside takes long; and no second try starts beside the first.
type pulse struct {
	interceptor.ActivityOutboundInterceptorBase

	mu   sync.Mutex
	last []any // details, which must not get lost: they name the task that another worker goes on with
}

// RecordHeartbeat keeps what the activity itself tells.
func (p *pulse) RecordHeartbeat(ctx context.Context, details ...any) {
	p.mu.Lock()
	p.last = details
	p.mu.Unlock()
	p.Next.RecordHeartbeat(ctx, details...)
}

// beats is how many heartbeats fit into the silence after which a worker counts as dead.
const beats = 3

// beat begins to repeat heartbeats, often enough for a timeout (0 = none), and returns what ends it.
func (p *pulse) beat(ctx context.Context, timeout time.Duration) (stop func()) {
	if timeout <= 0 {
		return func() {}
	}
	if activity.HasHeartbeatDetails(ctx) {
		var earlier converter.RawValue // of the try before, whose worker died
		if activity.GetHeartbeatDetails(ctx, &earlier) == nil {
			p.last = []any{earlier}
		}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(timeout / beats)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				p.mu.Lock()
				details := p.last
				p.mu.Unlock()
				p.Next.RecordHeartbeat(ctx, details...)
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
}
