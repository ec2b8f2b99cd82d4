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

// SQL returns the one value that a query on the platform's SQLite database has for an answer.
func (p *Platform) SQL(query string) (answer string) {
	p.t.Helper()
	db, err := p.database()
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.QueryRowContext(p.t.Context(), query).Scan(&answer); err != nil {
		p.t.Fatal(err)
	}
	return answer
}

func (p *Platform) database() (*sql.DB, error) {
	return sql.Open("sqlite", "file:"+filepath.Join(p.Data, "berth.db")+"?_pragma=busy_timeout(2000)&_txlock=immediate")
}

// writable takes SQLite's one write lock for a moment.
func (p *Platform) writable(ctx context.Context) error {
	db, err := p.database()
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
