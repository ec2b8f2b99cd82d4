//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// report writes how every cell ended into docs/reliability.md.
func report(t *testing.T, results map[string]result) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `# Reliability

Written by `+"`make e2e-full`"+` on real processes; do not edit. Every step of an operation is struck by every fault, with the
deadlines of the steps multiplied by %v. A checker that knows nothing of Berth's code then looks at the nodes, their volumes
and permissions, at dnsmasq's answers, files and leases, and at the database: nothing may be left over, missing or doubled.

Columns are faults; a cell tells how the operation ended and after how long, its set-up included.
`, scale)
	for _, operation := range []string{"provision", "delete"} {
		fmt.Fprintf(&b, "\n## %s\n\n| step |", operation)
		for _, f := range faults {
			fmt.Fprintf(&b, " %s |", f.name)
		}
		b.WriteString("\n|---|" + strings.Repeat("---|", len(faults)) + "\n")
		var notes []string
		for _, s := range steps {
			if s.operation != operation {
				continue
			}
			fmt.Fprintf(&b, "| %s |", s.name)
			for _, f := range faults {
				fmt.Fprintf(&b, " %s |", told(s, f, results, &notes))
			}
			b.WriteString("\n")
		}
		for i, n := range notes {
			fmt.Fprintf(&b, "\n%d. %s", i+1, n)
		}
		if len(notes) > 0 {
			b.WriteString("\n")
		}
	}
	if err := os.WriteFile("../docs/reliability.md", []byte(b.String()), 0o644); err != nil {
		t.Error(err)
	}
}

func told(s step, f fault, results map[string]result, notes *[]string) string {
	note := func(words string) string {
		at := slices.Index(*notes, words)
		if at < 0 {
			at = len(*notes)
			*notes = append(*notes, words)
		}
		return fmt.Sprintf("(%d)", at+1)
	}
	if why := s.none[f.name]; why != "" {
		return "cannot be " + note("Cannot be: "+why+".")
	}
	if !s.can(f) {
		return "" // it is no call, or no task
	}
	r, ok := results[pick{s, f}.id()]
	if !ok {
		return "**failed**"
	}
	text := fmt.Sprintf("%s, %s", r.end, r.took.Round(time.Second/10))
	if !slices.Contains(s.expected(f), r.end) {
		text = "**" + text + "**"
	}
	return text
}
