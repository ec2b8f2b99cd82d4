package storetest

import (
	"context"
	"path/filepath"
	"testing"

	"berth/secret"
	"berth/store"
)

// Backend is a kind of database to run a test on.
type Backend struct {
	Name string
	DSN  func(t testing.TB) string // of a fresh, empty database
}

// Backends lists every database that Berth supports.
func Backends() []Backend {
	return []Backend{
		{"SQLite", SQLiteDSN},
		{"PostgreSQL", PostgresDSN},
		{"MariaDB", MariaDBDSN},
	}
}

// SQLite opens a store on a fresh file.
func SQLite(t testing.TB) *store.Store { return Open(t, store.Config{DSN: SQLiteDSN(t)}) }

// Postgres opens a store on a fresh database of a real PostgreSQL server.
func Postgres(t testing.TB) *store.Store { return Open(t, store.Config{DSN: PostgresDSN(t)}) }

// MariaDB opens a store on a fresh database of a real MariaDB server.
func MariaDB(t testing.TB) *store.Store { return Open(t, store.Config{DSN: MariaDBDSN(t)}) }

// SQLiteDSN names a file that does not exist yet.
func SQLiteDSN(t testing.TB) string {
	return "sqlite://" + filepath.Join(t.TempDir(), "berth.db")
}

// Open opens a store, migrates it, and closes it when the test ends. Without a ring it gets a fresh one.
func Open(t testing.TB, c store.Config) *store.Store {
	t.Helper()
	if c.Ring == nil {
		c.Ring = secret.Generate()
	}
	s, err := store.Open(context.Background(), c)
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	if err := s.Migrate(context.Background()); err != nil {
		t.Fatalf("migrate store: %v", err)
	}
	return s
}
