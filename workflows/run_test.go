package workflows_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	sdkpb "go.temporal.io/api/sdk/v1"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"berth/domain"
	"berth/workflows"
)

// input is the payload of an operation on the container web01.
func input(kind domain.OperationKind) domain.OperationInput {
	return domain.OperationInput{
		OperationID: "op-1", ContainerID: "ct-1", Kind: kind, Actor: "user:anna", Container: "web01", Site: "home", Owner: "anna",
	}
}

// run is a workflow that has ended.
type run struct {
	*script
	env *testsuite.TestWorkflowEnvironment
}

// environment makes a test environment in which every workflow and the script's activities are registered.
func environment(t *testing.T, s *script) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))) // failing on purpose is loud
	env := suite.NewTestWorkflowEnvironment()
	workflows.Register(env)
	s.register(env)
	s.cancel = func(context.Context) { env.CancelWorkflow() }
	return env
}

// execute runs a workflow to its end; time that it waits is skipped.
func execute(t *testing.T, s *script, name string, in any) run {
	t.Helper()
	env := environment(t, s)
	env.ExecuteWorkflow(name, in)
	if !env.IsWorkflowCompleted() {
		t.Fatalf("%s did not end; it called %v", name, s.order())
	}
	return run{s, env}
}

// finish returns how the operation was ended, and fails when it was not ended exactly once.
func (r run) finish(t *testing.T) domain.FinishInput {
	t.Helper()
	if err := r.env.GetWorkflowError(); err != nil {
		t.Fatalf("the workflow failed: %v", err)
	}
	ends := inputs[domain.FinishInput](r.script, domain.ActivityFinish)
	if len(ends) != 1 {
		t.Fatalf("the operation was ended %d times, want once: %+v", len(ends), ends)
	}
	return ends[0]
}

// wantOrder compares what was called, less what runs beside it.
func (r run) wantOrder(t *testing.T, want []string, beside ...string) {
	t.Helper()
	if diff := cmp.Diff(want, r.order(beside...)); diff != "" {
		t.Errorf("the activities were not called in order (-want +got):\n%s", diff)
	}
}

// wantEnd compares how an operation ended; the message has to contain every one of the words.
func wantEnd(t *testing.T, got domain.FinishInput, want domain.FinishInput, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(got.Message, w) {
			t.Errorf("the message %q does not say %q", got.Message, w)
		}
	}
	if want.Message == "" {
		got.Message = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the operation ended differently (-want +got):\n%s", diff)
	}
}

// details returns what the Temporal UI shows as the run's current details.
func (r run) details(t *testing.T) string {
	t.Helper()
	value, err := r.env.QueryWorkflow("__temporal_workflow_metadata")
	if err != nil {
		t.Fatalf("ask for the details: %v", err)
	}
	var metadata sdkpb.WorkflowMetadata
	if err := value.Get(&metadata); err != nil {
		t.Fatalf("read the details: %v", err)
	}
	return metadata.GetCurrentDetails()
}

// continued returns the next run that a workflow asked for.
func (r run) continued(t *testing.T) *workflow.ContinueAsNewError {
	t.Helper()
	var next *workflow.ContinueAsNewError
	if err := r.env.GetWorkflowError(); !errors.As(err, &next) {
		t.Fatalf("the workflow ended with %v, want another run", err)
	}
	return next
}
