package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/persistence"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/schema"
	"golang.org/x/sys/unix"
)

// One shard: SQLite has one writer, so more shards would only wait for each other.
const sqliteShards = 1

// openSQLite creates or opens folder/temporal.db. It fails when another process holds the folder, and when the file
// was made for a server with another schema: Temporal ships no complete set of migrations for SQLite.
func openSQLite(ctx context.Context, folder string) (storage, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return storage{}, fmt.Errorf("make the data folder: %w", err)
	}
	release, err := lockFolder(folder)
	if err != nil {
		return storage{}, err
	}
	file := filepath.Join(folder, "temporal.db")
	if err := errors.Join(createPrivate(file), prepareSQLite(ctx, file)); err != nil {
		release()
		return storage{}, err
	}
	cfg := &config.SQL{
		PluginName:   sqliteplugin.PluginName,
		DatabaseName: file,
		// WAL with synchronous=NORMAL triples the throughput of the default journal. A killed process loses nothing; a
		// power cut may lose the last moments but never corrupts, and Berth resumes from its own database.
		ConnectAttributes: map[string]string{
			"mode": "rwc", "journal_mode": "wal", "synchronous": "1", "busy_timeout": "10000",
		},
	}
	return storage{kind: "sqlite", execution: cfg, visibility: cfg, shards: sqliteShards, release: release}, nil
}

// lockFolder takes folder/temporal.lock; the kernel frees it when the process ends, however it ends.
func lockFolder(folder string) (release func(), err error) {
	file, err := os.OpenFile(filepath.Join(folder, "temporal.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another berth-temporal uses the data folder %s", folder)
		}
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	return func() { _ = file.Close() }, nil
}

// createPrivate makes an empty file that only its owner reads: histories hold what workflows were given. SQLite gives
// the files beside it the same mode.
func createPrivate(name string) error {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("create the database: %w", err)
	}
	return file.Close()
}

// prepareSQLite lays the schema out in one transaction, so that a process killed meanwhile leaves an empty database and
// not half a schema. The plugin's own set-up runs statement by statement.
func prepareSQLite(ctx context.Context, file string) (err error) {
	statements, digest, err := sqliteSchema()
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(wal)&_pragma=busy_timeout(10000)")
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	var known, server string
	err = db.QueryRowContext(ctx, `SELECT digest, server FROM berth_schema`).Scan(&known, &server)
	switch {
	case err == nil && known == digest:
		return nil
	case err == nil:
		return fmt.Errorf("%s was made by Temporal server %s, whose tables differ from those of %s, and Temporal has no "+
			"migrations for SQLite: let open operations end under the old release, then move the file away",
			file, server, headers.ServerVersion)
	}
	var tables int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_master`).Scan(&tables); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	if tables > 0 {
		return fmt.Errorf("%s is a database that berth-temporal did not make: move it away", file)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("create tables in %s: %w", file, err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range statements {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("create tables in %s: %w", file, err)
		}
	}
	if _, err := tx.ExecContext(ctx, `CREATE TABLE berth_schema (digest TEXT NOT NULL, server TEXT NOT NULL)`); err != nil {
		return fmt.Errorf("create tables in %s: %w", file, err)
	}
	if _, err := tx.ExecContext(ctx, `INSERT INTO berth_schema VALUES (?, ?)`, digest, headers.ServerVersion); err != nil {
		return fmt.Errorf("create tables in %s: %w", file, err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("create tables in %s: %w", file, err)
	}
	return nil
}

// sqliteSchema returns the statements that the linked server's schema consists of, and a digest that changes with them.
func sqliteSchema() (statements []string, digest string, err error) {
	hash := sha256.New()
	for _, name := range []string{"sqlite/v3/temporal/schema.sql", "sqlite/v3/visibility/schema.sql"} {
		text, err := fs.ReadFile(schema.Assets(), name)
		if err != nil {
			return nil, "", fmt.Errorf("read the embedded schema: %w", err)
		}
		hash.Write(text)
		some, err := persistence.LoadAndSplitQueryFromReaders([]io.Reader{bytes.NewReader(text)})
		if err != nil {
			return nil, "", fmt.Errorf("read the embedded schema: %w", err)
		}
		statements = append(statements, some...)
	}
	return statements, hex.EncodeToString(hash.Sum(nil)), nil
}
