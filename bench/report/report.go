// Package report holds the results of a benchmark run and prints them as tables.
package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// File is the name of the results in their folder.
const File = "latest.json"

// Results are those of one run.
type Results struct {
	Time    time.Time `json:"time"`
	Machine string    `json:"machine"`
	Tables  []Table   `json:"tables"`
}

// Table is what one benchmark measured.
type Table struct {
	Name  string `json:"name"`  // stable, such as "overhead"
	Title string `json:"title"` // for readers
	Note  string `json:"note"`  // how it was measured
	Rows  []Row  `json:"rows"`
}

// Row is one measured quantity, with one value for each column.
type Row struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"` // ms, MiB or 1/min
	Values []Value `json:"values"`
}

// Value is one number of a row.
type Value struct {
	Column string  `json:"column"` // such as "p50"
	Is     float64 `json:"is"`
	Base   float64 `json:"base,omitempty"` // the same of BENCH_BASE, 0 without
	Aim    float64 `json:"aim,omitempty"`  // 0 = none
	More   bool    `json:"more,omitempty"` // more is better
}

// Missed tells whether a value misses its aim.
func (v Value) Missed() bool {
	if v.Aim == 0 {
		return false
	}
	if v.More {
		return v.Is < v.Aim
	}
	return v.Is > v.Aim
}

// Quantile returns the smallest of the samples that at least a share q of them does not exceed; 0 of none.
func Quantile(samples []float64, q float64) float64 {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	at := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(at, 0), len(sorted)-1)]
}

// Markdown returns the table as Markdown, the name of each quantity first.
func (t Table) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s\n\n", t.Title, t.Note)
	var columns []string
	for _, r := range t.Rows {
		for _, v := range r.Values {
			if !slices.Contains(columns, v.Column) {
				columns = append(columns, v.Column)
			}
		}
	}
	fmt.Fprintf(&b, "| | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---:|", len(columns)))
	for _, r := range t.Rows {
		fmt.Fprintf(&b, "| %s |", r.Name)
		for _, c := range columns {
			at := slices.IndexFunc(r.Values, func(v Value) bool { return v.Column == c })
			if at < 0 {
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(&b, " %s |", r.Values[at].cell(r.Unit))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (v Value) cell(unit string) string {
	s := number(v.Is) + " " + unit
	if v.Base > 0 {
		s += fmt.Sprintf(" (%.2f of %s)", v.Is/v.Base, number(v.Base))
	}
	if v.Aim > 0 {
		sign := map[bool]string{true: "over", false: "under"}[v.More]
		s += fmt.Sprintf(", aim %s %s", sign, number(v.Aim))
	}
	if v.Missed() {
		s = "**" + s + ": missed**"
	}
	return s
}

func number(f float64) string {
	if f < 10 {
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}

// Load reads the results in a folder; there are none before the first run.
func Load(dir string) (Results, error) {
	var r Results
	content, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		return r, fmt.Errorf("read the results (run make bench first): %w", err)
	}
	if err := json.Unmarshal(content, &r); err != nil {
		return r, fmt.Errorf("read the results: %w", err)
	}
	return r, nil
}

// Save puts a table into the results of a folder, over the one with the same name.
func Save(dir, machine string, t Table) error {
	r, err := Load(dir)
	if err != nil {
		r = Results{} // none yet, or of no use any more
	}
	r.Time, r.Machine = time.Now().UTC().Truncate(time.Second), machine
	r.Tables = slices.DeleteFunc(r.Tables, func(old Table) bool { return old.Name == t.Name })
	r.Tables = append(r.Tables, t)
	slices.SortFunc(r.Tables, func(a, b Table) int { return cmp.Compare(a.Name, b.Name) })
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("save the results: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("save the results: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, File), append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("save the results: %w", err)
	}
	return nil
}
