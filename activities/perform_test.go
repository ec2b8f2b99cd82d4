package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"berth/activities"
	"berth/domain"
	"berth/proxmox"
)

// perform runs an activity as a worker would and returns its own error, before the worker's border turns it into Temporal's.
func perform[I, O any](t *testing.T, fn func(context.Context, I) (O, error), in I, change ...func(*testsuite.TestActivityEnvironment)) (out O, err error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetTestTimeout(time.Minute)
	for _, c := range change {
		c(env)
	}
	ran := false
	env.RegisterActivityWithOptions(func(ctx context.Context, in I) (O, error) {
		ran = true
		out, err = fn(ctx, in)
		return out, err
	}, activity.RegisterOptions{Name: "step"})
	if _, failed := env.ExecuteActivity("step", in); failed != nil && err == nil {
		t.Fatalf("the activity ended without an answer: %v", failed)
	}
	if !ran {
		t.Fatal("the activity did not run")
	}
	return out, err
}

// step is perform for an activity that has to succeed.
func step[I, O any](t *testing.T, fn func(context.Context, I) (O, error), in I) O {
	t.Helper()
	out, err := perform(t, fn, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// spec is what the tests ask for.
func (w *world) spec() domain.Spec {
	return domain.Spec{Image: w.image, Cores: 1, MemoryMiB: 256, DiskGiB: 1}
}

// request writes what a request for a container writes: the row, its reservation and its operation.
func (w *world) request(hostname string, change func(*domain.Container)) domain.OperationInput {
	w.t.Helper()
	ctx := w.t.Context()
	c := domain.Container{
		ID: domain.NewID(), Name: hostname, SiteID: w.site.ID, Owner: "anna", Spec: w.spec(),
		State: domain.ContainerProvisioning, Power: domain.PowerUnknown, WantPower: domain.PowerRunning,
	}
	if change != nil {
		change(&c)
	}
	w.must(w.store.CreateContainer(ctx, &c))
	w.must(w.store.Reserve(ctx, w.site, &c))
	return w.operation(c.ID, domain.OpProvision, domain.OperationParams{})
}

// operation writes an operation on a container and returns the payload of its workflow.
func (w *world) operation(containerID string, kind domain.OperationKind, params domain.OperationParams) domain.OperationInput {
	w.t.Helper()
	ctx := w.t.Context()
	c, err := w.store.Container(ctx, containerID)
	w.must(err)
	op := domain.Operation{
		Kind: kind, Resource: "container", ResourceID: c.ID, ResourceName: c.Name, SiteID: c.SiteID, Actor: "user:anna", Params: params,
	}
	w.must(w.store.CreateOperation(ctx, &op))
	w.must(w.store.ModifyContainer(ctx, c.ID, func(c *domain.Container) error {
		c.Operation = op.ID
		return nil
	}))
	return domain.OperationInput{
		OperationID: op.ID, ContainerID: c.ID, Kind: kind, Actor: op.Actor, Container: c.Name, Site: w.site.Name, Owner: c.Owner,
	}
}

// placed takes a request up to the point where its CT can be created.
func (w *world) placed(in domain.OperationInput) domain.CreateInput {
	w.t.Helper()
	step(w.t, w.set.Records.Begin, in)
	step(w.t, w.set.Records.Place, domain.PlaceInput{OperationInput: in})
	return domain.CreateInput{OperationInput: in, Image: step(w.t, w.set.Proxmox.PullImage, in)}
}

// finish ends an operation well.
func (w *world) finish(in domain.OperationInput) {
	w.t.Helper()
	step(w.t, w.set.Records.Finish, domain.FinishInput{
		OperationInput: in, Result: domain.OpSucceeded, After: domain.ContainerReady, Message: "Done.",
	})
}

// ready makes a container that runs.
func (w *world) ready(hostname string) domain.OperationInput {
	w.t.Helper()
	in := w.request(hostname, nil)
	step(w.t, w.set.Proxmox.Create, w.placed(in))
	step(w.t, w.set.Proxmox.Configure, in)
	step(w.t, w.set.Proxmox.Start, in)
	step(w.t, w.set.Proxmox.Verify, in)
	w.finish(in)
	return in
}

// eventually waits for a condition, with a deadline.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// hurried gives an activity little time, so that what it waits for in vain is over soon.
func (w *world) hurried(fn func(context.Context, domain.OperationInput) (struct{}, error)) func(context.Context, domain.OperationInput) (struct{}, error) {
	return func(ctx context.Context, in domain.OperationInput) (struct{}, error) {
		ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
		return fn(ctx, in)
	}
}

// ignoreLease drops the error of a start that got no lease: what a guest without address is told is Verify's to say.
func ignoreLease(_ struct{}, err error) error {
	if domain.Is(err, domain.Transient) {
		return nil
	}
	return err
}

// persist runs an activity as Temporal does: what may heal is tried again.
func persist[I, O any](t *testing.T, fn func(context.Context, I) (O, error), in I) O {
	t.Helper()
	for try := 1; ; try++ {
		out, err := perform(t, fn, in)
		if err == nil {
			return out
		}
		if _, retryable := atBorder(t, activities.AtBorder(err, activities.Standing{})); !retryable || try == 5 {
			t.Fatalf("try %d: %v", try, err)
		}
	}
}

// atBorder reads what a workflow sees of an error.
func atBorder(t *testing.T, err error) (info domain.FailureInfo, retryable bool) {
	t.Helper()
	var application *temporal.ApplicationError
	if !errors.As(err, &application) {
		t.Fatalf("%v is no application error", err)
	}
	if err := application.Details(&info); err != nil {
		t.Fatal(err)
	}
	return info, !application.NonRetryable()
}

// proxmoxMark replaces tags and description.
func proxmoxMark(tags []string, description string) proxmox.ConfigChange {
	return proxmox.ConfigChange{Tags: &tags, Description: &description}
}
