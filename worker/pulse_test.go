package worker

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
)

// listener hears the heartbeats that would go to Temporal.
type listener struct {
	interceptor.ActivityOutboundInterceptorBase
	heard chan string
}

// RecordHeartbeat implements interceptor.ActivityOutboundInterceptor.
func (l *listener) RecordHeartbeat(_ context.Context, details ...any) {
	said := ""
	for _, d := range details {
		switch d := d.(type) {
		case string:
			said += d
		case converter.RawValue:
			said += string(d.Payload().GetData())
		}
	}
	l.heard <- said
}

func TestHeartbeatsRepeatWhatWasToldLast(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetHeartbeatDetails("of the try before")
	env.RegisterActivityWithOptions(func(ctx context.Context) error {
		l := &listener{heard: make(chan string)}
		p := &pulse{ActivityOutboundInterceptorBase: interceptor.ActivityOutboundInterceptorBase{Next: l}}
		stop := p.beat(ctx, 3*time.Millisecond)
		for range 2 {
			if said := <-l.heard; said != `"of the try before"` {
				t.Errorf("before the step tells anything, a heartbeat says %s", said)
			}
		}
		go p.RecordHeartbeat(ctx, "my own")
		for <-l.heard != "my own" {
			continue // those that were on their way
		}
		for range 2 {
			if said := <-l.heard; said != "my own" {
				t.Errorf("a repeated heartbeat says %s, want what the step told last", said)
			}
		}
		go func() {
			for range l.heard {
				continue // so that the last one can be told
			}
		}()
		stop()
		close(l.heard) // a heartbeat after the end would panic
		return nil
	}, activity.RegisterOptions{Name: "step"})
	if _, err := env.ExecuteActivity("step"); err != nil {
		t.Fatal(err)
	}
}

func TestNoHeartbeatsWhereNoneAreWanted(t *testing.T) {
	p := &pulse{} // sending one would panic
	p.beat(t.Context(), 0)()
}
