package main

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"berth/domain"
)

func TestAwaiting(t *testing.T) {
	down := domain.Errorf(domain.Unavailable, "the database cannot be reached")
	empty := domain.Errorf(domain.Unavailable, "the database is not migrated")
	wrong := domain.Errorf(domain.Invalid, "the database must be given as ...")
	for name, c := range map[string]struct {
		answers  []error // the last one is repeated
		patience time.Duration
		want     error
		said     []string
		tries    int
	}{
		"there at once":       {answers: []error{nil}, patience: time.Minute, tries: 1},
		"up, then migrated":   {answers: []error{down, down, empty, empty, nil}, patience: time.Minute, said: []string{"cannot be reached", "not migrated", "goes on"}, tries: 5},
		"wrong for good":      {answers: []error{down, wrong}, patience: time.Minute, want: wrong, said: []string{"cannot be reached"}, tries: 2},
		"patience has an end": {answers: []error{down}, patience: 20 * time.Millisecond, want: down, said: []string{"cannot be reached"}},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			a := awaiting{slog.New(slog.NewTextHandler(&log, nil)), c.patience, time.Millisecond, 2 * time.Millisecond}
			tries := 0
			err := a.until(t.Context(), "the database", func(context.Context) error {
				tries++
				return c.answers[min(tries, len(c.answers))-1]
			})
			if err != c.want { //nolint:errorlint // the very error
				t.Errorf("got %v, want %v", err, c.want)
			}
			if c.tries != 0 && tries != c.tries {
				t.Errorf("tried %d times, want %d", tries, c.tries)
			}
			if lines := strings.Count(log.String(), "\n"); lines != len(c.said) {
				t.Errorf("logged %d lines, want %d:\n%s", lines, len(c.said), log.String())
			}
			for _, words := range c.said {
				if !strings.Contains(log.String(), words) {
					t.Errorf("the log lacks %q:\n%s", words, log.String())
				}
			}
		})
	}
}
