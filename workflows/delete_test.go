package workflows_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"berth/domain"
)

// wantInput compares the payload of the next run.
func wantInput[T any](t *testing.T, next *workflow.ContinueAsNewError, want T) {
	t.Helper()
	var got T
	if err := converter.GetDefaultDataConverter().FromPayloads(next.Input, &got); err != nil {
		t.Fatalf("read the next run's input: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the next run gets something else (-want +got):\n%s", diff)
	}
}

var (
	deleting = []string{domain.ActivityBegin, domain.ActivityRevoke, domain.ActivityDestroy}
	returned = []string{domain.ActivityRelease, domain.ActivityAwaitReleased, domain.ActivityUnplace}
	removed  = sequence([]string{domain.ActivityRemove}, ended)
)

// placedScript is the world of a container that has a node.
func placedScript() *script {
	s := newScript()
	s.begun.Placed = true
	return s
}

func TestDeleteEndsGone(t *testing.T) {
	gone := domain.FinishInput{OperationInput: input(domain.OpDelete), Result: domain.OpSucceeded, Message: "Deleted; nothing is left."}
	for name, c := range map[string]struct {
		script *script
		order  []string
	}{
		"placed":                   {placedScript(), sequence(deleting, returned, removed)},
		"never placed":             {newScript(), sequence(deleting[:1], returned, removed)},
		"owner unknown to Proxmox": {placedScript().failing(domain.ActivityRevoke, refused("no such user")), sequence(deleting, returned, removed)},
	} {
		t.Run(name, func(t *testing.T) {
			r := execute(t, c.script, domain.WorkflowDelete, input(domain.OpDelete))
			r.wantOrder(t, c.order)
			wantEnd(t, r.finish(t), gone)
		})
	}
}

// TestDeleteOnlyRollsForward cancels it at every step: it ends gone all the same.
func TestDeleteOnlyRollsForward(t *testing.T) {
	for _, at := range sequence(deleting, returned, []string{domain.ActivityRemove}) {
		t.Run(at, func(t *testing.T) {
			s := placedScript()
			s.cancelAt = at
			r := execute(t, s, domain.WorkflowDelete, input(domain.OpDelete))
			r.wantOrder(t, sequence(deleting, returned, removed))
			if got := r.finish(t).Result; got != domain.OpSucceeded {
				t.Errorf("ended %s, want succeeded", got)
			}
		})
	}
}

func TestDeleteWithLeftover(t *testing.T) {
	s := placedScript()
	s.leftover = "CT 20000 on node pve1 has the lock create."
	r := execute(t, s, domain.WorkflowDelete, input(domain.OpDelete))
	r.wantOrder(t, sequence(deleting, []string{domain.ActivityRelease, domain.ActivityUnplace}, ended))
	wantEnd(t, r.finish(t), domain.FinishInput{
		OperationInput: input(domain.OpDelete), Result: domain.OpNeedsAttention, After: domain.ContainerNeedsAttention,
		Step: "destroy", ErrorKind: "permanent",
	}, "A human has to look at it: CT 20000 on node pve1 has the lock create. VMID and address are quarantined.")
	wantQuarantine(t, s, s.leftover)
}

func TestDeleteThatCannotFinish(t *testing.T) {
	for _, c := range []struct {
		fails, step string
		words       []string
	}{
		{domain.ActivityDestroy, "destroy", []string{"The node is gone.", "VMID and address are quarantined."}},
		{domain.ActivityAwaitReleased, "release", []string{"The node is gone. A human has to look at it.", "berth operation retry "}},
	} {
		t.Run(c.fails, func(t *testing.T) {
			s := placedScript().failing(c.fails, refused("The node is gone."))
			r := execute(t, s, domain.WorkflowDelete, input(domain.OpDelete))
			end := r.finish(t)
			wantEnd(t, end, domain.FinishInput{
				OperationInput: input(domain.OpDelete), Result: domain.OpNeedsAttention, After: domain.ContainerNeedsAttention,
				Step: c.step, ErrorKind: "permanent",
			}, c.words...)
			if strings.Count(end.Message, "The node is gone.") != 1 {
				t.Errorf("the message says it twice: %q", end.Message)
			}
			if n := s.count(domain.ActivityRemove); n != 0 {
				t.Errorf("the container was forgotten %d times, want it kept", n)
			}
			if c.fails == domain.ActivityDestroy {
				wantQuarantine(t, s, "The node is gone.")
			}
		})
	}
}

func TestDeleteForgets(t *testing.T) {
	s := placedScript()
	s.begun.Params.Forget = true
	r := execute(t, s, domain.WorkflowDelete, input(domain.OpDelete))
	r.wantOrder(t, sequence(deleting[:1], []string{domain.ActivityRelease, domain.ActivityUnplace}, removed))
	wantEnd(t, r.finish(t), domain.FinishInput{OperationInput: input(domain.OpDelete), Result: domain.OpSucceeded},
		"Forgotten.", "VMID and address stay quarantined.")
	wantQuarantine(t, s, "The CT may still be on its node, which was given up for good.")
}
