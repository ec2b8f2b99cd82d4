package main

import (
	"context"

	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"

	"berth/deploy/berth-temporal/internal/settings"
)

// storage is a place for histories and visibility records whose schema is up to date, held by this process alone.
type storage struct {
	kind       string // sqlite or postgres
	execution  *config.SQL
	visibility *config.SQL
	shards     int32  // fixed when the storage is created; the server refuses to start with another number
	release    func() // gives the storage up for another process
}

func openStorage(ctx context.Context, s settings.Settings, logger log.Logger) (storage, error) {
	if s.Postgres != "" {
		return openPostgres(ctx, s.Postgres, logger)
	}
	return openSQLite(ctx, s.Data)
}
