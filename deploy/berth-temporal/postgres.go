package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/iancoleman/strcase"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jmoiron/sqlx"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql/driver"
	schematool "go.temporal.io/server/tools/common/schema"
	sqltool "go.temporal.io/server/tools/sql"
)

const (
	// What Temporal's own images use for a small cluster; fixed for the life of the database.
	postgresShards = 4
	// Temporal's sample configuration for PostgreSQL.
	postgresConnections = 20
	// "berth" in ASCII: the advisory lock that one server at a time holds on a database.
	postgresLock = 0x6265727468
	// How long to wait for a predecessor's connection to be noticed as dead.
	postgresLockWait = 15 * time.Second
	// invalid_catalog_name: the database does not exist (PostgreSQL, appendix A).
	codeNoDatabase = "3D000"
)

// openPostgres brings the database that dsn names, and NAME_visibility beside it, to the schema of the linked server
// with the server's own schema tool, creating either when missing. Errors never quote the DSN, which holds a password.
func openPostgres(ctx context.Context, dsn string, logger log.Logger) (storage, error) {
	parsed, err := pgx.ParseConfig(dsn)
	if err != nil {
		return storage{}, errors.New("--postgres is not a DSN that PostgreSQL understands; want postgres://user@host:5432/temporal")
	}
	if parsed.Database == "" {
		return storage{}, errors.New("--postgres names no database")
	}
	store := storage{
		kind:       "postgres",
		execution:  postgresConfig(dsn, parsed.Database),
		visibility: postgresConfig(dsn, parsed.Database+"_visibility"),
		shards:     postgresShards,
	}
	for _, cfg := range []*config.SQL{store.execution, store.visibility} {
		if err := ensureDatabase(ctx, dsn, cfg.DatabaseName); err != nil {
			return storage{}, err
		}
	}
	if store.release, err = lockDatabase(ctx, dsn); err != nil {
		return storage{}, err
	}
	for schema, cfg := range map[string]*config.SQL{
		"postgresql/v12/temporal":   store.execution,
		"postgresql/v12/visibility": store.visibility,
	} {
		if err := migrate(cfg, schema, logger); err != nil {
			store.release()
			return storage{}, fmt.Errorf("migrate database %s: %w", cfg.DatabaseName, err)
		}
	}
	return store, nil
}

// postgresConfig connects by the DSN itself. The plugin's own settings know neither sockets nor several hosts, and put
// user and password together wrongly when they hold special characters.
func postgresConfig(dsn, database string) *config.SQL {
	return &config.SQL{
		PluginName:   postgresql.PluginNamePGX,
		DatabaseName: database,
		Connect: func(cfg *config.SQL) (*sqlx.DB, error) {
			db, err := (&driver.PGXDriver{}).CreateConnection(withDatabase(dsn, cfg.DatabaseName))
			if err != nil {
				return nil, err
			}
			db.SetMaxOpenConns(postgresConnections)
			db.SetMaxIdleConns(postgresConnections)
			db.SetConnMaxLifetime(time.Hour)
			db.MapperFunc(strcase.ToSnake) // how the plugin's queries name their columns
			return db, nil
		},
	}
}

// withDatabase is dsn pointed at another database of the same server.
func withDatabase(dsn, database string) string {
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		if u, err := url.Parse(dsn); err == nil {
			u.Path = "/" + database
			query := u.Query()
			query.Del("dbname") // would win over the path
			u.RawQuery = query.Encode()
			return u.String()
		}
	}
	// In key=value form the last of equal keys counts.
	return dsn + " dbname='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database) + "'"
}

// ensureDatabase creates database when the server does not have it. A role without CREATEDB works as long as an
// administrator has made both databases.
func ensureDatabase(ctx context.Context, dsn, database string) error {
	conn, err := pgx.Connect(ctx, withDatabase(dsn, database))
	if err == nil {
		return conn.Close(ctx)
	}
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != codeNoDatabase {
		return fmt.Errorf("connect to database %s: %w", database, err)
	}
	if conn, err = pgx.Connect(ctx, withDatabase(dsn, "postgres")); err != nil {
		return fmt.Errorf("create database %s: %w", database, err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize()); err != nil {
		return fmt.Errorf("create database %s: %w", database, err)
	}
	return nil
}

// lockDatabase keeps a second server off the same database: each would take itself for the only member of the cluster.
// The lock ends with its connection, so a killed server leaves none behind.
func lockDatabase(ctx context.Context, dsn string) (release func(), err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
	}
	waiting, cancel := context.WithTimeout(ctx, postgresLockWait)
	defer cancel()
	if _, err := conn.Exec(waiting, "SELECT pg_advisory_lock($1)", int64(postgresLock)); err != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		if waiting.Err() != nil && ctx.Err() == nil {
			return nil, fmt.Errorf("another berth-temporal uses database %s", conn.Config().Database)
		}
		return nil, fmt.Errorf("lock database %s: %w", conn.Config().Database, err)
	}
	return func() { _ = conn.Close(context.WithoutCancel(ctx)) }, nil
}

// migrate runs every migration the database has not seen. Both tasks may run again over a half-finished run of theirs.
func migrate(cfg *config.SQL, schema string, logger log.Logger) error {
	conn, err := sqltool.NewConnection(cfg, logger)
	if err != nil {
		return err
	}
	defer conn.Close()
	if version, err := conn.ReadSchemaVersion(); err != nil || version == "" {
		setup := &schematool.SetupConfig{InitialVersion: "0.0"}
		if err := schematool.NewSetupSchemaTask(conn, setup, logger).Run(); err != nil {
			return err
		}
	}
	return schematool.NewUpdateSchemaTask(conn, &schematool.UpdateConfig{SchemaName: schema}, logger).Run()
}
