package activities_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"berth/domain"
)

func TestAwaitServedWaitsForTheEdges(t *testing.T) {
	w := newWorld(t)
	in := w.request("web01", nil)
	begun := step(t, w.set.Records.Begin, in)
	done := make(chan error, 1)
	go func() {
		_, err := perform(t, w.set.Network.AwaitServed, domain.RevisionInput{OperationInput: in, SiteID: begun.SiteID, Revision: begun.Revision})
		done <- err
	}()
	eventually(t, "the network is asked to be published", func() bool {
		w.starter.mu.Lock()
		defer w.starter.mu.Unlock()
		return slices.Equal(w.starter.networks, []string{w.site.ID})
	})
	select {
	case err := <-done:
		t.Fatalf("ended with %v before any edge served it", err)
	default:
	}
	w.serve()
	w.must(<-done)
}

func TestAwaitReleasedFreesTheAddress(t *testing.T) {
	w := newWorld(t)
	in := w.request("web01", nil)
	first := w.container(in).Address
	released := step(t, w.set.Records.Release, domain.ReleaseInput{OperationInput: in})
	w.serve()
	step(t, w.set.Network.AwaitReleased, domain.RevisionInput{OperationInput: in, SiteID: w.site.ID, Revision: released.Revision})
	held, err := w.store.Reservations(t.Context(), w.site.ID)
	w.must(err)
	if len(held) != 0 {
		t.Errorf("still held is %+v, want name and address %s given back", held, first)
	}
	if next := w.container(w.request("web01", nil)); next.Name != "web01" {
		t.Errorf("the next container is called %s", next.Name)
	}
}

// TestImportLeavesTheCTRunning adopts a CT that Berth did not make, and gives it back.
func TestImportLeavesTheCTRunning(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	stranger := w.ready("web01")
	found := w.container(stranger)
	tags, none := []string{"by-hand"}, "kept words"
	w.must(w.client.Configure(ctx, "pve1", found.Placement.VMID, proxmoxMark(tags, none)))
	w.must(w.store.Unplace(ctx, found.ID))
	_, _, err := w.store.Release(ctx, found.ID)
	w.must(err)
	w.must(w.store.DropReleased(ctx, found.ID, 1<<40))
	w.must(w.store.DeleteContainer(ctx, found.ID))

	c := domain.Container{ID: domain.NewID(), Name: "web01", SiteID: w.site.ID, Owner: "anna", State: domain.ContainerProvisioning, Spec: w.spec()}
	w.must(w.store.CreateContainer(ctx, &c))
	_, err = w.store.PlaceAs(ctx, c, w.nodes[0].ID, found.Placement.VMID, "imported")
	w.must(err)
	in := w.operation(c.ID, domain.OpImport, domain.OperationParams{})
	for range 2 { // it may run again
		step(t, w.set.Proxmox.Adopt, in)
	}
	got := w.container(in)
	if got.Address != found.Address || !domain.SameMAC(got.MAC, found.MAC) || got.Power != domain.PowerRunning || got.Unmanaged {
		t.Errorf("adopted as %+v, want address and MAC of %+v", got, found)
	}
	config, err := w.client.Config(ctx, "pve1", found.Placement.VMID)
	w.must(err)
	if !slices.Contains(config.Tags, "by-hand") || !strings.Contains(config.Description, "kept words") || w.created(c.ID) != 1 {
		t.Errorf("marked as %v, %q; want our marker beside what was there", config.Tags, config.Description)
	}
	status, err := w.client.Status(ctx, "pve1", found.Placement.VMID)
	w.must(err)
	if !status.Running {
		t.Error("the CT was stopped by the import")
	}
	for range 2 {
		step(t, w.set.Proxmox.Disown, in)
	}
	config, err = w.client.Config(ctx, "pve1", found.Placement.VMID)
	w.must(err)
	if !slices.Equal(config.Tags, tags) || strings.TrimSpace(config.Description) != none {
		t.Errorf("given back as %v, %q; want it as it was found", config.Tags, config.Description)
	}
}

func TestFinishEndsTheOperation(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	in := w.request("web01", nil)
	step(t, w.set.Records.Begin, in)
	if got, err := w.store.Operation(ctx, in.OperationID); err != nil || got.State != domain.OpRunning || got.RunID == "" || time.Since(got.StartedAt) > time.Minute {
		t.Errorf("began as %+v (%v), want it running under its run", got, err)
	}
	waiting := w.operation(in.ContainerID, domain.OpDelete, domain.OperationParams{})
	w.must(w.store.ModifyOperation(ctx, waiting.OperationID, func(o *domain.Operation) error {
		o.State = domain.OpWaiting
		return nil
	}))
	step(t, w.set.Records.Finish, domain.FinishInput{
		OperationInput: in, Result: domain.OpFailed, After: domain.ContainerFailed, Step: "start", Message: "It does not boot.", ErrorKind: "permanent",
	})
	op, err := w.store.Operation(ctx, in.OperationID)
	w.must(err)
	c := w.container(in)
	if op.State != domain.OpFailed || op.Step != "start" || op.Message != "It does not boot." || op.EndedAt.IsZero() {
		t.Errorf("the operation ended as %+v", op)
	}
	if c.State != domain.ContainerFailed || c.Message != "It does not boot." || c.Operation != waiting.OperationID {
		t.Errorf("the container is %s (%s) under operation %s, want it failed and still held by the delete that waits", c.State, c.Message, c.Operation)
	}
	next := step(t, w.set.Records.NextInLine, in)
	if next.OperationID != waiting.OperationID || next.Actor != "user:anna" {
		t.Errorf("next in line is %+v, want the delete", next)
	}
}
