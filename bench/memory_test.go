//go:build e2e

package bench_test

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"berth/bench/report"
)

// TestMemory measures the resident memory of every role that runs as a process of its own, after some work.
func TestMemory(t *testing.T) {
	n := samples(t, 60)
	roles := []string{"api", "worker", "edge", "berth-temporal", "standalone"}
	is, base := compare(t, func(t *testing.T, binary string) measured { return memory(t, binary, n) })
	table := report.Table{
		Name: "4-memory", Title: "Memory of the roles",
		Note: fmt.Sprintf("Resident set after %d provisions, 10 in parallel (VmRSS), and the most it was (VmHWM). standalone is API and worker in "+
			"one process; berth-temporal and the edge run beside it.", n),
	}
	for _, name := range roles {
		row := report.Row{Name: name, Unit: "MiB"}
		for _, c := range []string{"VmRSS", "VmHWM"} {
			row.Values = append(row.Values, report.Value{
				Column: c, Is: report.Quantile(is[name+c], 1), Base: report.Quantile(base[name+c], 1),
			})
		}
		table.Rows = append(table.Rows, row)
	}
	publish(t, table)
}

func memory(t *testing.T, binary string, n int) measured {
	w := start(t, binary, "simulated")
	m := measured{}
	w.rate(10, n)
	w.weigh(m, "standalone", w.standalone)
	w.stop()

	address := "TEMPORAL_ADDRESS=" + w.runTemporal()
	api, _ := w.run("api", "api", address)
	worker, _ := w.run("worker", "worker", address)
	w.await("a container could be created", w.ready)
	w.rate(11, n)
	w.weigh(m, "api", api)
	w.weigh(m, "worker", worker)
	w.weigh(m, "edge", w.edgePID)
	w.weigh(m, "berth-temporal", w.temporalPID)
	return m
}

// weigh adds what a process takes, in MiB.
func (w *world) weigh(m measured, name string, pid int) {
	w.t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	w.must(err)
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		if key != "VmRSS" && key != "VmHWM" {
			continue
		}
		kib, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
		w.must(err)
		m.add(name+key, kib/1024)
	}
}
