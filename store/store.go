package store

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"berth/domain"
	"berth/secret"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Config says which database to use and how.
type Config struct {
	DSN      string           // see ParseDSN
	Ring     *secret.Ring     // seals secrets at rest
	Logger   *slog.Logger     // nil discards
	Now      func() time.Time // nil means time.Now
	MaxConns int              // most connections at once; 0 means DefaultMaxConns
}

// DefaultMaxConns is small enough for a dozen processes to share a PostgreSQL server with its default of 100 connections.
const DefaultMaxConns = 8

// Store is a database, or a transaction on one. A Store is safe for concurrent use, one within a transaction is not.
type Store struct {
	db      *gorm.DB
	dialect Dialect
	path    string // of the SQLite file
	ring    *secret.Ring
	log     *slog.Logger
	now     func() time.Time
	turn    chan struct{} // SQLite: writers of this process take turns here, which is fair, unlike SQLite's own lock
	news    chan struct{} // tells the Watcher of this process that a transaction of it changed something
	tx      *unit         // set within a transaction
}

// unit is what one transaction gathers until it commits.
type unit struct {
	readOnly bool
	changes  []domain.Change
}

// Open connects to a database. It does not create tables: that is Migrate.
func Open(ctx context.Context, c Config) (*Store, error) {
	dialector, dialect, path, err := dial(c.DSN)
	if err != nil {
		return nil, err
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.MaxConns == 0 {
		c.MaxConns = DefaultMaxConns
	}
	if c.Ring == nil {
		return nil, domain.Errorf(domain.Invalid, "the store needs a key ring")
	}
	s := &Store{dialect: dialect, path: path, ring: c.Ring, log: c.Logger, now: c.Now, turn: make(chan struct{}, 1), news: make(chan struct{}, 1)}
	// The first connection to a SQLite file switches it to WAL, which fails while another process does the same.
	unlock, err := s.lockFile(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s.db, err = gorm.Open(dialector, &gorm.Config{
		Logger:                 logger.Discard, // errors are returned, and statements may hold sealed values
		SkipDefaultTransaction: true,           // Transact is the only place that begins one
		DisableAutomaticPing:   true,           // Ping below has a context
	})
	if err != nil {
		return nil, s.fault(err, "open database")
	}
	pool, err := s.db.DB()
	if err != nil {
		return nil, domain.Errorf(domain.Internal, "open database: %w", err)
	}
	pool.SetMaxOpenConns(c.MaxConns)
	pool.SetMaxIdleConns(c.MaxConns)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	if err := s.Ping(ctx); err != nil {
		_ = pool.Close()
		return nil, err
	}
	return s, nil
}

// Dialect returns the kind of database.
func (s *Store) Dialect() Dialect { return s.dialect }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.fault(s.q(ctx).Raw("SELECT 1").Scan(&one).Error, "ask the database")
}

// Close ends all connections.
func (s *Store) Close() error {
	pool, err := s.Pool()
	if err != nil {
		return err
	}
	return s.fault(pool.Close(), "close database")
}

// Pool returns the connections to the database, for their statistics alone.
func (s *Store) Pool() (*sql.DB, error) {
	pool, err := s.db.DB()
	if err != nil {
		return nil, domain.Errorf(domain.Internal, "database handle: %w", err)
	}
	return pool, nil
}

// q starts a statement.
func (s *Store) q(ctx context.Context) *gorm.DB { return s.db.WithContext(ctx) }
