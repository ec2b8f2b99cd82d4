package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"io/fs"

	"berth/domain"

	mysqldriver "github.com/go-sql-driver/mysql"
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
	results, err := s.up(ctx, provider)
	if err != nil {
		return err
	}
	for _, r := range results {
		s.log.InfoContext(ctx, "migrated database", "migration", r.Source.Path, "took", r.Duration)
	}
	return nil
}

// migrateTries is how often migrations are begun when the database goes away under them.
const migrateTries = 3

func (s *Store) up(ctx context.Context, provider *goose.Provider) ([]*goose.MigrationResult, error) {
	for try := 1; ; try++ {
		results, err := provider.Up(ctx)
		err = s.fault(err, "migrate database")
		passing := domain.Is(err, domain.Transient) || domain.Is(err, domain.Unavailable)
		if !passing || try == migrateTries {
			return results, err
		}
	}
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
	if err != nil {
		return err
	}
	return l.mend(ctx, conn)
}

// noSuchTable is MariaDB's number for a table that does not exist.
const noSuchTable = 1146

// mend writes the first row of goose's own table if somebody who made the table died before writing it: MariaDB cannot do both
// in one transaction, and goose refuses to go on without the row.
func (namedLock) mend(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "INSERT INTO goose_db_version (version_id, is_applied) "+
		"SELECT 0, 1 FROM DUAL WHERE NOT EXISTS (SELECT 1 FROM goose_db_version)")
	var refused *mysqldriver.MySQLError
	if errors.As(err, &refused) && refused.Number == noSuchTable {
		return nil
	}
	return err
}

// SessionUnlock implements lock.SessionLocker.
func (l namedLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "DO RELEASE_LOCK(CONCAT(DATABASE(), '.', ?))", l.name)
	return err
}
