//go:build e2e

package bench_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"berth/bench/report"
	"berth/client"
	"berth/domain"
	"berth/secret"
	"berth/store"
)

const (
	crowd     = 10_000 // containers
	crowdSite = "crowd"
	batch     = 500 // containers per transaction
)

// What is asked of the API, as rows of the table.
const (
	rowFirst  = "list, first page"
	rowPages  = "list, any page (by cursor)"
	rowFilter = "list, filtered by owner and state"
	rowByID   = "get by ID"
	rowByName = "get by name"
)

// TestList measures reads with 10,000 containers in SQLite.
func TestList(t *testing.T) {
	n := samples(t, 1000)
	is, base := compare(t, func(t *testing.T, binary string) measured { return reads(t, binary, n) })
	table := report.Table{
		Name: "3-reads", Title: "Reads over HTTP with 10,000 containers",
		Note: fmt.Sprintf("%d requests of each kind, one after the other; pages of 100; SQLite, all containers in one site.", n),
	}
	for _, name := range []string{rowFirst, rowPages, rowFilter, rowByID, rowByName} {
		table.Rows = append(table.Rows, quantiles(name, is, base, 0.99, 0, 30))
	}
	publish(t, table)
}

func reads(t *testing.T, binary string, n int) measured {
	w := start(t, binary, "simulated")
	w.stop() // a reconciler would look for what is only in SQL
	ids := w.fill()
	w.run("api", "api", "TEMPORAL_ADDRESS="+w.runTemporal())
	w.await("the API answers", func() bool {
		_, err := w.api.ListSitesWithResponse(t.Context(), &client.ListSitesParams{})
		return err == nil
	})
	ctx, hundred, place, owner, state := t.Context(), 100, crowdSite, "owner7", client.ContainerState(domain.ContainerReady)
	m := measured{}
	timed := func(name string, call func() error) {
		began := time.Now()
		w.must(call())
		m.add(name, ms(time.Since(began)))
	}
	cursor := (*string)(nil)
	for i := range n {
		timed(rowFirst, func() error {
			_, err := w.api.ListContainersWithResponse(ctx, &client.ListContainersParams{Limit: &hundred})
			return err
		})
		timed(rowPages, func() error {
			answer, err := w.api.ListContainersWithResponse(ctx, &client.ListContainersParams{Limit: &hundred, Cursor: cursor})
			if err == nil {
				cursor = answer.JSON200.Next // nil after the last page: the first again
			}
			return err
		})
		timed(rowFilter, func() error {
			_, err := w.api.ListContainersWithResponse(ctx,
				&client.ListContainersParams{Limit: &hundred, Owner: &owner, State: &state, Site: &place})
			return err
		})
		timed(rowByID, func() error {
			_, err := w.api.GetContainerWithResponse(ctx, ids[rand.IntN(crowd)], &client.GetContainerParams{})
			return err
		})
		timed(rowByName, func() error {
			_, err := w.api.GetContainerWithResponse(ctx, nameOf(i%crowd), &client.GetContainerParams{Site: &place})
			return err
		})
	}
	return m
}

func nameOf(i int) string { return fmt.Sprintf("crowd-%05d", i) }

// fill writes a site with 10,000 ready containers of a hundred owners, each with its address, and returns their IDs.
func (w *world) fill() []string {
	w.t.Helper()
	ring, err := secret.Load(filepath.Join(w.data, "keys.json"))
	w.must(err)
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{
		DSN: "sqlite://" + filepath.Join(w.data, "berth.db"), Ring: ring, Logger: slog.New(slog.DiscardHandler),
	})
	w.must(err)
	defer s.Close()
	place := domain.Site{
		Name: crowdSite, Domain: "crowd.internal", CIDR: "10.64.0.0/16", Gateway: "10.64.0.1",
		RangeFirst: "10.64.1.0", RangeLast: "10.64.255.254", LeaseTime: time.Hour,
	}
	w.must(s.CreateSite(ctx, &place))
	ids := make([]string, crowd)
	for first := 0; first < crowd; first += batch {
		w.must(s.Transact(ctx, func(tx *store.Store) error {
			for i := first; i < first+batch; i++ {
				c := domain.Container{
					Name: nameOf(i), SiteID: place.ID, Owner: fmt.Sprintf("owner%d", i%100), State: domain.ContainerReady,
					Spec: domain.Spec{Image: w.lab.image, Cores: 1, MemoryMiB: 512, DiskGiB: 4},
				}
				if err := tx.CreateContainer(ctx, &c); err != nil {
					return err
				}
				ids[i] = c.ID
			}
			return nil
		}))
	}
	// Reserving 10,000 addresses one by one looks at all that are taken each time, which takes minutes.
	db, err := sql.Open("sqlite", filepath.Join(w.data, "berth.db"))
	w.must(err)
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	w.must(err)
	const insert = `INSERT INTO reservations
		(id, site_id, container_id, address, mac, hostname, state, created_at, release_revision, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, '')`
	for i, id := range ids {
		address, mac := fmt.Sprintf("10.64.%d.%d", 1+i/200, 1+i%200), fmt.Sprintf("bc:24:11:64:%02x:%02x", i>>8, i&255)
		_, err := tx.ExecContext(ctx, insert, domain.NewID(), place.ID, id, address, mac, nameOf(i), store.Held, time.Now().UnixMicro())
		w.must(err)
	}
	w.must(tx.Commit())
	return ids
}
