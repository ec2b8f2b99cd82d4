package activities_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
	"berth/store"
)

// reconcile runs the reconciler once, some time after the last request.
func (w *world) reconcile(dry bool) domain.ReconcileReport {
	w.t.Helper()
	w.mu.Lock()
	w.ahead = max(w.ahead, time.Minute)
	w.mu.Unlock()
	return step(w.t, w.set.Reconciler.Reconcile, domain.ReconcileInput{DryRun: dry})
}

// repair returns the one repair of a kind.
func repair(t *testing.T, report domain.ReconcileReport, what string) domain.Repair {
	t.Helper()
	var found []domain.Repair
	for _, r := range report.Repairs {
		if r.What == what {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%q is reported %d times, want once, in %+v", what, len(found), report.Repairs)
	}
	return found[0]
}

func TestReconcilerHasNothingToDo(t *testing.T) {
	w := newWorld(t)
	w.ready("web01")
	_, err := w.store.PublishSite(t.Context(), w.site.ID)
	w.must(err)
	if report := w.reconcile(false); len(report.Repairs) != 0 {
		t.Errorf("repaired %+v, though all is well", report.Repairs)
	}
	if !slices.Equal(w.starter.observed, []string{w.cluster.ID}) {
		t.Errorf("watched clusters %v, want %s", w.starter.observed, w.cluster.ID)
	}
}

// TestReconcilerStartsWhatTemporalLost covers operations whose run Temporal does not know: one that was asked for, one that
// ran, and a delete that waited for another operation.
func TestReconcilerStartsWhatTemporalLost(t *testing.T) {
	for _, state := range []domain.OperationState{domain.OpPending, domain.OpRunning, domain.OpWaiting} {
		t.Run(string(state), func(t *testing.T) {
			w := newWorld(t)
			in := w.request("web01", nil)
			if state == domain.OpWaiting {
				in = w.operation(in.ContainerID, domain.OpDelete, domain.OperationParams{})
				first, _, err := w.store.Operations(t.Context(), store.OperationFilter{Kind: domain.OpProvision}, store.Page{})
				w.must(err)
				w.must(w.store.ModifyOperation(t.Context(), first[0].ID, func(o *domain.Operation) error {
					o.State = domain.OpCancelled
					return nil
				}))
			}
			w.must(w.store.ModifyOperation(t.Context(), in.OperationID, func(o *domain.Operation) error {
				o.State = state
				return nil
			}))
			got := repair(t, w.reconcile(true), "operation without a run")
			if got.Subject != "container web01" || !strings.HasPrefix(got.Action, "would start") || len(w.starter.started) != 0 {
				t.Errorf("a dry run reported %+v and started %v, want it to report only", got, w.starter.started)
			}
			w.reconcile(false)
			if diff := cmp.Diff([]domain.OperationInput{in}, w.starter.started); diff != "" {
				t.Errorf("started something else (-want +got):\n%s", diff)
			}
			if again := w.reconcile(false); len(w.starter.started) != 1 {
				t.Errorf("started a second time, %+v, though it is open", again)
			}
		})
	}
}

func TestReconcilerLeavesFreshOperationsAlone(t *testing.T) {
	w := newWorld(t)
	w.request("web01", nil)
	step(t, w.set.Reconciler.Reconcile, domain.ReconcileInput{})
	if len(w.starter.started) != 0 {
		t.Errorf("started %+v, which its request is about to start", w.starter.started)
	}
}

func TestReconcilerTellsWhatItCouldNotDo(t *testing.T) {
	w := newWorld(t)
	w.request("web01", nil)
	w.starter.deny = domain.Errorf(domain.Unavailable, "Temporal does not answer")
	got := repair(t, w.reconcile(false), "operation without a run")
	if !strings.HasPrefix(got.Action, "could not start") || !strings.Contains(got.Detail, "Temporal does not answer") {
		t.Errorf("reported %+v, want what kept it from being started", got)
	}
}

func TestReconcilerPublishesAndReleases(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	in := w.request("web01", nil)
	repair(t, w.reconcile(true), "network not published")
	if len(w.starter.networks) != 0 {
		t.Error("a dry run published the network")
	}
	w.reconcile(false)
	if !slices.Equal(w.starter.networks, []string{w.site.ID}) {
		t.Errorf("published %v, want the site once", w.starter.networks)
	}

	step(t, w.set.Records.Release, domain.ReleaseInput{OperationInput: in})
	w.reconcile(false)
	if held, err := w.store.ReservationsOf(ctx, in.ContainerID); err != nil || len(held) != 1 {
		t.Errorf("the address is held by %v (%v), want it kept until the edge let go of it", held, err)
	}
	w.serve()
	w.reconcile(true)
	if held, err := w.store.ReservationsOf(ctx, in.ContainerID); err != nil || len(held) != 1 {
		t.Errorf("the address is held by %v (%v), want a dry run to keep it", held, err)
	}
	w.reconcile(false)
	if held, err := w.store.ReservationsOf(ctx, in.ContainerID); err != nil || len(held) != 0 {
		t.Errorf("the address is still held by %v (%v), though no edge serves it", held, err)
	}
}
