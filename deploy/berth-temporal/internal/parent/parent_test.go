package parent_test

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"berth/deploy/berth-temporal/internal/parent"
)

func TestWatchSeesTheParentDie(t *testing.T) {
	process := exec.Command("sleep", "60")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	gone, err := parent.Watch(t.Context(), process.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
		t.Fatal("reported gone while the process runs")
	default:
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Fatal("death not reported within 5 s")
	}
	_ = process.Wait()
}

func TestWatchOfAProcessThatIsGone(t *testing.T) {
	process := exec.Command("true")
	if err := process.Run(); err != nil {
		t.Fatal(err)
	}
	gone, err := parent.Watch(t.Context(), process.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
	case <-time.After(5 * time.Second):
		t.Fatal("a process that had ended is not reported as gone")
	}
}

func TestWatchGivesItsDescriptorsBackWhenItsContextEnds(t *testing.T) {
	open := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := open()
	ctx, cancel := context.WithCancel(t.Context())
	gone, err := parent.Watch(ctx, os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if open() != before+3 {
		t.Errorf("%d descriptors while watching, want %d (a pidfd and a pipe more)", open(), before+3)
	}
	cancel()
	for deadline := time.Now().Add(5 * time.Second); open() != before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors open after the context ended, want %d", open(), before)
		}
	}
	select {
	case <-gone:
		t.Error("reported gone because its context ended")
	default:
	}
}
