package activities_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/proxmox"
	"berth/store"
)

// byHand runs a task of Proxmox VE behind Berth's back.
func (w *world) byHand(start func(ctx context.Context) (proxmox.TaskRef, error)) {
	w.t.Helper()
	ctx := w.t.Context()
	task, err := start(ctx)
	w.must(err)
	_, err = w.client.Wait(ctx, task, time.Minute, nil)
	w.must(err)
}

// destroyByHand removes a CT behind Berth's back.
func (w *world) destroyByHand(c domain.Container) {
	w.t.Helper()
	w.byHand(func(ctx context.Context) (proxmox.TaskRef, error) {
		return w.client.DestroyOurs(ctx, c.Placement.Node, c.Placement.VMID, c.ID)
	})
}

func TestACTThatVanishedIsMarkedMissing(t *testing.T) {
	w := newWorld(t)
	in := w.ready("web01")
	w.destroyByHand(w.container(in))
	if got := repair(t, w.reconcile(true), "CT vanished"); got.Action != "would mark it missing" {
		t.Errorf("a dry run says %q", got.Action)
	}
	if got := w.container(in).State; got != domain.ContainerReady {
		t.Errorf("a dry run made the container %s", got)
	}
	repair(t, w.reconcile(false), "CT vanished")
	c := w.container(in)
	if c.State != domain.ContainerMissing || !strings.Contains(c.Message, "CT 20000 is no longer on node pve1") {
		t.Errorf("the container is %s (%s), want missing, with what to do", c.State, c.Message)
	}
	if again := w.reconcile(false); len(again.Repairs) != 1 { // the network, which nobody publishes here
		t.Errorf("the next pass repairs %+v, want the missing CT told once", again.Repairs)
	}
}

func TestAStoppedCTIsStartedByAnOperation(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	in := w.ready("web01")
	c := w.container(in)
	w.byHand(func(ctx context.Context) (proxmox.TaskRef, error) {
		return w.client.Stop(ctx, "pve1", c.Placement.VMID)
	})
	if got := repair(t, w.reconcile(true), "stopped, should run"); got.Action != "would start it" || len(w.starter.started) != 0 {
		t.Errorf("a dry run says %q and started %v", got.Action, w.starter.started)
	}
	repair(t, w.reconcile(false), "stopped, should run")
	if len(w.starter.started) != 1 {
		t.Fatalf("started %+v, want one operation", w.starter.started)
	}
	op, err := w.store.Operation(ctx, w.starter.started[0].OperationID)
	w.must(err)
	if op.Kind != domain.OpPower || op.Params.Power != domain.ActionStart || !strings.Contains(op.Actor, "reconciler") {
		t.Errorf("the operation is %+v, want a start by the reconciler", op)
	}
	if got := w.container(in).Operation; got != op.ID {
		t.Errorf("the container is held by operation %q, want %q", got, op.ID)
	}
	w.wantAudited("stopped, should run: start it")
}

// wantAudited looks for a repair in the audit trail.
func (w *world) wantAudited(words string) {
	w.t.Helper()
	trail, _, err := w.store.Audit(w.t.Context(), store.AuditFilter{}, store.Page{Limit: store.MaxLimit})
	w.must(err)
	for _, line := range trail {
		if line.Action == "reconcile.repair" && strings.Contains(line.Detail, words) {
			return
		}
	}
	w.t.Errorf("the audit trail does not say %q: %+v", words, trail)
}

func TestWhoeverWantsItStoppedIsNotOverruled(t *testing.T) {
	w := newWorld(t)
	in := w.ready("web01")
	c := w.container(in)
	w.byHand(func(ctx context.Context) (proxmox.TaskRef, error) {
		return w.client.Stop(ctx, "pve1", c.Placement.VMID)
	})
	w.must(w.store.ModifyContainer(t.Context(), c.ID, func(c *domain.Container) error {
		c.WantPower = domain.PowerStopped
		return nil
	}))
	w.reconcile(false)
	if len(w.starter.started) != 0 {
		t.Errorf("started %+v, though it is to be stopped", w.starter.started)
	}
}

func TestStraysAndHandEditsAreReported(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	stray, edited := w.ready("web01"), w.ready("web02")
	lost := w.container(stray)
	w.must(w.store.Unplace(ctx, lost.ID))
	_, _, err := w.store.Release(ctx, lost.ID)
	w.must(err)
	w.must(w.store.DropReleased(ctx, lost.ID, 1<<40))
	w.must(w.store.DeleteContainer(ctx, lost.ID))
	memory, tags := 1024, []string{}
	w.must(w.client.Configure(ctx, "pve1", w.container(edited).Placement.VMID, proxmox.ConfigChange{MemoryMiB: &memory}))
	report := w.reconcile(false)
	if got := repair(t, report, "stray"); !strings.Contains(got.Subject, "CT 20000 on node pve1") || !strings.Contains(got.Detail, lost.ID) {
		t.Errorf("the stray is reported as %+v", got)
	}
	if got := repair(t, report, "changed by hand"); !strings.Contains(got.Detail, "memory is 1024, should be 256") {
		t.Errorf("the edit is reported as %+v", got)
	}
	if n := w.created(lost.ID); n != 1 {
		t.Errorf("the stray is there %d times, want it left alone", n)
	}

	// Without its marker a CT is never touched, not even started.
	c := w.container(edited)
	none := ""
	w.must(w.client.Configure(ctx, "pve1", c.Placement.VMID, proxmox.ConfigChange{Tags: &tags, Description: &none}))
	w.byHand(func(ctx context.Context) (proxmox.TaskRef, error) {
		return w.client.Stop(ctx, "pve1", c.Placement.VMID)
	})
	if got := repair(t, w.reconcile(false), "changed by hand"); !strings.Contains(got.Detail, "marker is gone") {
		t.Errorf("the lost marker is reported as %+v", got)
	}
	if len(w.starter.started) != 0 {
		t.Errorf("started %+v on a CT without marker", w.starter.started)
	}
}

// TestNothingIsConcludedFromANodeThatIsAway keeps containers of a dead node as they are.
func TestNothingIsConcludedFromANodeThatIsAway(t *testing.T) {
	w := newWorld(t)
	in := w.ready("web01")
	yes := true
	w.pve.SetQuorum(&yes)
	w.must(w.pve.SetNodeOnline(t.Context(), "pve1", false))
	w.reconcile(false)
	if c := w.container(in); c.State != domain.ContainerReady || len(w.starter.started) != 0 {
		t.Errorf("the container is %s and %v was started, want nothing concluded", c.State, w.starter.started)
	}
}
