package app_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"berth/app"
	"berth/domain"
)

func TestCreateReservesAndStarts(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, op, err := w.Containers.Create(ctx, anna, wants("web01"), "")
	must(t, err)
	if c.Address != "10.20.10.20" || c.MAC == "" || c.Owner != "anna" || c.State != domain.ContainerProvisioning || c.Operation != op.ID {
		t.Errorf("the container is %+v", c)
	}
	if c.Spec.Image != "docker.io/library/debian:12" || c.Spec.Cores != domain.DefaultCores {
		t.Errorf("the spec lacks what was left out: %+v", c.Spec)
	}
	if value, ok := c.Spec.Env["PASSWORD"]; !ok || value != "" {
		t.Errorf("the answer's environment is %v, want the name alone", c.Spec.Env)
	}
	stored, err := w.db.Container(ctx, c.ID)
	must(t, err)
	if stored.Spec.Env["PASSWORD"] != "hush-env" {
		t.Error("the value of the environment was not stored")
	}
	if op.State != domain.OpPending || op.Kind != domain.OpProvision || op.Actor != "user:anna" {
		t.Errorf("the operation is %+v", op)
	}
	want := domain.OperationInput{
		OperationID: op.ID, ContainerID: c.ID, Kind: domain.OpProvision, Actor: "user:anna", Container: "web01", Site: "demo", Owner: "anna",
	}
	if len(w.flows.started) != 1 || w.flows.started[0] != want {
		t.Errorf("started %+v, want %+v", w.flows.started, want)
	}
	if !slices.Contains(w.flows.published, w.site.ID) {
		t.Error("the network was not published")
	}
	trail := w.trail(t, "container.create")
	if len(trail) != 1 || trail[0].Outcome != "ok" || trail[0].Source != anna.Source || trail[0].ResourceID != c.ID {
		t.Errorf("the audit trail is %+v", trail)
	}
}

func TestCreateListsEveryOffendingField(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.Containers.Create(t.Context(), anna, app.ContainerInput{
		Name: "No Host", Site: "demo", Node: "nowhere", Spec: domain.Spec{
			Image: "UPPER", Cores: -1, MemoryMiB: 1, SwapMiB: -1, DiskGiB: -1, Entrypoint: "\x00",
			Env: map[string]string{"1X": "v", "LINES": "hush\nhush"},
		},
	}, "")
	wantKind(t, err, domain.Invalid)
	var known *domain.Error
	errors.As(err, &known)
	var got []string
	for _, f := range known.Fields {
		got = append(got, f.Field)
	}
	want := []string{"cores", "diskGiB", "entrypoint", "env.1X", "env.LINES", "image", "memoryMiB", "name", "node", "swapMiB"}
	if !slices.Equal(got, want) {
		t.Errorf("offending fields are %v, want %v", got, want)
	}
	if strings.Contains(err.Error(), "hush") {
		t.Errorf("the error tells a value of the environment: %v", err)
	}
	if trail := w.trail(t, "container.create"); len(trail) != 1 || trail[0].Outcome != "invalid" || strings.Contains(trail[0].Detail, "hush") {
		t.Errorf("the audit trail is %+v", trail)
	}
}

func TestCreateNeedsASiteWhenThereAreSeveral(t *testing.T) {
	w := newWorld(t)
	in := wants("web01")
	in.Site = ""
	_, _, err := w.Containers.Create(t.Context(), anna, in, "")
	must(t, err)
	_, err = w.Sites.Create(t.Context(), root, demo("other", 11))
	must(t, err)
	in.Name = "web02"
	_, _, err = w.Containers.Create(t.Context(), anna, in, "")
	wantKind(t, err, domain.Invalid)
	if !strings.Contains(err.Error(), "demo, other") {
		t.Errorf("the error does not list the sites: %v", err)
	}
}

func TestCreateForOthers(t *testing.T) {
	w := newWorld(t)
	in := wants("web01")
	in.Owner = "bob"
	_, _, err := w.Containers.Create(t.Context(), anna, in, "")
	wantKind(t, err, domain.Forbidden)
	c, _, err := w.Containers.Create(t.Context(), root, in, "")
	must(t, err)
	if c.Owner != "bob" {
		t.Errorf("the owner is %s, want bob", c.Owner)
	}
	in.Name, in.Owner = "web02", "ghost"
	_, _, err = w.Containers.Create(t.Context(), root, in, "")
	wantKind(t, err, domain.Invalid)
}

func TestRepeatedRequestGetsTheSameAnswer(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, op, err := w.Containers.Create(ctx, anna, wants("web01"), "key-1")
	must(t, err)
	again, sameOp, err := w.Containers.Create(ctx, changer, wants("web01"), "key-1")
	must(t, err)
	if again.ID != c.ID || sameOp.ID != op.ID || again.Spec.Env["PASSWORD"] != "" {
		t.Errorf("the repeated request got %s and %s, want %s and %s", again.ID, sameOp.ID, c.ID, op.ID)
	}
	_, _, err = w.Containers.Create(ctx, anna, wants("web02"), "key-1")
	wantKind(t, err, domain.Conflict)
	_, _, err = w.Containers.Create(ctx, bob, wants("web03"), "key-1")
	must(t, err) // bob's keys are bob's

	w.finish(t, c.ID, domain.ContainerReady)
	first, err := w.Containers.Delete(ctx, anna, "web01", "", false, "key-2")
	must(t, err)
	w.finish(t, c.ID, domain.ContainerFailed)
	must(t, w.db.DeleteContainer(ctx, c.ID))
	second, err := w.Containers.Delete(ctx, anna, "web01", "", false, "key-2")
	must(t, err)
	if second.ID != first.ID {
		t.Error("the repeated delete of what is gone got another operation")
	}
	_, _, err = w.Containers.Create(ctx, anna, wants("web01"), "key-1")
	wantKind(t, err, domain.NotFound)
}

func TestTwinsWithOneKeyMakeOneContainer(t *testing.T) {
	w := newWorld(t)
	ids := together(t, 10, func(int) (string, error) {
		c, _, err := w.Containers.Create(context.Background(), anna, wants("web01"), "twin")
		return c.ID, err
	})
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) != 1 {
		t.Errorf("ten requests with one key made %d containers", len(ids))
	}
}

func TestHundredAtOnceGetAddressesOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	held := together(t, 100, func(i int) (string, error) {
		c, _, err := w.Containers.Create(context.Background(), anna, wants(fmt.Sprintf("web%03d", i)), "")
		return c.Address + " " + c.MAC, err
	})
	addresses, macs := map[string]bool{}, map[string]bool{}
	for _, h := range held {
		address, mac, _ := strings.Cut(h, " ")
		addresses[address], macs[mac] = true, true
	}
	if len(addresses) != 100 || len(macs) != 100 || len(w.flows.started) != 100 {
		t.Errorf("%d addresses, %d MACs, %d workflows; want 100 of each", len(addresses), len(macs), len(w.flows.started))
	}
}

func TestOfTwoOperationsOneIsBusy(t *testing.T) {
	w := newWorld(t)
	c := w.ready(t, anna, "web01")
	var mu sync.Mutex
	var begun, stood []string
	together(t, 8, func(int) (string, error) {
		op, err := w.Containers.Power(context.Background(), anna, c.ID, "", app.PowerInput{Action: domain.ActionReboot}, "")
		mu.Lock()
		defer mu.Unlock()
		var known *domain.Error
		if errors.As(err, &known) && known.Kind == domain.Busy {
			stood = append(stood, known.Operation)
			return "", nil
		}
		begun = append(begun, op.ID)
		return "", err
	})
	if len(begun) != 1 || len(stood) != 7 {
		t.Fatalf("%d operations began and %d were Busy, want 1 and 7", len(begun), len(stood))
	}
	for _, id := range stood {
		if id != begun[0] {
			t.Errorf("Busy names operation %q, want %s", id, begun[0])
		}
	}
}

func TestWhatCannotBeStartedStaysPending(t *testing.T) {
	w := newWorld(t)
	w.flows.failStart = func(int) error { return domain.Errorf(domain.Unavailable, "Temporal is away") }
	_, op, err := w.Containers.Create(t.Context(), anna, wants("web01"), "")
	must(t, err)
	op, err = w.Operations.Get(t.Context(), anna, op.ID)
	must(t, err)
	if op.State != domain.OpPending {
		t.Errorf("the operation is %s, want pending", op.State)
	}
}

func TestStartWaitsForTheFormerRunToClose(t *testing.T) {
	w := newWorld(t)
	w.flows.failStart = func(n int) error {
		if n < 3 {
			return domain.Errorf(domain.Busy, "still open")
		}
		return nil
	}
	_, op, err := w.Containers.Create(t.Context(), anna, wants("web01"), "")
	must(t, err)
	if w.flows.startedOf(op.ID) != 1 {
		t.Error("the operation was not started once the former run had closed")
	}
	w.flows.failStart = func(int) error { return domain.Errorf(domain.Busy, "open for good") }
	_, _, err = w.Containers.Create(t.Context(), anna, wants("web02"), "")
	must(t, err) // it gives up, and the reconciler goes on
}

func TestQuota(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.Quotas.Set(ctx, root, "anna", app.QuotaInput{Containers: 2, MemoryMiB: 1200})
	must(t, err)
	c := w.ready(t, anna, "web01")
	_, _, err = w.Containers.Update(ctx, anna, c.ID, "", app.ContainerPatch{MemoryMiB: ptr(2000)}, 0, "")
	wantKind(t, err, domain.Limited)
	w.create(t, anna, "web02")
	_, _, err = w.Containers.Create(ctx, anna, wants("web03"), "")
	wantKind(t, err, domain.Limited)
	q, used, err := w.Quotas.Get(ctx, anna, "anna")
	must(t, err)
	if q.Containers != 2 || used.Containers != 2 || used.MemoryMiB != 1024 {
		t.Errorf("quota %+v, used %+v", q, used)
	}
	w.create(t, bob, "web04") // bob has no limit
}

func TestQuotaUnderManyRequests(t *testing.T) {
	w := newWorld(t)
	_, err := w.Quotas.Set(t.Context(), root, "", app.QuotaInput{Containers: 3})
	must(t, err)
	made := together(t, 20, func(i int) (string, error) {
		c, _, err := w.Containers.Create(context.Background(), anna, wants(fmt.Sprintf("web%02d", i)), "")
		if domain.Is(err, domain.Limited) {
			return "", nil
		}
		return c.ID, err
	})
	if n := len(slices.DeleteFunc(made, func(id string) bool { return id == "" })); n != 3 {
		t.Errorf("%d containers were made, the quota allows 3", n)
	}
}

func TestNames(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	_, err := w.Sites.Create(ctx, root, demo("other", 11))
	must(t, err)
	here := w.create(t, anna, "web01")
	in := wants("web01")
	in.Site = "other"
	there, _, err := w.Containers.Create(ctx, bob, in, "")
	must(t, err)

	got, err := w.Containers.Get(ctx, anna, "web01", "")
	must(t, err) // bob's is no match for anna
	if got.ID != here.ID {
		t.Error("anna got bob's container")
	}
	_, err = w.Containers.Get(ctx, root, "web01", "")
	wantKind(t, err, domain.Conflict)
	if !strings.Contains(err.Error(), "demo/web01, other/web01") {
		t.Errorf("the error does not list the matches: %v", err)
	}
	got, err = w.Containers.Get(ctx, root, "web01", "other")
	must(t, err)
	if got.ID != there.ID {
		t.Error("a name with a site found another container")
	}
	got, err = w.Containers.Get(ctx, root, here.ID, "")
	must(t, err)
	if got.ID != here.ID {
		t.Error("an ID found another container")
	}
	_, err = w.Containers.Get(ctx, root, here.ID, "other")
	wantKind(t, err, domain.NotFound)
	w.create(t, anna, "web012") // shares a prefix
	_, err = w.Containers.Get(ctx, anna, "web01", "")
	must(t, err)
	in.Name = "web01"
	_, _, err = w.Containers.Create(ctx, anna, in, "")
	wantKind(t, err, domain.Conflict)

	in = wants("web02")
	in.Site = "other"
	_, _, err = w.Containers.Create(ctx, anna, in, "")
	must(t, err)
	w.create(t, anna, "web02")
	_, err = w.Containers.Get(ctx, anna, "web02", "")
	wantKind(t, err, domain.Conflict)
	if !strings.Contains(err.Error(), "demo/web02, other/web02") {
		t.Errorf("the error does not list the matches: %v", err)
	}
}

func TestListShowsOwnContainers(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.create(t, anna, "web01")
	w.create(t, bob, "web02")
	for _, c := range []struct {
		actor domain.Actor
		owner string
		want  int
	}{{anna, "", 1}, {anna, "anna", 1}, {anna, "bob", 0}, {root, "", 2}, {root, "bob", 1}} {
		found, err := w.Containers.List(ctx, c.actor, app.ContainerFilter{Owner: c.owner}, app.Page{})
		must(t, err)
		if len(found.Items) != c.want {
			t.Errorf("%s sees %d containers of %q, want %d", c.actor, len(found.Items), c.owner, c.want)
		}
	}
	ops, err := w.Operations.List(ctx, anna, app.OperationFilter{}, app.Page{Limit: 1})
	must(t, err)
	if len(ops.Items) != 1 || ops.Items[0].ResourceName != "web01" {
		t.Errorf("anna sees the operations %+v", ops.Items)
	}
}

// together calls do n times at once and returns what it returned; errors fail the test.
func together(t *testing.T, n int, do func(i int) (string, error)) []string {
	t.Helper()
	out := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			var err error
			if out[i], err = do(i); err != nil {
				t.Errorf("request %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	return out
}

func ptr[T any](v T) *T { return &v }
