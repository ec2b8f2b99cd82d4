package pve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// task is one worker of a node, running or finished.
type task struct {
	Node, Type, ID string
	PID, PStart    int
	Start, End     int64  // Unix time; End is 0 while it runs
	User, Token    string //
	Exit           string // exit status, once it ended
	Log            []string

	cancel context.CancelCauseFunc
	dead   chan struct{} // closed when the worker is killed
	death  sync.Once
	done   chan struct{} // closed when it ended
}

func (t *task) running() bool { return t.End == 0 }

// owner is who started the task.
func (t *task) owner() identity { return identity{user: t.User, token: t.Token} }

// upid is the task's name everywhere.
func (t *task) upid() string {
	encode := strings.NewReplacer("%", "%25", ":", "%3A")
	return fmt.Sprintf("UPID:%s:%08X:%08X:%08X:%s:%s:%s:",
		t.Node, t.PID, t.PStart, t.Start, t.Type, encode.Replace(t.ID), t.owner())
}

// taskList holds the tasks of all nodes, oldest first.
type taskList struct {
	all     []*task
	byUPID  map[string]*task
	lastPID int
}

// keptTasks is how many tasks are remembered, about what the index of a node holds.
const keptTasks = 1000

func (l *taskList) add(t *task) {
	if l.byUPID == nil {
		l.byUPID = map[string]*task{}
	}
	l.all = append(l.all, t)
	l.byUPID[t.upid()] = t
	if len(l.all) > keptTasks && !l.all[0].running() {
		delete(l.byUPID, l.all[0].upid())
		l.all = l.all[1:]
	}
}

// Why a worker's context ended.
var (
	errKilled      = errors.New("killed")
	errInterrupted = errors.New("received interrupt")
)

// worker is a running task as its code sees it.
type worker struct {
	c        *Cluster
	task     *task
	ctx      context.Context
	faults   []*Fault
	warnings int
	point    sync.Once
	outcome  error
}

// startTask runs f as a worker of the call's node and returns its UPID.
func (c *Cluster) startTask(k *call, kind, id string, f func(w *worker) error) string {
	return c.start(k.node, k.auth, k.faults, kind, id, f)
}

func (c *Cluster) start(node string, who identity, fs []*Fault, kind, id string, f func(w *worker) error) string {
	now := c.now()
	ctx, cancel := context.WithCancelCause(c.closing)
	c.mu.Lock()
	c.tasks.lastPID++
	t := &task{
		Node: node, Type: kind, ID: id, PID: 4096 + c.tasks.lastPID%(1<<22),
		PStart: int(now.Unix()*100+int64(now.Nanosecond())/1e7) & 0x7FFFFFFF,
		Start:  now.Unix(), User: who.user, Token: who.token,
		cancel: cancel, dead: make(chan struct{}), done: make(chan struct{}),
	}
	c.tasks.add(t)
	c.workers.Add(1)
	c.mu.Unlock()
	w := &worker{c: c, task: t, ctx: ctx, faults: fs}
	go func() {
		defer c.workers.Done()
		c.finish(w, f(w))
	}()
	return t.upid()
}

// finish writes the last line of the log and the exit status.
func (c *Cluster) finish(w *worker, err error) {
	defer w.task.cancel(nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	t := w.task
	switch {
	case w.killed():
		t.Exit = "unexpected status"
	case err != nil:
		text := asError(err).Error()
		t.Log = append(t.Log, strings.Split("TASK ERROR: "+text, "\n")...)
		t.Exit = strings.ReplaceAll(text, "\n", " ")
	case w.warnings > 0:
		t.Exit = fmt.Sprintf("WARNINGS: %d", w.warnings)
		t.Log = append(t.Log, "TASK "+t.Exit)
	default:
		t.Exit = "OK"
		t.Log = append(t.Log, "TASK OK")
	}
	t.End = max(c.now().Unix(), t.Start)
	close(t.done)
	c.archive(t)
}

// logf writes to the task log.
func (w *worker) logf(format string, args ...any) {
	text := strings.TrimSuffix(fmt.Sprintf(format, args...), "\n")
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.task.Log = append(w.task.Log, strings.Split(text, "\n")...)
}

// warnf writes a line that makes the task end with WARNINGS.
func (w *worker) warnf(format string, args ...any) {
	w.warnings++
	w.logf("WARN: "+format, args...)
}

// killed tells whether the worker is to be treated as dead: it must return without undoing anything.
func (w *worker) killed() bool {
	select {
	case <-w.task.dead:
		return true
	default:
		return false
	}
}

// failure turns an error of something the worker waited for into the task's, when the worker was interrupted.
func (w *worker) failure(err error) error {
	if err != nil && errors.Is(context.Cause(w.ctx), errInterrupted) {
		return errInterrupted
	}
	return err
}

// midpoint is called once the worker has changed something and before it is done: the place where faults strike.
func (w *worker) midpoint() error {
	w.point.Do(func() { w.outcome = w.strike() })
	return w.outcome
}

// stopTask interrupts a worker as SIGTERM does, and kills it when it has not ended after Timings.KillAfter.
func (c *Cluster) stopTask(t *task) {
	t.cancel(errInterrupted)
	timer := time.NewTimer(max(c.timings.KillAfter, time.Millisecond))
	defer timer.Stop()
	select {
	case <-t.done:
	case <-timer.C:
		c.kill(t)
		<-t.done
	}
}

// kill ends a worker without giving it the chance to undo anything.
func (c *Cluster) kill(t *task) {
	t.death.Do(func() { close(t.dead) })
	t.cancel(errKilled)
}

// killWorkers kills the workers of a node, of all nodes for "", and waits for them.
func (c *Cluster) killWorkers(node string) {
	c.mu.Lock()
	var doomed []*task
	for _, t := range c.tasks.all {
		if t.running() && (node == "" || t.Node == node) {
			doomed = append(doomed, t)
		}
	}
	c.mu.Unlock()
	for _, t := range doomed {
		c.kill(t)
	}
	for _, t := range doomed {
		<-t.done
	}
}
