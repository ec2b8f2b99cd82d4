package workflows_test

import (
	"testing"

	"berth/domain"
)

// exposing makes the container of a script expose something, by the operation itself if it is an expose.
func exposing(s *script) *script {
	s.begun.Services = 2
	s.begun.Params.Services = &domain.Services{Added: []string{"s-1"}, Removed: []string{"s-2"}, Revision: 7}
	return s
}

func TestExpose(t *testing.T) {
	published := []string{domain.ActivityBegin, domain.ActivityAwaitServed, domain.ActivityAwaitLive, domain.ActivityAwaitReleased}
	undone := []string{domain.ActivityRestore, domain.ActivityAwaitReleased}
	failed := domain.FinishInput{Result: domain.OpFailed, ErrorKind: "permanent"}
	for name, c := range map[string]struct {
		fails, cancelAt string
		change          domain.Services
		order           []string
		want            domain.FinishInput
	}{
		"published": {
			change: domain.Services{Added: []string{"s-1"}, Removed: []string{"s-2"}, Revision: 7}, order: published,
			want: domain.FinishInput{Result: domain.OpSucceeded},
		},
		"removed": {
			change: domain.Services{Removed: []string{"s-2"}, Revision: 7}, order: sequence(published[:2], published[3:]),
			want: domain.FinishInput{Result: domain.OpSucceeded},
		},
		"not served": {
			fails: domain.ActivityAwaitServed, change: domain.Services{Added: []string{"s-1"}, Revision: 7},
			order: sequence(published[:2], undone), want: failed,
		},
		"refused by an edge": {
			fails: domain.ActivityAwaitLive, change: domain.Services{Added: []string{"s-1"}, Revision: 7},
			order: sequence(published[:3], undone), want: failed,
		},
		"cancelled": {
			cancelAt: domain.ActivityAwaitServed, change: domain.Services{Added: []string{"s-1"}, Revision: 7},
			order: sequence(published[:2], undone), want: domain.FinishInput{Result: domain.OpCancelled, ErrorKind: "cancelled"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := placedScript()
			s.begun.Params.Services, s.cancelAt = &c.change, c.cancelAt
			if c.fails != "" {
				s.failing(c.fails, refused("It cannot be."))
			}
			r := execute(t, s, domain.WorkflowExpose, input(domain.OpExpose))
			r.wantOrder(t, sequence(c.order, ended))
			got := r.finish(t)
			c.want.Step, c.want.OperationInput = got.Step, input(domain.OpExpose)
			wantEnd(t, got, c.want)
			if got.After != "" {
				t.Errorf("the container becomes %s, want it to stay what it is", got.After)
			}
		})
	}
}

func TestProvisionWaitsForItsServices(t *testing.T) {
	r := execute(t, exposing(newScript()), domain.WorkflowProvision, input(domain.OpProvision))
	calls := r.order(domain.ActivityAwaitServed)
	if last := calls[len(calls)-3]; last != domain.ActivityAwaitLive {
		t.Errorf("before the end came %s, want AwaitLive: %v", last, calls)
	}
	r = execute(t, exposing(newScript()).failing(domain.ActivityAwaitLive, refused("The port is taken.")),
		domain.WorkflowProvision, input(domain.OpProvision))
	if got := r.finish(t); got.Result != domain.OpFailed || got.After != domain.ContainerFailed {
		t.Errorf("ends %s, container %s; want both failed", got.Result, got.After)
	}
}

func TestDeleteStopsTrafficFirst(t *testing.T) {
	s := exposing(placedScript()).failing(domain.ActivityAwaitServed, refused("No edge serves it."))
	r := execute(t, s, domain.WorkflowDelete, input(domain.OpDelete))
	calls := r.order()
	want := []string{domain.ActivityBegin, domain.ActivityWithdraw, domain.ActivityAwaitServed, domain.ActivityRevoke, domain.ActivityDestroy}
	for i, name := range want {
		if i >= len(calls) || calls[i] != name {
			t.Fatalf("called %v, want %v first", calls, want)
		}
	}
	if got := r.finish(t); got.Result != domain.OpSucceeded {
		t.Errorf("ends %s: %s", got.Result, got.Message)
	}
}

// named gives the container of a script names with records of their own.
func named(s *script) *script {
	s.begun.Names = 1
	return s
}

func TestPublicDNSComesFirstAndGoesLast(t *testing.T) {
	r := execute(t, named(exposing(placedScript())), domain.WorkflowExpose, input(domain.OpExpose))
	r.wantOrder(t, sequence([]string{
		domain.ActivityBegin, domain.ActivityPublishNames, domain.ActivityAwaitServed, domain.ActivityAwaitLive, domain.ActivityWithdrawNames,
		domain.ActivityAwaitReleased,
	}, ended))
	r = execute(t, named(exposing(placedScript())).failing(domain.ActivityPublishNames, refused("The name is somebody else's.")),
		domain.WorkflowExpose, input(domain.OpExpose))
	r.wantOrder(t, sequence([]string{
		domain.ActivityBegin, domain.ActivityPublishNames, domain.ActivityRestore, domain.ActivityWithdrawNames, domain.ActivityAwaitReleased,
	}, ended))
	if got := r.finish(t); got.Result != domain.OpFailed || got.Step != "public DNS" {
		t.Errorf("ends %s in step %q", got.Result, got.Step)
	}
	r = execute(t, named(exposing(placedScript())).failing(domain.ActivityWithdrawNames, refused("The provider is away.")),
		domain.WorkflowDelete, input(domain.OpDelete))
	if got := r.finish(t); got.Result != domain.OpSucceeded {
		t.Errorf("a delete whose provider refuses ends %s: %s", got.Result, got.Message)
	}
	r = execute(t, named(exposing(newScript())).failing(domain.ActivityAwaitLive, refused("The port is taken.")),
		domain.WorkflowProvision, input(domain.OpProvision))
	if calls := r.order(); r.count(domain.ActivityWithdrawNames) != 1 {
		t.Errorf("a provision that is undone leaves its records: %v", calls)
	}
}
