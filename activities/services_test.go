package activities_test

import (
	"strings"
	"testing"

	"berth/domain"
)

// expose lets a ready container publish a name and a port, and returns the operation that brings it about.
func (w *world) expose(container domain.OperationInput, remove ...string) (in domain.OperationInput, change domain.Services) {
	w.t.Helper()
	ctx := w.t.Context()
	add := []domain.Service{
		{ServiceSpec: domain.ServiceSpec{Kind: domain.ServiceHTTP, Port: 80, Host: "app.example.org"}},
		{ServiceSpec: domain.ServiceSpec{Kind: domain.ServiceTCP, Port: 22}},
	}
	if len(remove) > 0 {
		add = nil
	}
	added, revision, err := w.store.ChangeServices(ctx, w.container(container), add, remove)
	w.must(err)
	change = domain.Services{Removed: remove, Revision: revision}
	for _, v := range added {
		change.Added = append(change.Added, v.ID)
	}
	return w.operation(container.ContainerID, domain.OpExpose, domain.OperationParams{Services: &change}), change
}

// states returns the services of a container by what they are reached by.
func (w *world) states(in domain.OperationInput) map[string]domain.ServiceState {
	w.t.Helper()
	all, err := w.store.Services(w.t.Context(), in.ContainerID)
	w.must(err)
	states := map[string]domain.ServiceState{}
	for _, v := range all {
		states[v.Title()] = v.State
	}
	return states
}

func TestAwaitLive(t *testing.T) {
	w := newWorld(t)
	in, change := w.expose(w.ready("web01"))
	if begun := step(t, w.set.Records.Begin, in); begun.Services != 2 || begun.Params.Services == nil {
		t.Errorf("begins with %+v", begun)
	}
	live := domain.LiveInput{OperationInput: in, SiteID: w.site.ID, Services: change.Added}
	w.must(w.store.ReportEdge(t.Context(), w.edge.ID, domain.EdgeReport{
		Fetched: change.Revision, Applied: change.Revision,
		LeftOut: []domain.LeftOut{{ServiceID: change.Added[1], Reason: "bind() to 198.18.0.2:2000 failed"}},
	}))
	_, err := perform(t, w.set.Network.AwaitLive, live)
	if err == nil || !strings.Contains(err.Error(), "Edge gate leaves out tcp port 2000: bind() to 198.18.0.2:2000 failed") {
		t.Errorf("ended with %v, want the edge's words", err)
	}
	w.serve()
	step(t, w.set.Network.AwaitLive, live)
	live.Services = nil
	step(t, w.set.Network.AwaitLive, live) // all of the container's
}

func TestRestorePutsServicesBack(t *testing.T) {
	w := newWorld(t)
	container := w.ready("web01")
	_, first := w.expose(container)
	w.serve()
	in, _ := w.expose(container, first.Added[0])
	if got := w.states(in)["https://app.example.org"]; got != domain.ServiceRemoving {
		t.Errorf("what is removed is %s", got)
	}
	restored := step(t, w.set.Records.Restore, in)
	if got := w.states(in)["https://app.example.org"]; got != domain.ServiceRequested || restored.Revision == 0 {
		t.Errorf("what is put back is %s at revision %d", got, restored.Revision)
	}
	if again := step(t, w.set.Records.Restore, in); again.Revision != 0 {
		t.Errorf("putting back once more made revision %d, want nothing to do", again.Revision)
	}
	w.serve()
	step(t, w.set.Network.AwaitReleased, domain.RevisionInput{OperationInput: in, SiteID: w.site.ID, Revision: restored.Revision})
	if got := w.states(in); len(got) != 2 {
		t.Errorf("the container exposes %v, want both", got)
	}
}

// TestNamesAreFreeWhenNoEdgeServesThem holds the order: withdrawn, let go of by every edge, and only then somebody else's.
func TestNamesAreFreeWhenNoEdgeServesThem(t *testing.T) {
	w := newWorld(t)
	container := w.ready("web01")
	w.expose(container)
	w.serve()
	other := w.container(w.ready("web02"))
	withdrawn := step(t, w.set.Records.Withdraw, container)
	if again := step(t, w.set.Records.Withdraw, container); withdrawn.Revision == 0 || again.Revision != 0 {
		t.Errorf("withdrawn at revision %d, and again at %d", withdrawn.Revision, again.Revision)
	}
	take := func() error {
		_, _, err := w.store.ChangeServices(t.Context(), other, []domain.Service{
			{ServiceSpec: domain.ServiceSpec{Kind: domain.ServiceHTTP, Port: 80, Host: "app.example.org"}},
		}, nil)
		return err
	}
	w.reconcile(false)
	if err := take(); !domain.Is(err, domain.Conflict) || !strings.Contains(err.Error(), "just given up") {
		t.Errorf("while the edge may serve it, taking the name ends with %v", err)
	}
	w.serve()
	w.reconcile(true)
	if err := take(); !domain.Is(err, domain.Conflict) {
		t.Errorf("after a dry run, taking the name ends with %v", err)
	}
	w.reconcile(false)
	w.must(take())
}

func TestReleaseGivesServicesBackToo(t *testing.T) {
	w := newWorld(t)
	for name, quarantine := range map[string]string{"web01": "", "web02": "CT 20000 has the lock create."} {
		container := w.ready(name)
		_, change := w.expose(container)
		released := step(t, w.set.Records.Release, domain.ReleaseInput{OperationInput: container, Quarantine: quarantine})
		if released.Revision <= change.Revision {
			t.Errorf("%s: released at revision %d, exposed at %d", name, released.Revision, change.Revision)
		}
		w.serve()
		step(t, w.set.Network.AwaitReleased, domain.RevisionInput{OperationInput: container, SiteID: w.site.ID, Revision: released.Revision})
		if got := w.states(container); len(got) != 0 {
			t.Errorf("%s still exposes %v", name, got)
		}
	}
}
