package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// watch keeps the command lines of this process and its children, which everybody on the machine can read. Many live for
// some milliseconds only.
type watch struct {
	mu    sync.Mutex
	lines map[string]bool
}

// watchArguments looks at the process table until the test ends.
func watchArguments(t *testing.T) *watch {
	t.Helper()
	w := &watch{lines: map[string]bool{}}
	stop, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-ended })
	go func() {
		defer close(ended)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			w.look()
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	return w
}

func (w *watch) look() {
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return
	}
	self := strconv.Itoa(os.Getpid())
	for _, name := range names {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		pid := filepath.Base(filepath.Dir(name))
		_, after, _ := strings.Cut(string(stat), ") ") // state and parent follow the name
		if fields := strings.Fields(after); pid != self && (len(fields) < 2 || fields[1] != self) {
			continue
		}
		if raw, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline")); err == nil {
			w.mu.Lock()
			w.lines[string(raw)] = true
			w.mu.Unlock()
		}
	}
}

// seen returns all command lines, also of what has ended.
func (w *watch) seen() (all []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for line := range w.lines {
		all = append(all, line+"\n"...)
	}
	return all
}
