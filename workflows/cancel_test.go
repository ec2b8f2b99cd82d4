package workflows_test

import (
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"berth/domain"
)

// TestProvisionCancelledAtAnyStep cancels the workflow while a step is at work, which then takes effect or not: nobody
// knows, so it is undone.
func TestProvisionCancelledAtAnyStep(t *testing.T) {
	for _, c := range []struct {
		at   string
		done int
		undo []string
	}{
		{domain.ActivityBegin, 1, givenBack},
		{domain.ActivityPlace, 2, unplaced},
		{domain.ActivityPullImage, 3, unplaced},
		{domain.ActivityCreate, 4, destroyed},
		{domain.ActivityConfigure, 5, destroyed},
		{domain.ActivityGrant, 6, destroyed},
		{domain.ActivityStart, 7, destroyed},
		{domain.ActivityVerify, 8, destroyed},
	} {
		t.Run(c.at, func(t *testing.T) {
			s := newScript()
			s.cancelAt = c.at
			r := execute(t, s, domain.WorkflowProvision, input(domain.OpProvision))
			r.wantOrder(t, sequence(provisioned[:c.done], c.undo, ended), domain.ActivityAwaitServed)
			end := r.finish(t)
			if end.Result != domain.OpCancelled || end.After != domain.ContainerFailed || end.ErrorKind != "cancelled" {
				t.Errorf("ended %s/%s (%s), want cancelled and the container failed", end.Result, end.After, end.ErrorKind)
			}
		})
	}
}

// TestProvisionCancelledWhileTheEdgesAreAwaited cancels at a moment when nothing but the edges is waited for.
func TestProvisionCancelledWhileTheEdgesAreAwaited(t *testing.T) {
	s := newScript()
	s.cancelAt = domain.ActivityAwaitServed
	gate := make(chan struct{})
	s.gates[domain.ActivityAwaitServed] = gate
	env := environment(t, s)
	env.SetOnActivityCompletedListener(func(info *activity.Info, _ converter.EncodedValue, _ error) {
		if info.ActivityType.Name == domain.ActivityGrant {
			close(gate)
		}
	})
	env.ExecuteWorkflow(domain.WorkflowProvision, input(domain.OpProvision))
	r := run{s, env}
	r.wantOrder(t, sequence(provisioned[:6], destroyed, ended), domain.ActivityAwaitServed)
	wantEnd(t, r.finish(t), domain.FinishInput{
		OperationInput: input(domain.OpProvision), Result: domain.OpCancelled, After: domain.ContainerFailed,
		Step: "network", ErrorKind: "cancelled",
	}, "Cancelled on request.", "Undone: CT on node pve1, VMID, address, MAC and DNS name.")
}

// TestCancelledBeforeItBegan covers operations that were cancelled while no worker had taken them up: what the request
// reserved or wanted is taken back, and nothing is done on a node.
func TestCancelledBeforeItBegan(t *testing.T) {
	for _, c := range []struct {
		workflow string
		kind     domain.OperationKind
		undo     []string
		after    domain.ContainerState
	}{
		{domain.WorkflowProvision, domain.OpProvision, givenBack, domain.ContainerFailed},
		{domain.WorkflowPower, domain.OpPower, nil, ""},
		{domain.WorkflowReconfigure, domain.OpReconfigure, []string{domain.ActivityRevert}, ""},
		{
			domain.WorkflowImport, domain.OpImport,
			sequence([]string{domain.ActivityDisown}, givenBack, []string{domain.ActivityUnplace}), domain.ContainerFailed,
		},
		{domain.WorkflowDelete, domain.OpDelete, nil, ""},
	} {
		want := sequence([]string{domain.ActivityBegin}, c.undo, ended)
		check := func(t *testing.T, r run) {
			t.Helper()
			r.wantOrder(t, want)
			if end := r.finish(t); end.Result != domain.OpCancelled || end.After != c.after {
				t.Errorf("ended %s, container %q; want cancelled and %q", end.Result, end.After, c.after)
			}
		}
		t.Run(c.workflow+" in SQL", func(t *testing.T) {
			s := newScript()
			s.begun.Cancelled = true
			check(t, execute(t, s, c.workflow, input(c.kind)))
		})
		if c.kind == domain.OpDelete {
			continue // by Temporal alone it cannot be cancelled: SQL counts it as begun
		}
		t.Run(c.workflow+" in Temporal", func(t *testing.T) {
			s := newScript()
			s.begun.Params.Reconfigure = &domain.Reconfigure{}
			env := environment(t, s)
			cancelAtOnce(env)
			env.ExecuteWorkflow(c.workflow, input(c.kind))
			check(t, run{s, env})
		})
	}
}

func cancelAtOnce(env *testsuite.TestWorkflowEnvironment) {
	env.RegisterDelayedCallback(env.CancelWorkflow, 0)
}

func TestAWaitingDeleteTakesTheLockOver(t *testing.T) {
	for _, c := range []struct {
		workflow string
		kind     domain.OperationKind
		cancel   string
	}{
		{domain.WorkflowProvision, domain.OpProvision, domain.ActivityCreate},
		{domain.WorkflowProvision, domain.OpProvision, ""},
		{domain.WorkflowPower, domain.OpPower, domain.ActivityPower},
	} {
		t.Run(c.workflow+" "+c.cancel, func(t *testing.T) {
			s := newScript()
			s.begun.Params.Power = domain.ActionStop
			s.cancelAt = c.cancel
			s.next = domain.Next{OperationID: "op-2", Actor: "user:root"}
			r := execute(t, s, c.workflow, input(c.kind))
			next := r.continued(t)
			if next.WorkflowType.Name != domain.WorkflowDelete {
				t.Fatalf("goes on as %s, want Delete", next.WorkflowType.Name)
			}
			want := input(domain.OpDelete)
			want.OperationID, want.Actor = "op-2", "user:root"
			wantInput(t, next, want)
			if n := s.count(domain.ActivityFinish); n != 1 {
				t.Errorf("the operation before was ended %d times, want once", n)
			}
		})
	}
}
