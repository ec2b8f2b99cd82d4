package report_test

import (
	"strings"
	"testing"

	"berth/bench/report"
)

func TestQuantile(t *testing.T) {
	samples := []float64{30, 10, 20, 40}
	for q, want := range map[float64]float64{0.5: 20, 0.95: 40, 0.25: 10, 1: 40} {
		if got := report.Quantile(samples, q); got != want {
			t.Errorf("quantile %v = %v, want %v", q, got, want)
		}
	}
	if got := report.Quantile(nil, 0.5); got != 0 {
		t.Errorf("quantile of nothing = %v, want 0", got)
	}
}

func TestMarkdownNamesMissedAimsAndRatios(t *testing.T) {
	table := report.Table{Title: "T", Note: "N", Rows: []report.Row{
		{Name: "slow", Unit: "ms", Values: []report.Value{{Column: "p50", Is: 1500, Aim: 1000, Base: 3000}}},
		{Name: "many", Unit: "1/min", Values: []report.Value{{Column: "50", Is: 700, Aim: 600, More: true}}},
	}}
	got := table.Markdown()
	for _, want := range []string{
		"| | p50 | 50 |", "| slow | **1500 ms (0.50 of 3000), aim under 1000: missed** | |",
		"| many | | 700 1/min, aim over 600 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}

func TestSaveReplacesATable(t *testing.T) {
	dir := t.TempDir()
	for _, title := range []string{"first", "second"} {
		if err := report.Save(dir, "m", report.Table{Name: "a", Title: title}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := report.Load(dir)
	if err != nil || len(got.Tables) != 1 || got.Tables[0].Title != "second" {
		t.Errorf("loaded %+v, %v; want the second table alone", got, err)
	}
}
