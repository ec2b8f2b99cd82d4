// Command benchdocs writes the results of `make bench` into docs/performance.md, between its two markers.
package main

import (
	"fmt"
	"os"
	"strings"

	"berth/bench/report"
)

const (
	begin = "<!-- results of make bench: begin -->\n"
	end   = "<!-- results of make bench: end -->\n"
)

func main() {
	if err := run("bench/results", "docs/performance.md"); err != nil {
		fmt.Fprintf(os.Stderr, "benchdocs: %v\n", err)
		os.Exit(1)
	}
}

func run(results, page string) error {
	r, err := report.Load(results)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s lacks the markers %q and %q", page, begin, end)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nMeasured on %s, %s.\n", r.Time.Format("2006-01-02"), r.Machine)
	for _, t := range r.Tables {
		fmt.Fprintf(&b, "\n%s", t.Markdown())
	}
	return os.WriteFile(page, []byte(before+begin+b.String()+"\n"+end+after), 0o644) //nolint:gosec // a page for everybody
}
