package store

import (
	"context"
	"database/sql"
	"embed"
	"io/fs"

	"berth/domain"

	// goose runs reviewed SQL files in order and remembers which ones ran.
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// Migrate brings the tables up to this program's version. Several processes may call it at once: one works, the others wait.
func (s *Store) Migrate(ctx context.Context) error {
	provider, err := s.migrator()
	if err != nil {
		return err
	}
	unlock, err := s.lockFile(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	results, err := provider.Up(ctx)
	if err != nil {
		return s.fault(err, "migrate database")
	}
	for _, r := range results {
		s.log.InfoContext(ctx, "migrated database", "migration", r.Source.Path, "took", r.Duration)
	}
	return nil
}

// Migrated reports whether no migration is pending.
func (s *Store) Migrated(ctx context.Context) (bool, error) {
	provider, err := s.migrator()
	if err != nil {
		return false, err
	}
	pending, err := provider.HasPending(ctx)
	return !pending, s.fault(err, "look for migrations")
}

func (s *Store) migrator() (*goose.Provider, error) {
	pool, err := s.Pool()
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations/"+string(s.dialect))
	if err != nil {
		return nil, domain.Errorf(domain.Internal, "migrations: %w", err)
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	dialect := goose.DialectSQLite3
	switch s.dialect {
	case Postgres:
		dialect = goose.DialectPostgres
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, lockSeconds)) // asks every second
		if err != nil {
			return nil, domain.Errorf(domain.Internal, "migration lock: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	case MariaDB:
		dialect = goose.DialectMySQL
		options = append(options, goose.WithSessionLocker(namedLock{name: "berth-migrate"}))
	case SQLite: // has no lock of its own that outlives a transaction: Migrate locks a file
	}
	provider, err := goose.NewProvider(dialect, pool, files, options...)
	if err != nil {
		return nil, domain.Errorf(domain.Internal, "migrations: %w", err)
	}
	return provider, nil
}

// namedLock is a lock of a MariaDB server. goose has none for it that ends with the connection.
type namedLock struct{ name string }

// lockSeconds is how long a process waits for another one's migrations.
const lockSeconds = 300

// SessionLock implements lock.SessionLocker.
func (l namedLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	var got sql.NullInt64
	err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(CONCAT(DATABASE(), '.', ?), ?)", l.name, lockSeconds).Scan(&got)
	if err == nil && got.Int64 != 1 {
		return domain.Errorf(domain.Unavailable, "another process has been migrating the database for %d seconds", lockSeconds)
	}
	return err
}

// SessionUnlock implements lock.SessionLocker.
func (l namedLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "DO RELEASE_LOCK(CONCAT(DATABASE(), '.', ?))", l.name)
	return err
}
