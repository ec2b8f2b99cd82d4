// Package process runs the programs that a role of Berth depends on as its children: starts them, restarts them when they
// die, and sees to it that none outlives the role, however that one ends.
package process

import (
	"context"
	"io"
	"log/slog"
	"syscall"
	"time"
)

// Child describes a program to be kept running. Only Command is required.
type Child struct {
	Command []string // program, looked up in PATH, and arguments
	Dir     string   // working directory; the parent's when empty
	Env     []string // whole environment as KEY=VALUE; the parent's when nil

	// Ready is asked again and again after each start until it returns nil. The context ends when the child does.
	Ready func(context.Context) error
	// ReadyLine is shown each line the child writes to standard output until it returns true. With Ready set too, both
	// must agree; with neither, a child is ready once it has started.
	ReadyLine func(line string) bool
	// ReadyTimeout is how long a child may take to become ready before it is killed and counts as dead; 1 min when zero.
	ReadyTimeout time.Duration

	// Grace is the time from SIGTERM to SIGKILL when the child is stopped; 10 s when zero.
	Grace time.Duration
	// DeathSignal is what the kernel sends the child when this process dies without stopping it; SIGKILL when zero. A
	// program with children of its own (nginx) needs SIGTERM, or they stay behind.
	DeathSignal syscall.Signal
	Backoff     Backoff

	Output io.Writer    // receives standard output and error; nil discards them
	Log    *slog.Logger // receives starts and ends; nil discards them
}

// Backoff is how long a child that died stays down: First, then twice as long after each further death, at most Max. A child
// that ran for Stable begins again at First.
type Backoff struct {
	First  time.Duration // 100 ms when zero
	Max    time.Duration // 10 s when zero
	Stable time.Duration // 30 s when zero
}

// next returns the pause before the start that follows a run of length ran, given the pause before that run.
func (b Backoff) next(previous, ran time.Duration) time.Duration {
	if previous == 0 || ran >= b.Stable {
		return b.First
	}
	return min(2*previous, b.Max)
}

// withDefaults replaces what was left zero.
func (c Child) withDefaults() Child {
	c.ReadyTimeout = or(c.ReadyTimeout, time.Minute)
	c.Grace = or(c.Grace, 10*time.Second)
	c.DeathSignal = or(c.DeathSignal, syscall.SIGKILL)
	c.Backoff.First = or(c.Backoff.First, 100*time.Millisecond)
	c.Backoff.Max = or(c.Backoff.Max, 10*time.Second)
	c.Backoff.Stable = or(c.Backoff.Stable, 30*time.Second)
	if c.Output == nil {
		c.Output = io.Discard
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}
