package store_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"berth/domain"
	"berth/store"
)

func testTransact(t *testing.T, e *env) {
	refused := errors.New("refused")
	before, err := e.LastChange(e.ctx)
	must(t, err)
	err = e.Transact(e.ctx, func(tx *store.Store) error {
		site := domain.Site{Name: "demo"}
		if err := tx.CreateSite(e.ctx, &site); err != nil {
			return err
		}
		if _, err := tx.SiteByName(e.ctx, "demo"); err != nil {
			t.Errorf("a transaction does not see its own site: %v", err)
		}
		return refused
	})
	if !errors.Is(err, refused) {
		t.Fatalf("Transact returned %v", err)
	}
	_, err = e.SiteByName(e.ctx, "demo")
	wantKind(t, err, domain.NotFound)
	after, err := e.LastChange(e.ctx)
	must(t, err)
	same(t, "changes of a transaction that was undone", after-before, 0)

	func() {
		defer func() { _ = recover() }()
		_ = e.Transact(e.ctx, func(tx *store.Store) error {
			site := domain.Site{Name: "panic"}
			must(t, tx.CreateSite(e.ctx, &site))
			panic("a defect")
		})
	}()
	_, err = e.SiteByName(e.ctx, "panic")
	wantKind(t, err, domain.NotFound)
	s := e.site(t, "later") // no lock was left behind

	// one change for a row, however often it changed in the transaction
	before, err = e.LastChange(e.ctx)
	must(t, err)
	must(t, e.Transact(e.ctx, func(tx *store.Store) error {
		for range 3 {
			if _, err := tx.BumpSite(e.ctx, s.ID); err != nil {
				return err
			}
		}
		return nil
	}))
	changes, err := e.Changes(e.ctx, before, 10)
	must(t, err)
	same(t, "changes", len(changes), 1)
	same(t, "change", changes[0].Topic, domain.TopicSite)
	same(t, "row", changes[0].ID, s.ID)

	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	_, err = e.BumpSite(ctx, s.ID)
	wantKind(t, err, domain.Transient)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the cause is lost: %v", err)
	}
}

// testDeadlock lets two transactions wait for each other's row. SQLite has one writer at a time: there they take turns.
func testDeadlock(t *testing.T, e *env) {
	a, b := e.site(t, "a"), e.site(t, "b")
	var arrived, runs atomic.Int64
	both := make(chan struct{})
	meet := func() {
		if arrived.Add(1) == 2 {
			close(both)
		}
		if e.Dialect() == store.SQLite {
			return
		}
		select {
		case <-both:
		case <-e.ctx.Done():
		}
	}
	for _, err := range together(2, func(i int) error {
		first, second := a.ID, b.ID
		if i == 1 {
			first, second = second, first
		}
		return e.Transact(e.ctx, func(tx *store.Store) error {
			runs.Add(1)
			if _, err := tx.BumpSite(e.ctx, first); err != nil {
				return err
			}
			meet()
			_, err := tx.BumpSite(e.ctx, second)
			return err
		})
	}) {
		must(t, err)
	}
	if e.Dialect() != store.SQLite && runs.Load() < 3 {
		t.Fatalf("there was no deadlock: %d runs", runs.Load())
	}
	for _, id := range []string{a.ID, b.ID} {
		s, err := e.Site(e.ctx, id)
		must(t, err)
		same(t, "desired", s.Desired, 3)
	}
}

func testErrorKinds(t *testing.T, e *env) {
	s, c := e.site(t, "demo"), e.cluster(t, "alpha")
	e.node(t, c, s, "pve1", "")
	must(t, e.CreateEdge(e.ctx, &domain.Edge{Name: "edge1", SiteID: s.ID}))
	e.container(t, s, "web01")
	for _, row := range []struct {
		what  string
		do    func() error
		kind  domain.Kind
		field string
	}{
		{"cluster's name taken", func() error { return e.CreateCluster(e.ctx, &domain.Cluster{Name: "alpha"}) }, domain.Conflict, "name"},
		{"site's name taken", func() error { return e.CreateSite(e.ctx, &domain.Site{Name: "demo"}) }, domain.Conflict, "name"},
		{"node's name taken", func() error {
			return e.CreateNode(e.ctx, &domain.Node{Name: "pve1", ClusterID: c.ID, SiteID: s.ID})
		}, domain.Conflict, "name"},
		{"edge's name taken", func() error {
			return e.CreateEdge(e.ctx, &domain.Edge{Name: "edge1", SiteID: s.ID})
		}, domain.Conflict, "name"},
		{"ID taken", func() error { return e.CreateSite(e.ctx, &domain.Site{ID: s.ID, Name: "x"}) }, domain.Conflict, ""},
		{"node without a cluster", func() error {
			return e.CreateNode(e.ctx, &domain.Node{Name: "x", ClusterID: "none", SiteID: s.ID})
		}, domain.Conflict, ""},
		{"no such site", func() error { _, err := e.Site(e.ctx, "none"); return err }, domain.NotFound, ""},
		{"no such edge", func() error { _, err := e.EdgeByName(e.ctx, "", "none"); return err }, domain.NotFound, ""},
		{"waited too long", func() error {
			ctx, cancel := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
			defer cancel()
			return e.Ping(ctx)
		}, domain.Transient, ""},
	} {
		t.Run(row.what, func(t *testing.T) {
			err := row.do()
			wantKind(t, err, row.kind)
			same(t, "field", fieldOf(err), row.field)
		})
	}
}

// testBinary holds names apart that some collations take for the same.
func testBinary(t *testing.T, e *env) {
	for _, name := range []string{"straße", "strasse", "Strasse", "é", "e"} {
		_, err := e.EnsureUser(e.ctx, name)
		must(t, err)
	}
	list, _, err := e.Users(e.ctx, store.Page{})
	must(t, err)
	same(t, "users", len(list), 5)
	for _, name := range []string{"STRASSE", "E"} {
		_, err := e.User(e.ctx, name)
		wantKind(t, err, domain.NotFound)
	}
}

func testChangesInOrder(t *testing.T, e *env) {
	site := e.site(t, "demo")
	first, err := e.LastChange(e.ctx)
	must(t, err)
	other, done := e.second(t), make(chan []error, 1)
	const writers, each = 10, 10
	go func() {
		done <- together(writers, func(i int) error {
			at := e.Store
			if i%2 == 1 {
				at = other
			}
			for range each {
				if err := at.CreateContainer(e.ctx, &domain.Container{Name: "x", SiteID: site.ID}); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	seen := map[string]bool{}
	for last := first; len(seen) < writers*each; {
		changes, err := e.Changes(e.ctx, last, 50)
		must(t, err)
		for _, c := range changes {
			same(t, "next number", c.Seq, last+1)
			last = c.Seq
			seen[c.ID] = true
		}
	}
	for _, err := range <-done {
		must(t, err)
	}
	e.clock.advance(store.ChangeRetention + time.Minute)
	n, err := e.PruneChanges(e.ctx)
	must(t, err)
	same(t, "changes pruned", n, first+writers*each)
}

// testWatcherTold has a watcher that reads by itself once an hour: what it sees in time it was told by this process.
func testWatcherTold(t *testing.T, e *env) {
	site := e.site(t, "demo")
	w, err := store.NewWatcher(e.ctx, e.Store)
	must(t, err)
	w.Interval = time.Hour
	ctx, cancel := context.WithCancel(e.ctx)
	stopped := make(chan error, 1)
	changes := w.Subscribe(ctx, func(c domain.Change) bool { return c.Topic == domain.TopicContainer })
	go func() { stopped <- w.Run(ctx) }()
	for _, id := range []string{"first", "second"} {
		must(t, e.CreateContainer(e.ctx, &domain.Container{ID: id, Name: id, SiteID: site.ID}))
		select {
		case c := <-changes:
			same(t, "changed", c.ID, id)
		case <-e.ctx.Done():
			t.Fatalf("the watcher was not told of container %s", id)
		}
	}
	cancel()
	must(t, <-stopped)
}

func testWatcher(t *testing.T, e *env) {
	site := e.site(t, "demo")
	w, err := store.NewWatcher(e.ctx, e.second(t))
	must(t, err)
	w.Interval = 5 * time.Millisecond
	ctx, cancel := context.WithCancel(e.ctx)
	stopped := make(chan error, 1)
	containers := w.Subscribe(ctx, func(c domain.Change) bool { return c.Topic == domain.TopicContainer })
	slow := w.Subscribe(ctx, nil)
	go func() { stopped <- w.Run(ctx) }()

	const writers, each = 8, 15
	for _, err := range together(writers, func(i int) error {
		for j := range each {
			c := domain.Container{ID: fmt.Sprintf("%02d-%02d", i, j), Name: "x", SiteID: site.ID}
			err := e.Transact(e.ctx, func(tx *store.Store) error {
				if _, err := tx.BumpSite(e.ctx, site.ID); err != nil {
					return err
				}
				return tx.CreateContainer(e.ctx, &c)
			})
			if err != nil {
				return err
			}
		}
		return nil
	}) {
		must(t, err)
	}
	collect := func(ch <-chan domain.Change, want int) {
		t.Helper()
		seen := map[string]bool{}
		for len(seen) < want {
			select {
			case c := <-ch:
				seen[string(c.Topic)+c.ID] = true
			case <-e.ctx.Done():
				t.Fatalf("%d of %d rows were seen", len(seen), want)
			}
		}
	}
	collect(containers, writers*each)
	collect(slow, writers*each+1) // and the site; it had not read anything until now
	cancel()
	must(t, <-stopped)
	for range containers {
		t.Fatal("a change came after the last one")
	}
}

func testRotateKeys(t *testing.T, e *env) {
	s, cl := e.site(t, "demo"), e.cluster(t, "alpha")
	must(t, e.SetSecret(e.ctx, "ca", []byte("key of the CA")))
	e.registry(t, "ghcr.io")
	ids := make([]string, 120)
	for i := range ids {
		ids[i] = e.container(t, s, fmt.Sprint("web", i)).ID
	}
	old := e.ring.Primary()
	ctx, stop := context.WithCancel(e.ctx)
	load := make(chan []error, 1)
	go func() {
		load <- together(4, func(i int) error {
			for n := i; ctx.Err() == nil; n += 7 {
				err := e.ModifyContainer(e.ctx, ids[n%len(ids)], func(c *domain.Container) error {
					if c.Spec.Env["PASSWORD"] != "hunter2" {
						return fmt.Errorf("container %s lost its environment", c.Name)
					}
					c.Spec.Env["COUNT"] += "x"
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}()
	_, err := e.ring.Rotate()
	must(t, err)
	done, err := e.RotateKeys(e.ctx)
	stop()
	for _, err := range <-load {
		must(t, err)
	}
	must(t, err)
	same(t, "something was left to rotate", done > 2, true)
	again, err := e.RotateKeys(e.ctx)
	must(t, err)
	same(t, "values left for a second rotation", again, 0)

	must(t, e.ring.Forget(old)) // nothing needs it any more
	got, err := e.Cluster(e.ctx, cl.ID)
	must(t, err)
	same(t, "token", got.Token.Reveal(), "s3cret-alpha")
	ca, err := e.Secret(e.ctx, "ca")
	must(t, err)
	same(t, "secret", string(ca), "key of the CA")
	registry, err := e.RegistryByHost(e.ctx, "ghcr.io")
	must(t, err)
	same(t, "password of a registry", registry.Password.Reveal(), "pull-ghcr.io")
	for _, id := range ids {
		c, err := e.Container(e.ctx, id)
		must(t, err)
		same(t, "value", c.Spec.Env["PASSWORD"], "hunter2")
	}
}
