package process

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Supervisor keeps one child running until it is stopped.
type Supervisor struct {
	child  Child
	cancel context.CancelFunc
	done   chan struct{}
	pid    atomic.Int64
}

// Start runs child and returns once it is ready for the first time. From then on it is restarted whenever it dies, until ctx
// ends or Stop is called. A child that dies or is not ready in time on this first start is not tried again: the error says
// how it ended and quotes the end of its output.
func Start(ctx context.Context, child Child) (*Supervisor, error) {
	if len(child.Command) == 0 {
		return nil, errors.New("process: no command given")
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Supervisor{child: child.withDefaults(), cancel: cancel, done: make(chan struct{})}
	r, err := s.launch(ctx)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("start %s: %w", s.name(), err)
	}
	go s.supervise(ctx, r)
	return s, nil
}

// PID is the number of the running child, 0 while there is none.
func (s *Supervisor) PID() int { return int(s.pid.Load()) }

// Done is closed when the child has been stopped and nothing of it is left.
func (s *Supervisor) Done() <-chan struct{} { return s.done }

// Stop ends the child: SIGTERM to its process group, after the grace period SIGKILL. It returns when nothing is left, and may
// be called more than once.
func (s *Supervisor) Stop() {
	s.cancel()
	<-s.done
}

func (s *Supervisor) name() string { return filepath.Base(s.child.Command[0]) }

// supervise watches r, a child that is ready, and those that follow it.
func (s *Supervisor) supervise(ctx context.Context, r *run) {
	defer close(s.done)
	defer s.cancel()
	log := s.child.Log.With("program", s.name())
	var pause time.Duration
	for {
		var err error
		var ran time.Duration
		if r != nil {
			log.Info("child is ready", "pid", r.pid)
			select {
			case <-ctx.Done():
				r.stop(s.child.Grace)
				s.pid.Store(0)
				log.Info("child stopped", "pid", r.pid)
				return
			case <-r.ended:
				s.pid.Store(0)
				err, ran = r.outcome(), time.Since(r.began)
			}
		}
		pause = s.child.Backoff.next(pause, ran)
		log.Warn("child is down and will be restarted", "error", err, "after", pause)
		if !sleep(ctx, pause) {
			return
		}
		if r, err = s.launch(ctx); ctx.Err() != nil {
			return
		} else if err != nil {
			log.Warn("child did not come up", "error", err)
		}
	}
}

// launch starts the child and waits until it is ready. On any error nothing of it is left.
func (s *Supervisor) launch(ctx context.Context) (*run, error) {
	r, err := spawn(s.child)
	if err != nil {
		return nil, err
	}
	s.pid.Store(int64(r.pid))
	if err := r.awaitReady(ctx, s.child); err != nil {
		r.stop(s.child.Grace)
		s.pid.Store(0)
		return nil, err
	}
	return r, nil
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
