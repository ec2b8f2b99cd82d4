//go:build e2e

package checker

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	_ "github.com/glebarez/sqlite" // the driver "sqlite", in Go
)

// Container is a container as the API tells of it.
type Container struct {
	ID, Name, State, Power, WantPower string
	Address, MAC, FQDN, Message       string
	Node                              struct{ ID, Name string }
	VMID                              int
	Image, Owner                      string
	Unmanaged                         bool
}

func (w World) containers(ctx context.Context) ([]Container, error) {
	var out []Container
	for cursor := ""; ; {
		var page struct {
			Items []Container
			Next  string
		}
		path := "/api/v1/containers?limit=100"
		if cursor != "" {
			path += "&cursor=" + url.QueryEscape(cursor)
		}
		if err := w.get(ctx, path, &page); err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if cursor = page.Next; cursor == "" {
			return out, nil
		}
	}
}

func (w World) get(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.API+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.Token)
	res, err := w.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("API: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("API: GET %s: %s", path, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

// reservation is an address, MAC and name held in the database.
type reservation struct{ container, address, mac, name, state string }

// placement is a VMID held in the database.
type placement struct {
	container, state string
	vmid             int
}

// books is what the database holds for containers.
type books struct {
	reservations []reservation
	placements   []placement
	open         []string // operations that have not ended
	services     []service
	claims       []string // names and ports that nobody else may have
}

func (w World) books(ctx context.Context) (b books, err error) {
	driver, dsn := "sqlite", "file:"+w.Database+"?mode=ro&_pragma=busy_timeout(5000)"
	if w.Driver != "" {
		driver, dsn = w.Driver, w.Database
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = errors.Join(
		each(ctx, db, "SELECT container_id, address, mac, COALESCE(hostname, ''), state FROM reservations", func(scan scanner) error {
			var r reservation
			err := scan(&r.container, &r.address, &r.mac, &r.name, &r.state)
			b.reservations = append(b.reservations, r)
			return err
		}),
		each(ctx, db, "SELECT container_id, kind, spec, state FROM services WHERE state <> 'parked'", func(scan scanner) error {
			var v service
			var spec []byte
			err := scan(&v.container, &v.kind, &spec, &v.state)
			if err == nil {
				err = json.Unmarshal(spec, &v)
			}
			b.services = append(b.services, v)
			return err
		}),
		each(ctx, db, "SELECT id FROM service_claims", func(scan scanner) error {
			var id string
			err := scan(&id)
			b.claims = append(b.claims, id)
			return err
		}),
		each(ctx, db, "SELECT container_id, vmid, state FROM placements", func(scan scanner) error {
			var p placement
			err := scan(&p.container, &p.vmid, &p.state)
			b.placements = append(b.placements, p)
			return err
		}),
		each(ctx, db, "SELECT kind || ' ' || resource_name || ' is ' || state || ' at step ' || step FROM operations "+
			"WHERE state IN ('pending', 'waiting', 'running')", func(scan scanner) error {
			var words string
			err := scan(&words)
			b.open = append(b.open, words)
			return err
		}),
	)
	if err != nil {
		return b, fmt.Errorf("database: %w", err)
	}
	return b, nil
}

type scanner func(into ...any) error

func each(ctx context.Context, db *sql.DB, query string, row func(scanner) error) error {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
