package app_test

import (
	"strings"
	"testing"
	"time"

	"berth/app"
	"berth/domain"
	"berth/store"
)

func TestDeleteQueuesBehindWhatRuns(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, provision, err := w.Containers.Create(ctx, anna, wants("web01"), "")
	must(t, err)
	w.running(t, provision.ID, "run-1")
	op, err := w.Containers.Delete(ctx, anna, "web01", "", false, "")
	must(t, err)
	if op.State != domain.OpWaiting || op.Kind != domain.OpDelete {
		t.Errorf("the delete is %+v, want it to wait", op)
	}
	provision, err = w.Operations.Get(ctx, anna, provision.ID)
	must(t, err)
	if !provision.CancelAsked || !w.flows.wasCancelled("run-1") {
		t.Error("what runs was not asked to cancel")
	}
	if w.flows.startedOf(op.ID) != 0 {
		t.Error("the waiting delete was started")
	}
	_, err = w.Containers.Delete(ctx, anna, "web01", "", false, "")
	wantKind(t, err, domain.Busy)

	op, err = w.Operations.Cancel(ctx, anna, op.ID)
	must(t, err)
	if op.State != domain.OpCancelled || op.EndedAt.IsZero() {
		t.Errorf("the cancelled delete is %+v", op)
	}
	c, err = w.Containers.Get(ctx, anna, c.ID, "")
	must(t, err)
	if c.Operation != provision.ID {
		t.Error("the container does not point to what runs any more")
	}
}

func TestDeleteBehindWhatNobodyTookUp(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.flows.failStart = func(n int) error {
		if n == 1 {
			return domain.Errorf(domain.Unavailable, "Temporal is away")
		}
		return nil
	}
	_, provision, err := w.Containers.Create(ctx, anna, wants("web01"), "")
	must(t, err)
	op, err := w.Containers.Delete(ctx, anna, "web01", "", false, "")
	must(t, err)
	if op.State != domain.OpWaiting || w.flows.startedOf(provision.ID) != 1 || len(w.flows.cancelled) != 0 {
		t.Errorf("the delete is %s; the pending operation should have been started, to find that it is to cancel", op.State)
	}
}

func TestDeleteOfAnIdleContainerStarts(t *testing.T) {
	w := newWorld(t)
	c := w.ready(t, anna, "web01")
	_, err := w.Containers.Delete(t.Context(), anna, c.ID, "", true, "")
	wantKind(t, err, domain.Forbidden)
	op, err := w.Containers.Delete(t.Context(), anna, c.ID, "", false, "")
	must(t, err)
	if op.State != domain.OpPending || w.flows.startedOf(op.ID) != 1 {
		t.Errorf("the delete is %s and was started %d times", op.State, w.flows.startedOf(op.ID))
	}
	w.running(t, op.ID, "run-9")
	_, err = w.Operations.Cancel(t.Context(), anna, op.ID)
	wantKind(t, err, domain.Conflict)
	forgetting, err := w.Containers.Delete(t.Context(), root, c.ID, "", true, "")
	must(t, err)
	if forgetting.State != domain.OpWaiting || !forgetting.Params.Forget || len(w.flows.cancelled) != 0 {
		t.Errorf("a delete that forgets waits behind one that is stuck; it is %+v", forgetting)
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, op, err := w.Containers.Create(ctx, anna, wants("web01"), "")
	must(t, err)
	w.running(t, op.ID, "run-1")
	op, err = w.Operations.Cancel(ctx, anna, op.ID)
	must(t, err)
	if !op.CancelAsked || !w.flows.wasCancelled("run-1") {
		t.Error("the run was not asked to cancel")
	}
	w.finish(t, c.ID, domain.ContainerFailed)
	_, err = w.Operations.Cancel(ctx, anna, op.ID)
	wantKind(t, err, domain.Conflict)
}

func TestRetryOfAFailedContainer(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, op, err := w.Containers.Create(ctx, anna, wants("web01"), "")
	must(t, err)
	_, err = w.Containers.Retry(ctx, anna, "web01", "", "")
	wantKind(t, err, domain.Busy)
	w.finish(t, c.ID, domain.ContainerFailed)
	_, err = w.Containers.Power(ctx, anna, "web01", "", app.PowerInput{Action: domain.ActionStart}, "")
	wantKind(t, err, domain.Conflict)
	changed, none, err := w.Containers.Update(ctx, anna, "web01", "", app.ContainerPatch{MemoryMiB: ptr(1024)}, 0, "")
	must(t, err)
	if none != nil || changed.Spec.MemoryMiB != 1024 {
		t.Error("a failed container takes new values for its next try, without an operation")
	}
	again, err := w.Operations.Retry(ctx, anna, op.ID)
	must(t, err)
	c, err = w.Containers.Get(ctx, anna, c.ID, "")
	must(t, err)
	if again.Kind != domain.OpProvision || again.ID == op.ID || c.State != domain.ContainerProvisioning || c.Address == "" {
		t.Errorf("after the retry the operation is %+v and the container %+v", again, c)
	}
	if w.flows.startedOf(again.ID) != 1 {
		t.Error("the retry was not started")
	}
}

func TestUpdate(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.ready(t, anna, "web01")
	w.create(t, bob, "taken")
	for name, p := range map[string]struct {
		patch   app.ContainerPatch
		ifMatch int64
		want    domain.Kind
		says    string
	}{
		"environment without restart": {app.ContainerPatch{Env: map[string]*string{"A": ptr("b")}}, 0, domain.Conflict, "a new environment"},
		"entrypoint without restart":  {app.ContainerPatch{Entrypoint: ptr("/bin/x")}, 0, domain.Conflict, "a new entrypoint"},
		"smaller disk":                {app.ContainerPatch{DiskGiB: ptr(1)}, 0, domain.Invalid, "only grows"},
		"bad values":                  {app.ContainerPatch{MemoryMiB: ptr(1), Name: ptr("A B")}, 0, domain.Invalid, "memoryMiB"},
		"taken name":                  {app.ContainerPatch{Name: ptr("taken")}, 0, domain.Conflict, "taken"},
		"changed meanwhile":           {app.ContainerPatch{Cores: ptr(2)}, c.Version + 7, domain.Precondition, ""},
	} {
		_, _, err := w.Containers.Update(ctx, anna, c.ID, "", p.patch, p.ifMatch, "")
		if !domain.Is(err, p.want) || !strings.Contains(err.Error(), p.says) {
			t.Errorf("%s: error is %v, want %s with %q", name, err, p.want, p.says)
		}
	}
	same, none, err := w.Containers.Update(ctx, anna, c.ID, "", app.ContainerPatch{Cores: ptr(c.Spec.Cores)}, 0, "")
	must(t, err)
	if none != nil || same.Spec.Cores != c.Spec.Cores {
		t.Error("a change that changes nothing began an operation")
	}
	got, op, err := w.Containers.Update(ctx, anna, c.ID, "", app.ContainerPatch{
		Name: ptr("web02"), MemoryMiB: ptr(768), DiskGiB: ptr(8), Restart: true,
		Env: map[string]*string{"PASSWORD": nil, "TOKEN": ptr("hush-new")},
	}, same.Version, "")
	must(t, err)
	if op == nil || op.Kind != domain.OpReconfigure || op.Params.Before == nil || *op.Params.Before.Name != "web01" {
		t.Fatalf("the operation is %+v", op)
	}
	r := op.Params.Reconfigure
	if *r.Name != "web02" || *r.MemoryMiB != 768 || *r.DiskGiB != 8 || !r.Env || r.Entrypoint || !r.Restart || r.Cores != nil {
		t.Errorf("the change is %+v", r)
	}
	if got.Name != "web01" || got.Spec.MemoryMiB != 768 || len(got.Spec.Env) != 1 {
		t.Errorf("the container is %+v: the name changes when the workflow gets there, the rest at once", got)
	}
	stored, err := w.db.Container(ctx, c.ID)
	must(t, err)
	if stored.Spec.Env["TOKEN"] != "hush-new" {
		t.Error("the new environment was not stored")
	}
	_, err = w.Operations.Retry(ctx, anna, op.ID)
	wantKind(t, err, domain.Conflict) // it has not ended
}

func TestStoppedContainersNeedNoRestart(t *testing.T) {
	w := newWorld(t)
	c := w.ready(t, anna, "web01")
	must(t, w.db.ObservePower(t.Context(), c.ID, domain.PowerStopped))
	_, op, err := w.Containers.Update(t.Context(), anna, c.ID, "", app.ContainerPatch{Entrypoint: ptr("/bin/x")}, 0, "")
	must(t, err)
	if op == nil || !op.Params.Reconfigure.Entrypoint {
		t.Errorf("the operation is %+v", op)
	}
}

func TestPower(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.ready(t, anna, "web01")
	for _, bad := range []app.PowerInput{
		{Action: "explode"},
		{Action: domain.ActionShutdown, Timeout: -time.Second},
		{Action: domain.ActionReboot, Force: true},
		{Action: domain.ActionShutdown, Timeout: 2 * time.Hour},
	} {
		_, err := w.Containers.Power(ctx, anna, c.ID, "", bad, "")
		wantKind(t, err, domain.Invalid)
	}
	op, err := w.Containers.Power(ctx, anna, c.ID, "", app.PowerInput{Action: domain.ActionShutdown, Timeout: time.Minute, Force: true}, "")
	must(t, err)
	if op.Params.Power != domain.ActionShutdown || op.Params.Timeout != 60 || !op.Params.Force {
		t.Errorf("the operation is %+v", op)
	}
	c, err = w.Containers.Get(ctx, anna, c.ID, "")
	must(t, err)
	if c.WantPower != domain.PowerStopped {
		t.Error("what the owner asked for was not noted")
	}
}

func TestImport(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, bad := range []struct {
		in   app.ImportInput
		want domain.Kind
	}{
		{app.ImportInput{Node: "nowhere", VMID: 1}, domain.Invalid},
		{app.ImportInput{Node: "pve1", VMID: 999}, domain.Invalid},
		{app.ImportInput{Node: "pve1", VMID: 20000}, domain.Conflict},
		{app.ImportInput{Node: "pve1", VMID: 105, Name: "A B"}, domain.Invalid},
	} {
		_, _, err := w.Containers.Import(ctx, root, bad.in, "")
		wantKind(t, err, bad.want)
	}
	c, op, err := w.Containers.Import(ctx, root, app.ImportInput{Node: "pve1", VMID: 105, Owner: "anna"}, "once")
	must(t, err)
	if c.Name != "legacy" || c.Owner != "anna" || c.Placement.VMID != 105 || c.Placement.Node != "pve1" || op.Params.Import.VMID != 105 {
		t.Errorf("the container is %+v, the operation %+v", c, op)
	}
	w.pve.guests[0].Managed = true
	again, _, err := w.Containers.Import(ctx, root, app.ImportInput{Node: "pve1", VMID: 105, Owner: "anna"}, "once")
	must(t, err)
	if again.ID != c.ID {
		t.Error("the repeated import made another container")
	}
	w.finish(t, c.ID, domain.ContainerFailed)
	retried, err := w.Containers.Retry(ctx, anna, c.ID, "", "")
	must(t, err)
	if retried.Kind != domain.OpImport || retried.Params.Import == nil || retried.Params.Import.VMID != 105 {
		t.Errorf("the retry of an import is %+v", retried)
	}
}

func TestOwnersFollowTheirDeleteToTheEnd(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.ready(t, anna, "web01")
	op, err := w.Containers.Delete(ctx, anna, c.ID, "", false, "")
	must(t, err)
	updates, err := w.Operations.Watch(ctx, anna, op.ID, 0)
	must(t, err)
	must(t, w.db.AddEvent(ctx, op.ID, "destroy", "info", "Removes it."))
	w.finish(t, c.ID, domain.ContainerFailed)
	must(t, w.db.DeleteContainer(ctx, c.ID))
	var lines []string
	var last app.OperationUpdate
	deadline := time.After(10 * time.Second)
	for open := true; open; {
		select {
		case u, ok := <-updates:
			if open = ok; !ok {
				break
			}
			if last = u; u.Event != nil {
				lines = append(lines, u.Event.Message)
			}
		case <-deadline:
			t.Fatal("the watch did not end with the operation")
		}
	}
	if len(lines) != 1 || last.Operation == nil || last.Operation.State != domain.OpFailed {
		t.Errorf("watched the lines %v and %+v last", lines, last)
	}
	_, err = w.Operations.Get(ctx, anna, op.ID)
	must(t, err)
	_, err = w.Operations.Get(ctx, bob, op.ID)
	wantKind(t, err, domain.NotFound)
	list, err := w.Operations.List(ctx, anna, app.OperationFilter{Container: c.ID}, app.Page{})
	must(t, err)
	if len(list.Items) != 2 || list.Items[0].ID != op.ID {
		t.Errorf("of the container that is gone anna sees %+v, want the provision and the delete that she asked for", list.Items)
	}
}

// TestSecretsStayInside looks for what was given as a secret in everything that is kept in the clear and told.
func TestSecretsStayInside(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.ready(t, anna, "web01")
	_, op, err := w.Containers.Update(ctx, anna, c.ID, "", app.ContainerPatch{
		Env: map[string]*string{"TOKEN": ptr("hush-new"), "BAD KEY": ptr("hush-bad")}, Restart: true,
	}, 0, "")
	wantKind(t, err, domain.Invalid)
	if op != nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("the error is %v", err)
	}
	_, err = w.Clusters.Update(ctx, root, "lab", app.ClusterPatch{Token: ptr(domain.Secret("hush-rotated"))}, 0)
	must(t, err)
	lab, err := w.Clusters.Get(ctx, root, "lab")
	must(t, err)
	if lab.Token != "" {
		t.Error("a cluster is answered with its secret")
	}
	kept, err := w.db.ClusterByName(ctx, "lab")
	must(t, err)
	if kept.Token.Reveal() != "hush-rotated" {
		t.Error("the new secret was not stored")
	}
	all, err := store.All(func(p store.Page) ([]domain.AuditEntry, string, error) {
		return w.db.Audit(ctx, store.AuditFilter{}, p)
	})
	must(t, err)
	token := w.tokens["edge1"].Reveal()
	for _, e := range all {
		if strings.Contains(e.Detail+e.Name, "hush") || strings.Contains(e.Detail+e.Name, token) {
			t.Errorf("the audit trail tells a secret: %+v", e)
		}
	}
}
