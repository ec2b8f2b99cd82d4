package workflows_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
)

var siteNetwork = domain.NetworkInput{SiteID: "site-1", Site: "home"}

func TestNetworkGathersWhatComesTogether(t *testing.T) {
	s := newScript()
	env := environment(t, s)
	for range 100 {
		env.RegisterDelayedCallback(func() { env.SignalWorkflow(domain.SignalNetworkChanged, nil) }, time.Millisecond)
	}
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(domain.SignalNetworkChanged, nil) }, 5*time.Second)
	start := env.Now()
	env.ExecuteWorkflow(domain.WorkflowNetwork, siteNetwork)
	if err := env.GetWorkflowError(); err != nil || !env.IsWorkflowCompleted() {
		t.Fatalf("ended %v with %v, want it to end by itself once it is idle", env.IsWorkflowCompleted(), err)
	}
	published := inputs[domain.NetworkInput](s, domain.ActivityPublish)
	if len(published) < 2 || len(published) > 3 {
		t.Errorf("published %d times for 100 changes at once and one later, want 2 or 3 times", len(published))
	}
	for _, in := range published {
		if in != siteNetwork {
			t.Errorf("published %+v, want %+v", in, siteNetwork)
		}
	}
	if took := env.Now().Sub(start); took < 15*time.Second || took > 20*time.Second {
		t.Errorf("ended %s after it began, want 10 s after the change at 5 s", took)
	}
}

func TestNetworkKeepsItsHistoryShort(t *testing.T) {
	s := newScript()
	env := environment(t, s)
	env.SetContinueAsNewSuggested(true)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(domain.SignalNetworkChanged, nil) }, 0)
	env.ExecuteWorkflow(domain.WorkflowNetwork, siteNetwork)
	next := run{s, env}.continued(t)
	if next.WorkflowType.Name != domain.WorkflowNetwork {
		t.Errorf("goes on as %s, want Network", next.WorkflowType.Name)
	}
	wantInput(t, next, siteNetwork)
}

func TestObserve(t *testing.T) {
	in := domain.ObserveInput{ClusterID: "cl-1", Cluster: "lab"}
	t.Run("goes on", func(t *testing.T) {
		s := newScript()
		next := execute(t, s, domain.WorkflowObserve, in).continued(t)
		if next.WorkflowType.Name != domain.WorkflowObserve {
			t.Errorf("goes on as %s, want Observe", next.WorkflowType.Name)
		}
		wantInput(t, next, in)
	})
	t.Run("ends with the cluster", func(t *testing.T) {
		s := newScript()
		s.goneAfter = 1
		r := execute(t, s, domain.WorkflowObserve, in)
		if err := r.env.GetWorkflowError(); err != nil {
			t.Errorf("ended with %v, want it to end well", err)
		}
		r.wantOrder(t, []string{domain.ActivityObserve})
	})
	t.Run("survives its worker", func(t *testing.T) {
		s := newScript().failing(domain.ActivityObserve, domain.Errorf(domain.Unavailable, "lost"), nil)
		r := execute(t, s, domain.WorkflowObserve, in)
		_ = r.continued(t) // it fails the test when the run does not go on
		if n := s.count(domain.ActivityObserve); n != 2 {
			t.Errorf("looked %d times, want a second try", n)
		}
	})
}

func TestReconcileReports(t *testing.T) {
	r := execute(t, newScript(), domain.WorkflowReconcile, domain.ReconcileInput{DryRun: true})
	var got domain.ReconcileReport
	if err := r.env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	want := domain.ReconcileReport{DryRun: true, Repairs: []domain.Repair{{What: "stray", Action: "reported"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the report differs (-want +got):\n%s", diff)
	}
}
