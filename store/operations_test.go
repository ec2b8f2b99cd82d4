package store_test

import (
	"fmt"
	"testing"
	"time"

	"berth/domain"
	"berth/store"

	"github.com/google/go-cmp/cmp"
)

func testOperations(t *testing.T, e *env) {
	cores := 4
	op := domain.Operation{
		Kind: domain.OpReconfigure, Resource: "container", ResourceID: "c1", ResourceName: "web01", SiteID: "s1", Actor: "user:anna",
		Params: domain.OperationParams{Reconfigure: &domain.Reconfigure{Cores: &cores, Restart: true}},
	}
	must(t, e.CreateOperation(e.ctx, &op))
	got, err := e.Operation(e.ctx, op.ID)
	must(t, err)
	if d := cmp.Diff(op, got); d != "" {
		t.Fatalf("operation as read (-written +read):\n%s", d)
	}
	waiting := domain.Operation{Kind: domain.OpDelete, Resource: "container", ResourceID: "c1", SiteID: "s1", State: domain.OpWaiting}
	must(t, e.CreateOperation(e.ctx, &waiting))
	must(t, e.ModifyOperation(e.ctx, op.ID, func(o *domain.Operation) error {
		o.State, o.RunID, o.StartedAt = domain.OpRunning, "run-1", e.clock.Now()
		return nil
	}))
	open, err := e.OpenOperationOf(e.ctx, "container", "c1")
	must(t, err)
	same(t, "open operation", open.ID, op.ID)
	same(t, "version", open.Version, 2)
	must(t, e.ModifyOperation(e.ctx, op.ID, func(o *domain.Operation) error { o.State = domain.OpSucceeded; return nil }))
	open, err = e.OpenOperationOf(e.ctx, "container", "c1")
	must(t, err)
	same(t, "open operation after the first ended", open.ID, waiting.ID)
	_, err = e.OpenOperationOf(e.ctx, "container", "c2")
	wantKind(t, err, domain.NotFound)

	for filter, n := range map[store.OperationFilter]int{
		{ResourceID: "c1"}:                          2,
		{ResourceID: "c1", Open: true}:              1,
		{State: domain.OpSucceeded, SiteID: "s1"}:   1,
		{Kind: domain.OpDelete, Resource: "node"}:   0,
		{Actor: "user:anna", Resource: "container"}: 1,
	} {
		list, _, err := e.Operations(e.ctx, filter, store.Page{})
		must(t, err)
		same(t, fmt.Sprintf("operations by %+v", filter), len(list), n)
	}
	testOperationsVisibleTo(t, e)
	list, next, err := e.Operations(e.ctx, store.OperationFilter{ResourceID: "c1"}, store.Page{Limit: 1})
	must(t, err)
	same(t, "newest", list[0].ID, waiting.ID)
	list, next, err = e.Operations(e.ctx, store.OperationFilter{ResourceID: "c1"}, store.Page{Limit: 1, Cursor: next})
	must(t, err)
	same(t, "second newest", list[0].ID, op.ID)
	same(t, "next", next, "")
}

func testEvents(t *testing.T, e *env) {
	op := domain.Operation{Kind: domain.OpPower, Resource: "container", ResourceID: "c1"}
	must(t, e.CreateOperation(e.ctx, &op))
	other := e.second(t)
	for _, err := range together(30, func(i int) error {
		at := e.Store
		if i%2 == 1 {
			at = other
		}
		return at.AddEvent(e.ctx, op.ID, "start", "info", fmt.Sprint("line ", i))
	}) {
		must(t, err)
	}
	events, err := e.Events(e.ctx, op.ID, 0)
	must(t, err)
	same(t, "events", len(events), 30)
	for i, ev := range events {
		same(t, "number", ev.Seq, int64(i+1))
	}
	events, err = e.Events(e.ctx, op.ID, 28)
	must(t, err)
	same(t, "events after the 28th", len(events), 2)
	wantKind(t, e.AddEvent(e.ctx, "none", "start", "info", "x"), domain.NotFound)
	must(t, e.ModifyOperation(e.ctx, op.ID, func(o *domain.Operation) error { o.Step = "start"; return nil }))
	must(t, e.AddEvent(e.ctx, op.ID, "start", "info", "after a change of the operation"))
	events, err = e.Events(e.ctx, op.ID, 30)
	must(t, err)
	same(t, "number after a change of the operation", events[0].Seq, 31)
}

func testIdempotency(t *testing.T, e *env) {
	_, found, err := e.Remembered(e.ctx, "user:anna", "key", "hash")
	must(t, err)
	same(t, "found before", found, false)
	stored := 0
	for _, err := range together(10, func(i int) error {
		return e.Remember(e.ctx, "user:anna", "key", "hash", fmt.Sprint("op", i), "c1")
	}) {
		if err == nil {
			stored++
		} else {
			wantKind(t, err, domain.Conflict)
			same(t, "offending field", fieldOf(err), "Idempotency-Key")
		}
	}
	same(t, "requests that were stored", stored, 1)
	must(t, e.Remember(e.ctx, "user:bert", "key", "hash", "op99", "c2"))
	r, found, err := e.Remembered(e.ctx, "user:anna", "key", "hash")
	must(t, err)
	same(t, "found", found, true)
	same(t, "resource", r.ResourceID, "c1")
	_, _, err = e.Remembered(e.ctx, "user:anna", "key", "another")
	wantKind(t, err, domain.Conflict)
	e.clock.advance(store.IdempotencyRetention + time.Minute)
	n, err := e.PruneIdempotency(e.ctx)
	must(t, err)
	same(t, "forgotten keys", n, 2)
}

func testAuditAndSettings(t *testing.T, e *env) {
	for i := range 5 {
		entry := domain.AuditEntry{Actor: "user:anna", Action: "container.create", Resource: "container", ResourceID: fmt.Sprint(i), Outcome: "ok"}
		must(t, e.AddAudit(e.ctx, &entry))
		same(t, "ID is given", entry.ID > 0, true)
	}
	must(t, e.AddAudit(e.ctx, &domain.AuditEntry{Actor: "user:bert", Action: "token.delete"}))
	var seen []string
	page := store.Page{Limit: 2}
	for {
		list, next, err := e.Audit(e.ctx, store.AuditFilter{Actor: "user:anna"}, page)
		must(t, err)
		for _, a := range list {
			seen = append(seen, a.ResourceID)
		}
		if page.Cursor = next; next == "" {
			break
		}
	}
	if d := cmp.Diff([]string{"4", "3", "2", "1", "0"}, seen); d != "" {
		t.Fatalf("audit, newest first (-want +got):\n%s", d)
	}

	var value struct{ A int }
	wantKind(t, e.Setting(e.ctx, "images", &value), domain.NotFound)
	value.A = 1
	must(t, e.SetSetting(e.ctx, "images", value))
	value.A = 2
	must(t, e.SetSetting(e.ctx, "images", value))
	value.A = 0
	must(t, e.Setting(e.ctx, "images", &value))
	same(t, "setting", value.A, 2)

	must(t, e.SetSecret(e.ctx, "ca", []byte("private key 1")))
	must(t, e.SetSecret(e.ctx, "ca", []byte("private key 2")))
	got, err := e.Secret(e.ctx, "ca")
	must(t, err)
	same(t, "secret", string(got), "private key 2")
	_, err = e.Secret(e.ctx, "none")
	wantKind(t, err, domain.NotFound)
}

func testSlots(t *testing.T, e *env) {
	n := e.node(t, e.cluster(t, "alpha"), e.site(t, "demo"), "pve1", "")
	got := make([]bool, 20)
	for _, err := range together(20, func(i int) (err error) {
		got[i], err = e.AcquireSlot(e.ctx, n.ID, 2, fmt.Sprint("holder", i), time.Minute)
		return err
	}) {
		must(t, err)
	}
	var holders []string
	for i, ok := range got {
		if ok {
			holders = append(holders, fmt.Sprint("holder", i))
		}
	}
	same(t, "slots taken", len(holders), 2)
	ok, err := e.AcquireSlot(e.ctx, n.ID, 2, holders[0], time.Minute)
	must(t, err)
	same(t, "a holder keeps its slot", ok, true)
	ok, err = e.AcquireSlot(e.ctx, n.ID, 2, "late", time.Minute)
	must(t, err)
	same(t, "a third slot", ok, false)
	must(t, e.ReleaseSlot(e.ctx, holders[1]))
	ok, err = e.AcquireSlot(e.ctx, n.ID, 2, "late", time.Minute)
	must(t, err)
	same(t, "a slot that was released", ok, true)
	e.clock.advance(40 * time.Second)
	must(t, e.RenewSlot(e.ctx, "late", time.Minute))
	e.clock.advance(40 * time.Second)
	wantKind(t, e.RenewSlot(e.ctx, holders[0], time.Minute), domain.NotFound)
	ok, err = e.AcquireSlot(e.ctx, n.ID, 2, "next", time.Minute)
	must(t, err)
	same(t, "a slot that expired", ok, true)
	ok, err = e.AcquireSlot(e.ctx, n.ID, 2, "more", time.Minute)
	must(t, err)
	same(t, "a slot beside a renewed one", ok, false)
	_, err = e.AcquireSlot(e.ctx, "nowhere", 2, "x", time.Minute)
	wantKind(t, err, domain.NotFound)
}

func testBreakers(t *testing.T, e *env) {
	n := e.node(t, e.cluster(t, "alpha"), e.site(t, "demo"), "pve1", "")
	open := func(want bool) {
		t.Helper()
		_, got, err := e.BreakerOpen(e.ctx, n.ID)
		must(t, err)
		same(t, "open", got, want)
	}
	fail := func() { must(t, e.BreakerFail(e.ctx, n.ID, 3, time.Minute)) }
	open(false)
	fail()
	fail()
	open(false)
	fail()
	open(true)
	e.clock.advance(61 * time.Second)
	open(false) // one call may try
	fail()
	open(true)
	e.clock.advance(61 * time.Second)
	must(t, e.BreakerReset(e.ctx, n.ID))
	must(t, e.BreakerReset(e.ctx, n.ID))
	fail()
	open(false)
}

// testOperationsVisibleTo: what a user may see is picked by the database, so that every page but the last is full.
func testOperationsVisibleTo(t *testing.T, e *env) {
	mine := e.container(t, e.site(t, "visible"), "mine")
	must(t, e.ModifyContainer(e.ctx, mine.ID, func(c *domain.Container) error { c.Owner = "a_b"; return nil }))
	want := map[string]bool{}
	for _, o := range []struct {
		actor, container string
		seen             bool
	}{
		{"user:a_b", "gone", true},
		{"user:a_b token:ci", "gone", true},
		{"user:root", mine.ID, true},
		{"user:axb token:ci", "gone", false}, // _ stands for itself
		{"user:a_bc", "gone", false},
		{"user:root", "another", false},
	} {
		op := domain.Operation{Kind: domain.OpPower, Resource: "container", ResourceID: o.container, Actor: o.actor}
		must(t, e.CreateOperation(e.ctx, &op))
		if o.seen {
			want[op.ID] = true
		}
	}
	page := store.Page{Limit: 2}
	for _, full := range []int{2, 1} {
		list, next, err := e.Operations(e.ctx, store.OperationFilter{VisibleTo: "a_b"}, page)
		must(t, err)
		same(t, "operations on the page", len(list), full)
		for _, op := range list {
			if !want[op.ID] {
				t.Errorf("a_b sees the operation of %s on %s", op.Actor, op.ResourceID)
			}
			delete(want, op.ID)
		}
		page.Cursor = next
	}
	same(t, "operations not seen", len(want), 0)
	same(t, "cursor after the last", page.Cursor, "")
}
