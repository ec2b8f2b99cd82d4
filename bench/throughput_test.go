//go:build e2e

package bench_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"berth/bench/report"
)

// TestThroughput measures provisions per minute when Proxmox VE's tasks take no time.
func TestThroughput(t *testing.T) {
	loads := []struct {
		parallel, count int
		aim             float64
	}{{1, 20, 0}, {10, 100, 0}, {50, 300, 600}}
	row := report.Row{Name: "provisions", Unit: "1/min"}
	is, base := compare(t, func(t *testing.T, binary string) measured {
		w := start(t, binary, "simulated")
		_, err := w.provision(t.Context(), "warm-up") // pulls the image
		w.must(err)
		m := measured{}
		for _, l := range loads {
			rate := w.rate(l.parallel, samples(t, l.count))
			m.add(column(l.parallel), rate)
			t.Logf("%s: %.0f provisions per minute", column(l.parallel), rate)
		}
		return m
	})
	for _, l := range loads {
		c := column(l.parallel)
		row.Values = append(row.Values, report.Value{
			Column: c, Is: report.Quantile(is[c], 1), Base: report.Quantile(base[c], 1), Aim: l.aim, More: true,
		})
	}
	publish(t, report.Table{
		Name: "2-throughput", Title: "Provisions per minute",
		Note: fmt.Sprintf("Simulated guests, whose tasks take no time, on %d nodes with 2 slots each; SQLite, embedded Temporal, the real dnsmasq.",
			len(labNodes)),
		Rows: []report.Row{row},
	})
}

func column(parallel int) string { return fmt.Sprintf("%d in parallel", parallel) }

// rate provisions count containers, so many at a time, and returns how many that is per minute.
func (w *world) rate(parallel, count int) float64 {
	w.t.Helper()
	g, ctx := errgroup.WithContext(w.t.Context())
	g.SetLimit(parallel)
	began := time.Now()
	for i := range count {
		g.Go(func() error {
			_, err := w.provision(ctx, fmt.Sprintf("p%d-%04d", parallel, i))
			return err
		})
	}
	w.must(g.Wait())
	return float64(count) / time.Since(began).Minutes()
}
