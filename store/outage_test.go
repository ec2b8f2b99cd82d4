package store_test

import (
	"context"
	"database/sql"
	"os"
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/secret"
	"berth/store"
	"berth/store/storetest"
)

// TestConnectionLost has the server end the connection in the middle of a transaction.
func TestConnectionLost(t *testing.T) {
	for _, backend := range storetest.Backends() {
		if backend.Name == "SQLite" {
			continue // has no connection to lose
		}
		t.Run(backend.Name, func(t *testing.T) {
			e := newEnv(t, backend)
			s := e.site(t, "demo")
			err := e.Transact(e.ctx, func(tx *store.Store) error {
				if _, err := tx.BumpSite(e.ctx, s.ID); err != nil {
					return err
				}
				cutConnections(t, e)
				_, err := tx.BumpSite(e.ctx, s.ID)
				return err
			})
			wantKind(t, err, domain.Unavailable)
			site, err := e.Site(e.ctx, s.ID) // and it comes back by itself
			must(t, err)
			same(t, "desired after an undone transaction", site.Desired, 1)
		})
	}
}

// cutConnections ends every other connection to the database of e, by a connection of its own.
func cutConnections(t *testing.T, e *env) {
	t.Helper()
	driver, dsn := "pgx", e.dsn
	if e.Dialect() == store.MariaDB {
		driver, dsn = "mysql", strings.TrimPrefix(e.dsn, "mysql://")
	}
	db, err := sql.Open(driver, dsn)
	must(t, err)
	defer func() { _ = db.Close() }()
	if e.Dialect() == store.Postgres {
		_, err := db.ExecContext(e.ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"+
			" WHERE datname = current_database() AND pid <> pg_backend_pid()")
		must(t, err)
		return
	}
	var ids string
	must(t, db.QueryRowContext(e.ctx, "SELECT GROUP_CONCAT(id) FROM information_schema.processlist"+
		" WHERE db = DATABASE() AND id <> CONNECTION_ID()").Scan(&ids))
	for id := range strings.SplitSeq(ids, ",") {
		_, err := db.ExecContext(e.ctx, "KILL "+id)
		must(t, err)
	}
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, dsn string
		kind      domain.Kind
	}{
		{"PostgreSQL away", "postgres://berth:hunter2@127.0.0.1:1/berth", domain.Unavailable},
		{"MariaDB away", "mysql://berth:hunter2@tcp(127.0.0.1:1)/berth", domain.Unavailable},
		{"MariaDB away, as a URL", "mariadb://berth:hunter2@127.0.0.1:1/berth", domain.Unavailable},
		{"no such folder", "sqlite://" + dir + "/none/berth.db", domain.Unavailable},
		{"no path", "sqlite://", domain.Invalid},
		{"no scheme", "berth.db", domain.Invalid},
		{"another scheme", "oracle://berth:hunter2@db/berth", domain.Invalid},
		{"broken MariaDB", "mysql://berth:hunter2@tcp(127.0.0.1:1", domain.Invalid},
		{"broken MariaDB URL", "mysql://berth:hunter2@/berth", domain.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := store.Open(ctx, store.Config{DSN: c.dsn, Ring: secret.Generate()})
			wantKind(t, err, c.kind)
			if strings.Contains(err.Error(), "hunter2") {
				t.Fatalf("the error shows the password: %v", err)
			}
		})
	}
	_, err := store.Open(t.Context(), store.Config{DSN: "sqlite://" + dir + "/berth.db"})
	wantKind(t, err, domain.Invalid)
}

func TestSQLiteFileMode(t *testing.T) {
	dsn := storetest.SQLiteDSN(t)
	storetest.Open(t, store.Config{DSN: dsn})
	path := strings.TrimPrefix(dsn, "sqlite://")
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(path + suffix)
		must(t, err)
		same(t, "mode of "+suffix, info.Mode().Perm(), 0o600)
	}
}

// TestWatcherSlept wakes a watcher after the changes it did not see were pruned.
func TestWatcherSlept(t *testing.T) {
	e := newEnv(t, storetest.Backends()[0])
	w, err := store.NewWatcher(e.ctx, e.Store)
	must(t, err)
	w.Interval = 5 * time.Millisecond
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	edges := w.Subscribe(ctx, func(c domain.Change) bool { return c.Topic == domain.TopicEdge })
	e.site(t, "missed")
	e.clock.advance(store.ChangeRetention + time.Minute)
	_, err = e.PruneChanges(e.ctx)
	must(t, err)
	e.site(t, "seen")
	stopped := make(chan error, 1)
	go func() { stopped <- w.Run(ctx) }()
	select {
	case c := <-edges:
		same(t, "topic of the change that says that any may have been missed", c.Topic, domain.Topic(""))
	case <-e.ctx.Done():
		t.Fatal("the gap was not told")
	}
	cancel()
	must(t, <-stopped)
}
