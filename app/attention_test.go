package app_test

import (
	"strings"
	"testing"

	"berth/app"
	"berth/domain"
)

func TestRetryOfAProvisionThatLeftSomething(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, op := w.quarantined(t, "web01")
	_, err := w.Operations.Retry(ctx, anna, op.ID)
	wantKind(t, err, domain.Conflict)
	if !strings.Contains(err.Error(), "berth quarantine release "+op.ID) {
		t.Errorf("the refusal does not say what to do: %v", err)
	}
	_, err = w.Operations.Retry(ctx, bob, op.ID)
	wantKind(t, err, domain.NotFound)
	_, err = w.Quarantines.Release(ctx, root, op.ID, false)
	must(t, err)
	_, err = w.Quotas.Set(ctx, root, "anna", app.QuotaInput{Containers: 1}) // which this container takes up already
	must(t, err)
	again, err := w.Operations.Retry(ctx, anna, op.ID)
	must(t, err)
	if again.Kind != domain.OpProvision || again.ID == op.ID || w.flows.startedOf(again.ID) != 1 {
		t.Errorf("the retry is %+v", again)
	}
	c, err = w.Containers.Get(ctx, anna, c.ID, "")
	must(t, err)
	if c.State != domain.ContainerProvisioning || c.Address == "" || c.Message != "" {
		t.Errorf("the container is %+v", c)
	}
	_, err = w.Operations.Retry(ctx, anna, op.ID)
	wantKind(t, err, domain.Busy)
}

func TestRetryOfAReconfigureThatCouldNotGoBack(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.ready(t, anna, "web01")
	_, op, err := w.Containers.Update(ctx, anna, c.ID, "", app.ContainerPatch{MemoryMiB: ptr(1024)}, 0, "")
	must(t, err)
	must(t, w.db.ModifyContainer(ctx, c.ID, func(c *domain.Container) error { // the undo took it back in SQL, and no further
		op.Params.Before.Restore(c)
		return nil
	}))
	w.attention(t, c.ID, op.ID)
	_, err = w.Containers.Power(ctx, anna, c.ID, "", app.PowerInput{Action: domain.ActionStart}, "")
	wantKind(t, err, domain.Conflict)
	again, err := w.Operations.Retry(ctx, anna, op.ID)
	must(t, err)
	if again.Kind != domain.OpReconfigure || *again.Params.Reconfigure.MemoryMiB != 1024 || again.Params.Before == nil {
		t.Errorf("the retry is %+v", again)
	}
	c, err = w.Containers.Get(ctx, anna, c.ID, "")
	must(t, err)
	if c.Spec.MemoryMiB != 1024 || c.State != domain.ContainerReady {
		t.Errorf("the container wants %d MiB and is %s", c.Spec.MemoryMiB, c.State)
	}
}

func TestRetryOfADeleteThatCouldNotEnd(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.ready(t, anna, "web01")
	op, err := w.Containers.Delete(ctx, root, c.ID, "", true, "")
	must(t, err)
	w.attention(t, c.ID, op.ID)
	_, err = w.Containers.Retry(ctx, anna, c.ID, "", "") // forgetting is for administrators, also again
	wantKind(t, err, domain.Forbidden)
	again, err := w.Containers.Retry(ctx, root, c.ID, "", "")
	must(t, err)
	if again.Kind != domain.OpDelete || !again.Params.Forget {
		t.Errorf("the retry is %+v", again)
	}
}

func TestContainerThatNeedsAttentionCanBeDeleted(t *testing.T) {
	w := newWorld(t)
	c, _ := w.quarantined(t, "web01")
	op, err := w.Containers.Delete(t.Context(), anna, c.ID, "", false, "")
	must(t, err)
	if op.State != domain.OpPending {
		t.Errorf("the delete is %+v", op)
	}
}
