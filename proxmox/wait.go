package proxmox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"berth/domain"
)

// Progress is what a waiter sees of a running task.
type Progress struct {
	UPID       string
	LastLine   string // of the log
	Lines      int    // lines of the log so far
	BlobsDone  int    // with a pull: blobs the node has finished copying
	BlobsTotal int    // with a pull: blobs the node has begun; the image's manifest knows how many there will be
}

// TaskResult is a task that ended well.
type TaskResult struct {
	Warnings int      // as counted by Proxmox
	Log      []string // last lines
}

// Warning returns the row of the first warning in the log that the table knows, such as a missing DHCP lease.
func (r TaskResult) Warning() (Failure, bool) {
	for _, line := range r.Log {
		if text, ok := strings.CutPrefix(line, "WARN: "); ok && r.Warnings > 0 {
			if f := Classify(&TaskError{ExitStatus: text}); f.Name != rowRefused {
				return f, true
			}
		}
	}
	return Failure{}, false
}

// keepLines is how much of a log is kept.
const keepLines = 200

// noSuchTaskGrace is how long a node may not know a task it has just named.
const noSuchTaskGrace = 10 * time.Second

// silenceShare is the share of its deadline that a waiter bears with a node that cannot be reached.
const silenceShare = 10

// Wait follows a task to its end, whichever process started it. "OK" and "WARNINGS: n" are success; a failure becomes an error by the
// failure table from exit status and log. An unanswered look does not mean that the task failed: Wait goes on until deadline, or until
// the node could not be reached for a tenth of it, and then, as when ctx ends, the outcome is unknown. beat, if not nil, is called after
// every look.
func (c *Client) Wait(ctx context.Context, ref TaskRef, deadline time.Duration, beat func(Progress)) (TaskResult, error) {
	if ref.IsZero() {
		return TaskResult{}, nil
	}
	look := context.WithValue(ctx, oneTry{}, true)
	started, pause := c.cfg.Now(), c.cfg.PollFirst
	log := taskLog{client: c, ref: ref}
	heard := started
	for {
		task, err := c.TaskStatus(look, ref)
		if err == nil && !task.Running {
			log.readAll(ctx)
			return c.ended(task, log)
		}
		age := c.cfg.Now().Sub(started)
		if err != nil && (domain.Is(err, domain.Forbidden) || Classify(err).Name == rowNoSuchTask && age > noSuchTaskGrace) {
			return TaskResult{Log: log.lines}, domain.Errorf(domain.UnknownOutcome,
				"%s can no longer be followed; look what it has done: %w", named(ref), err)
		}
		if err == nil {
			log.read(look)
		}
		if !Unreachable(err) {
			heard = c.cfg.Now()
		}
		if beat != nil {
			beat(log.progress())
		}
		if age >= deadline || c.cfg.Now().Sub(heard) >= deadline/silenceShare || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return TaskResult{Log: log.lines}, deadlinePassed(ref, age, log.progress().LastLine, err)
		}
		if err := c.cfg.Sleep(ctx, min(pause, deadline-age)); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return TaskResult{Log: log.lines}, domain.Errorf(domain.UnknownOutcome,
				"stopped waiting for %s, which goes on; look at it before trying again: %w", named(ref), err)
		}
		pause = min(pause*3/2, c.cfg.PollMax)
	}
}

func (c *Client) ended(task Task, log taskLog) (TaskResult, error) {
	if !task.Succeeded() {
		return TaskResult{Log: log.lines}, wrapTask(&TaskError{Ref: task.Ref, ExitStatus: task.ExitStatus, Log: log.lines})
	}
	result := TaskResult{Log: log.lines}
	if n, ok := strings.CutPrefix(task.ExitStatus, "WARNINGS:"); ok {
		result.Warnings, _ = strconv.Atoi(strings.TrimSpace(n))
		result.Warnings = max(result.Warnings, 1)
	}
	return result, nil
}

// taskLog reads a log piece by piece.
type taskLog struct {
	client *Client
	ref    TaskRef
	lines  []string // the last ones
	count  int      // all
	blobs  map[string]bool
	copied bool // all blobs are there
}

// read fetches the next piece and says whether there was one. A log that cannot be read is not worth failing for.
func (l *taskLog) read(ctx context.Context) bool {
	piece, err := l.client.TaskLog(ctx, l.ref, l.count)
	if err != nil || len(piece) == 0 {
		return false
	}
	l.count += len(piece)
	for _, line := range piece {
		if digest, ok := strings.CutPrefix(line, "Copying blob "); ok {
			if l.blobs == nil {
				l.blobs = map[string]bool{}
			}
			l.blobs[digest] = true
		}
		l.copied = l.copied || strings.HasPrefix(line, "Copying config ")
	}
	l.lines = append(l.lines, piece...)
	if n := len(l.lines) - keepLines; n > 0 {
		l.lines = append([]string(nil), l.lines[n:]...)
	}
	return true
}

func (l *taskLog) readAll(ctx context.Context) {
	for l.read(ctx) {
	}
}

func (l *taskLog) progress() Progress {
	p := Progress{UPID: l.ref.UPID, Lines: l.count, BlobsTotal: len(l.blobs), BlobsDone: len(l.blobs)}
	if len(l.lines) > 0 {
		p.LastLine = l.lines[len(l.lines)-1]
	}
	if !l.copied && p.BlobsDone > 0 {
		p.BlobsDone-- // skopeo names a blob when it begins
	}
	return p
}

// WatchRunning looks at a CT for that long after its start. An entrypoint that ends leaves a start task that is OK and a CT that is
// stopped; that is the error.
func (c *Client) WatchRunning(ctx context.Context, node string, vmid int, period time.Duration) error {
	for started := c.cfg.Now(); ; {
		status, err := c.Status(ctx, node, vmid)
		if err != nil {
			return err
		}
		if !status.Running {
			return wrap(fmt.Sprintf("start CT %d on %s", vmid, node), false, fmt.Errorf("CT %d stopped by itself", vmid))
		}
		left := period - c.cfg.Now().Sub(started)
		if left <= 0 {
			return nil
		}
		if err := c.cfg.Sleep(ctx, min(left, c.cfg.PollFirst)); err != nil {
			return err
		}
	}
}
