//go:build e2e

package harness

import (
	"context"
	"database/sql"
	"path/filepath"
	"time"

	_ "github.com/glebarez/sqlite" // the driver "sqlite", in Go
)

// Hold freezes a role at a moment when it holds no lock in the database: frozen with one, it would hold up every other role
// too, which is a fault of the whole platform and not of this role.
func (p *Platform) Hold(name string) {
	p.t.Helper()
	process := p.Process(name)
	Await(p.t, time.Minute, name+" is frozen outside a transaction", func(ctx context.Context) error {
		process.Freeze()
		err := p.writable(ctx)
		if err != nil {
			process.Thaw()
		}
		return err
	})
}

// writable takes SQLite's one write lock for a moment.
func (p *Platform) writable(ctx context.Context) error {
	path := filepath.Join(p.Data, "berth.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(2000)&_txlock=immediate")
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	return tx.Rollback()
}
