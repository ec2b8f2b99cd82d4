package process_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"berth/process"
)

const (
	patience = 20 * time.Second
	// parentKey makes the test binary play the parent that is killed: it starts a child and says its number.
	parentKey = "BERTH_TEST_PARENT"
)

func TestMain(m *testing.M) {
	if os.Getenv(parentKey) == "" {
		os.Exit(m.Run())
	}
	s, err := process.Start(context.Background(), process.Child{Command: []string{"sleep", "300"}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(s.PID())
	<-s.Done()
}

func shell(script string) []string { return []string{"/bin/sh", "-c", script} }

// await repeats a condition until it holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s", patience, what)
		}
	}
}

// alive is false for a process that is gone or only waits for its parent to notice.
func alive(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// syncBuffer may be read while a child writes.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func start(t *testing.T, child process.Child) *process.Supervisor {
	t.Helper()
	s, err := process.Start(t.Context(), child)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func TestAKilledChildIsRestarted(t *testing.T) {
	s := start(t, process.Child{
		Command: shell("echo up; exec sleep 300"),
		Backoff: process.Backoff{First: time.Millisecond},
	})
	for range 3 {
		pid := s.PID()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, "a new child", func() bool { return s.PID() != 0 && s.PID() != pid && alive(s.PID()) })
	}
}

func TestStartWaitsUntilTheChildIsReady(t *testing.T) {
	folder := t.TempDir()
	asked := 0
	s := start(t, process.Child{
		Command:   shell("echo booting; touch up; echo '{\"ready\":true}'; exec sleep 300"),
		Dir:       folder,
		ReadyLine: func(line string) bool { return line == `{"ready":true}` },
		Ready: func(context.Context) error {
			if asked++; asked < 3 {
				return errors.New("not yet")
			}
			return nil
		},
	})
	if _, err := os.Stat(filepath.Join(folder, "up")); err != nil {
		t.Errorf("reported ready before it was: %v", err)
	}
	if asked != 3 {
		t.Errorf("Ready was asked %d times, want 3", asked)
	}
	if !alive(s.PID()) {
		t.Error("the child is not running")
	}
}

func TestAFirstStartThatFailsSaysWhy(t *testing.T) {
	cases := map[string]struct {
		child process.Child
		want  []string
	}{
		"no such program": {process.Child{Command: []string{"/nonexistent"}}, []string{"start nonexistent", "no such file"}},
		"it dies": {
			process.Child{
				Command: shell("echo the port is taken >&2; exit 3"),
				Ready:   func(context.Context) error { return errors.New("no answer") },
			},
			[]string{"start sh", "exit status 3", "the port is taken"},
		},
		"it is never ready": {
			process.Child{
				Command: shell("echo hanging; exec sleep 300"), ReadyTimeout: 200 * time.Millisecond,
				Ready: func(context.Context) error { return errors.New("no answer") },
			},
			[]string{"not ready after 200ms", "no answer", "hanging"},
		},
		"no command": {process.Child{}, []string{"no command"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, err := process.Start(t.Context(), c.child)
			if err == nil {
				s.Stop()
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not contain %q", err, want)
				}
			}
		})
	}
}

func TestStopIsPoliteFirst(t *testing.T) {
	var out syncBuffer
	s := start(t, process.Child{
		Command:   shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done"),
		ReadyLine: func(line string) bool { return line == "ready" },
		Output:    &out,
	})
	s.Stop()
	if !strings.Contains(out.String(), "bye") {
		t.Errorf("the child was not given the chance to end itself; it said %q", out.String())
	}
	if s.PID() != 0 {
		t.Errorf("PID() = %d after Stop", s.PID())
	}
	s.Stop() // a second time is no error
}

func TestStopLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	// Child and grandchild both ignore SIGTERM.
	s := start(t, process.Child{
		Command:   shell(`trap '' TERM; sh -c 'trap "" TERM; while :; do sleep 0.01; done' & echo $! > grandchild; echo ready; wait`),
		Dir:       folder,
		ReadyLine: func(line string) bool { return line == "ready" },
		Grace:     50 * time.Millisecond,
	})
	text, err := os.ReadFile(filepath.Join(folder, "grandchild"))
	if err != nil {
		t.Fatal(err)
	}
	grandchild, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	child := s.PID()
	if !alive(child) || !alive(grandchild) {
		t.Fatalf("child alive: %t, grandchild alive: %t", alive(child), alive(grandchild))
	}
	s.Stop()
	if alive(child) {
		t.Error("the child is still there")
	}
	await(t, "the grandchild to be gone", func() bool { return !alive(grandchild) })
}

func TestTheEndOfTheContextStopsTheChild(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := process.Start(ctx, process.Child{Command: []string{"sleep", "300"}})
	if err != nil {
		t.Fatal(err)
	}
	pid := s.PID()
	cancel()
	select {
	case <-s.Done():
	case <-time.After(patience):
		t.Fatal("not stopped")
	}
	if alive(pid) {
		t.Error("the child is still there")
	}
}

func TestAChildDoesNotOutliveAKilledParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), parentKey+"=1")
	stdout, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var child int
	if _, err := fmt.Fscan(stdout, &child); err != nil {
		t.Fatal(err)
	}
	if !alive(child) {
		t.Fatal("the child does not run")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	await(t, "the orphan to be ended", func() bool { return !alive(child) })
}
