package process

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	pollReady = 50 * time.Millisecond // between two questions to Child.Ready
	// How long to read on from a child that ended while one of its descendants keeps the pipe open.
	drainTime = time.Second
)

// run is one life of a child.
type run struct {
	pid   int
	began time.Time
	out   *output
	err   error         // of Wait; valid after ended
	ended chan struct{} // closed when the child is gone and has been waited for
}

// spawn starts the child in a process group of its own, so that a Ctrl-C at the terminal reaches only us and a stop reaches its
// descendants too.
func spawn(child Child) (*run, error) {
	command := exec.Command(child.Command[0], child.Command[1:]...)
	command.Dir, command.Env = child.Dir, child.Env
	command.SysProcAttr = attributes(child.DeathSignal)
	command.WaitDelay = drainTime
	r := &run{began: time.Now(), out: newOutput(child.Output, child.ReadyLine), ended: make(chan struct{})}
	command.Stdout, command.Stderr = r.out.stdout(), r.out
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the THREAD that started the child ends. Locked to this goroutine, which
		// lives as long as the child, it stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		if err == nil {
			r.pid = command.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		r.err = command.Wait()
		r.signal(syscall.SIGKILL) // what it left behind in its group
		close(r.ended)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return r, nil
}

// awaitReady returns nil once the child says that it is ready, in whichever ways were asked for.
func (r *run) awaitReady(ctx context.Context, child Child) error {
	if child.Ready == nil && child.ReadyLine == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, child.ReadyTimeout)
	defer cancel()
	go func() {
		select {
		case <-r.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := child.ready(ctx, r.out.matched)
	if err == nil {
		return nil
	}
	select {
	case <-r.ended:
		return r.outcome()
	default:
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("not ready after %s: %w%s", child.ReadyTimeout, err, r.out.quote())
	}
	return ctx.Err()
}

// ready returns nil when the child has said its line and answers, or the reason it has not when ctx ends.
func (c Child) ready(ctx context.Context, said <-chan struct{}) error {
	if c.ReadyLine != nil {
		select {
		case <-said:
		case <-ctx.Done():
			return errors.New("it has not said that it is")
		}
	}
	if c.Ready == nil {
		return nil
	}
	for {
		err := c.Ready(ctx)
		if err == nil || !sleep(ctx, pollReady) {
			return err
		}
	}
}

// outcome says how a child ended that was not asked to.
func (r *run) outcome() error {
	if r.err == nil {
		return fmt.Errorf("it ended by itself%s", r.out.quote())
	}
	return fmt.Errorf("it ended: %w%s", r.err, r.out.quote())
}

// stop ends the child and its descendants, and returns when the child is gone.
func (r *run) stop(grace time.Duration) {
	select {
	case <-r.ended: // its number may be another's by now
		return
	default:
	}
	r.signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-r.ended:
	case <-timer.C:
		r.signal(syscall.SIGKILL)
		<-r.ended
	}
}

// signal reaches the whole process group; a group that is gone is none to reach.
func (r *run) signal(s syscall.Signal) { _ = syscall.Kill(-r.pid, s) }
