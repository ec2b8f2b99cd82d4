package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"berth/domain"
)

// cross runs an activity that fails with err behind the border, and returns what a workflow gets.
func cross(t *testing.T, err error) error {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&border{}}})
	env.RegisterActivityWithOptions(func(context.Context) error { return err }, activity.RegisterOptions{Name: "step"})
	_, got := env.ExecuteActivity("step")
	return got
}

func TestEveryKindCrossesTheBorder(t *testing.T) {
	for _, kind := range domain.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			cause := &domain.Error{
				Kind: kind, Message: "It did not work.", RetryAfter: 7 * time.Second, Err: errors.New("Post \"https://node:8006\": its words"),
			}
			var got *temporal.ApplicationError
			if err := cross(t, fmt.Errorf("create CT 100: %w", cause)); !errors.As(err, &got) {
				t.Fatalf("crossed as %v, want an application error", err)
			}
			if got.Type() != kind.String() {
				t.Errorf("its type is %q, want %q", got.Type(), kind)
			}
			if got.NonRetryable() == kind.Policy().Retryable {
				t.Errorf("retryable: %v, want %v as the domain's table says", !got.NonRetryable(), kind.Policy().Retryable)
			}
			if got.NextRetryDelay() != cause.RetryAfter {
				t.Errorf("tried again after %s, want %s", got.NextRetryDelay(), cause.RetryAfter)
			}
			var info domain.FailureInfo
			if err := got.Details(&info); err != nil {
				t.Fatalf("it has no details: %v", err)
			}
			want := domain.FailureInfo{Kind: kind.String(), Message: "It did not work."}
			if info != want {
				t.Errorf("its details are %+v, want %+v", info, want)
			}
		})
	}
}

func TestAnErrorThatNobodyClassifiedIsTriedAgain(t *testing.T) {
	var got *temporal.ApplicationError
	if err := cross(t, errors.New("what is this?")); !errors.As(err, &got) || got.Type() != "internal" || got.NonRetryable() {
		t.Errorf("crossed as %v, want a retryable internal error", err)
	}
}

func TestWhatIsTemporalsStaysSo(t *testing.T) {
	own := temporal.NewNonRetryableApplicationError("stop", "own", nil)
	var got *temporal.ApplicationError
	if err := cross(t, own); !errors.As(err, &got) || got.Type() != "own" {
		t.Errorf("an application error crossed as %v, want it unchanged", err)
	}
	if err := cross(t, nil); err != nil {
		t.Errorf("success crossed as %v", err)
	}
	if err := cross(t, context.Canceled); errors.As(err, &got) && got.HasDetails() {
		t.Errorf("a cancelled activity crossed as a failure: %v", err)
	}
}

// TestSecretsDoNotCross puts a secret where an error might carry one.
func TestSecretsDoNotCross(t *testing.T) {
	const secret = "hunter2-hunter2"
	type credential struct{ Token domain.Secret }
	for name, err := range map[string]error{
		"formatted":        domain.Errorf(domain.Forbidden, "token %s of %v is refused", domain.Secret(secret), credential{secret}),
		"in a cause":       domain.Errorf(domain.Forbidden, "refused: %w", fmt.Errorf("sent %+v", credential{secret})),
		"in Go's own form": fmt.Errorf("sent %#v", credential{secret}),
	} {
		t.Run(name, func(t *testing.T) {
			var got *temporal.ApplicationError
			if err := cross(t, err); !errors.As(err, &got) {
				t.Fatalf("crossed as %v, want an application error", err)
			}
			var info domain.FailureInfo
			if err := got.Details(&info); err != nil {
				t.Fatal(err)
			}
			if all := got.Error() + fmt.Sprintf("%+v", info); strings.Contains(all, secret) {
				t.Errorf("the secret crossed: %s", all)
			}
		})
	}
}
