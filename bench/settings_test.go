//go:build e2e

package bench_test

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/bench/report"
)

func env(key, standard string) string { return cmp.Or(os.Getenv(key), standard) }

// repository is the folder above this package.
func repository(t *testing.T) string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(here)
}

func temporalBinary(t *testing.T) string {
	t.Helper()
	return env("BERTH_TEMPORAL_BINARY", filepath.Join(repository(t), "bin", "berth-temporal"))
}

// samples scales a number of samples by BENCH_COUNT.
func samples(t *testing.T, n int) int {
	t.Helper()
	scale, err := strconv.ParseFloat(env("BENCH_COUNT", "1"), 64)
	if err != nil {
		t.Fatalf("BENCH_COUNT must be a number such as 0.2: %v", err)
	}
	return max(2, int(float64(n)*scale))
}

// measured are samples by quantity, in the unit that its row has.
type measured map[string][]float64

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (m measured) add(name string, value float64) { m[name] = append(m[name], value) }

// compare measures bin/berth and, when BENCH_BASE names one, another berth before it.
func compare(t *testing.T, measure func(t *testing.T, binary string) measured) (is, base measured) {
	t.Helper()
	if other := os.Getenv("BENCH_BASE"); other != "" {
		t.Run("base", func(t *testing.T) { base = measure(t, other) })
	}
	t.Run("berth", func(t *testing.T) { is = measure(t, filepath.Join(repository(t), "bin", "berth")) })
	if t.Failed() {
		t.FailNow()
	}
	return is, base
}

// quantiles makes a row of p50 and another quantile, with their aims.
func quantiles(name string, is, base measured, high float64, aim50, aimHigh float64) report.Row {
	row := report.Row{Name: name, Unit: "ms"}
	for _, c := range []struct{ q, aim float64 }{{0.5, aim50}, {high, aimHigh}} {
		row.Values = append(row.Values, report.Value{
			Column: fmt.Sprintf("p%.0f", c.q*100), Aim: c.aim,
			Is: report.Quantile(is[name], c.q), Base: report.Quantile(base[name], c.q),
		})
	}
	return row
}

// publish prints a table and keeps it.
func publish(t *testing.T, table report.Table) {
	t.Helper()
	t.Logf("\n\n%s\n", table.Markdown())
	if err := report.Save(filepath.Join(repository(t), "bench", "results"), machine(), table); err != nil {
		t.Fatal(err)
	}
}

// machine says what the numbers are of.
func machine() string {
	name := runtime.GOARCH
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if key, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores of %s, shared with the lab and the benchmark itself", runtime.NumCPU(), name)
}
