package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	// yaml: reads JSON as what it is, a subset of YAML, and so keeps the order of fields.
	"go.yaml.in/yaml/v3"
)

// column is one column of a table, and one line when a single thing is shown.
type column[T any] struct {
	title string
	cell  func(T) string
	// detail columns are shown for a single thing alone.
	detail bool
}

// items is how lists are printed as JSON and YAML.
type items[T any] struct {
	Items []T `json:"items"`
}

// printList prints a list in the format that was asked for.
func printList[T any](s *session, all []T, columns []column[T]) error {
	if s.format != "table" {
		if all == nil {
			all = []T{}
		}
		return s.encode(items[T]{all})
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 3, ' ', 0)
	var titles []string
	for _, c := range columns {
		if !c.detail {
			titles = append(titles, strings.ToUpper(c.title))
		}
	}
	fmt.Fprintln(w, strings.Join(titles, "\t"))
	for _, one := range all {
		var cells []string
		for _, c := range columns {
			if !c.detail {
				cells = append(cells, orDash(c.cell(one)))
			}
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// printOne prints a single thing in the format that was asked for.
func printOne[T any](s *session, one T, columns []column[T]) error {
	if s.format != "table" {
		return s.encode(one)
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, c := range columns {
		if text := c.cell(one); text != "" {
			fmt.Fprintf(w, "%s:\t%s\n", c.title, text)
		}
	}
	return w.Flush()
}

// encode prints v as JSON or YAML.
func (s *session) encode(v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if s.format == "yaml" {
		return writeYAML(s.out, text)
	}
	_, err = s.out.Write(append(text, '\n'))
	return err
}

func writeYAML(w io.Writer, text []byte) error {
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return err
	}
	plain(&document)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}

// plain drops JSON's braces and quotes, which the encoder sets again where a value needs them.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		plain(child)
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// text returns what p points to, or nothing.
func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// age says how long ago something was, in the largest unit that tells enough.
func (s *session) age(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	d := s.now().Sub(*t)
	switch {
	case d < 0:
		return "0s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// size writes bytes the way people read them.
func size(bytes int64) string {
	const unit = 1024
	if bytes < unit {
		return fmt.Sprintf("%d B", bytes)
	}
	value, suffix := float64(bytes), "KMGTPE"
	at := -1
	for value >= unit && at < len(suffix)-1 {
		value /= unit
		at++
	}
	return fmt.Sprintf("%.1f %ciB", value, suffix[at])
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func moment(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
