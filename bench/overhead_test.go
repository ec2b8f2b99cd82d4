//go:build e2e

package bench_test

import (
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"berth/bench/report"
)

// The quantities of a provision, as rows of the table.
const (
	rowOverhead = "**overhead**"
	rowStart    = "request: validation, reservation in SQL, start of the workflow"
	rowTasks    = "Temporal: workflow tasks, with their steps in SQL"
	rowDispatch = "Temporal: handing activities to the worker"
	rowEdges    = "waiting for the edges alone: debounce, publishing, dnsmasq, report"
	rowSteps    = "activities beyond Proxmox VE's own work: calls, polling, SQL"
	rowEnd      = "from the workflow's end to the caller's knowledge"
	rowProxmox  = "Proxmox VE's tasks and the guest's way to its lease (not overhead)"
	rowWall     = "wall time of the whole"
)

// TestOverhead measures what Berth adds to the work of Proxmox VE and of the guest, one provision after the other.
func TestOverhead(t *testing.T) {
	n := samples(t, 30)
	is, base := compare(t, func(t *testing.T, binary string) measured { return overhead(t, binary, n) })
	table := report.Table{
		Name: "1-overhead", Title: "Overhead per provision",
		Note: fmt.Sprintf("%d containers of %s with real guests, one after the other, after one that is not counted.", n, tiny),
		Rows: []report.Row{quantiles(rowOverhead, is, base, 0.95, 1000, 2000)},
	}
	for _, name := range []string{rowStart, rowTasks, rowDispatch, rowEdges, rowSteps, rowEnd, rowProxmox, rowWall} {
		table.Rows = append(table.Rows, quantiles(name, is, base, 0.95, 0, 0))
	}
	publish(t, table)
}

func overhead(t *testing.T, binary string, n int) measured {
	w := start(t, binary, "lxc")
	temporal, err := client.Dial(client.Options{HostPort: w.temporal})
	w.must(err)
	defer temporal.Close()
	_, err = w.provision(t.Context(), "warm-up") // pulls the image
	w.must(err)
	w.lab.work.read()
	m := measured{}
	for i := range n {
		asked := time.Now()
		op, err := w.provision(t.Context(), fmt.Sprintf("c%03d", i))
		w.must(err)
		wall, proxmox := time.Since(asked), w.lab.work.read()
		p, ended, err := dissect(t.Context(), temporal, op.WorkflowID, *op.RunID, asked)
		w.must(err)
		m.add(rowWall, ms(wall))
		m.add(rowProxmox, ms(proxmox))
		m.add(rowOverhead, ms(wall-proxmox))
		m.add(rowStart, ms(p.start))
		m.add(rowTasks, ms(p.tasks))
		m.add(rowDispatch, ms(p.dispatch))
		m.add(rowEdges, ms(p.edges))
		m.add(rowSteps, ms(p.steps-proxmox))
		m.add(rowEnd, ms(asked.Add(wall).Sub(ended)))
	}
	return m
}
