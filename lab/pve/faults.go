package pve

import (
	"path"
	"strings"
	"time"
)

// Effect is what a fault does to the calls it matches.
type Effect string

// The effects. Those named task-* strike the task that the call starts, at the moment when it has changed something
// (configuration written, guest locked) and is not done.
const (
	EffectError       Effect = "error"        // answer Status (default 500) with Text; nothing happens
	EffectDelay       Effect = "delay"        // wait Delay, then go on as usual
	EffectDropBefore  Effect = "drop-before"  // close the connection; nothing happens
	EffectDropAfter   Effect = "drop-after"   // do everything, then close the connection without an answer
	EffectTaskFail    Effect = "task-fail"    // fail with Text; the task undoes what it would undo
	EffectTaskHang    Effect = "task-hang"    // do not go on for Delay (0 = until stopped), holding what it holds
	EffectTaskWarn    Effect = "task-warn"    // log Text as a warning and end with WARNINGS
	EffectTaskKill    Effect = "task-kill"    // the worker dies: nothing is undone, a lock stays
	EffectNodeAway    Effect = "node-away"    // the node of the call loses power before the call; back after Delay if set
	EffectQuorumLost  Effect = "quorum-lost"  // the cluster loses quorum before the call; back after Delay if set
	EffectStorageFull Effect = "storage-full" // what the call wants to store does not fit
	EffectLockHeld    Effect = "lock-held"    // somebody holds the guest's config lock for Delay (default 1 min)
	EffectLeaseNever  Effect = "lease-never"  // host-managed DHCP gets no lease: a warning, no address
)

// Effects lists all of them.
func Effects() []Effect {
	return []Effect{
		EffectError, EffectDelay, EffectDropBefore, EffectDropAfter, EffectTaskFail, EffectTaskHang, EffectTaskWarn,
		EffectTaskKill, EffectNodeAway, EffectQuorumLost, EffectStorageFull, EffectLockHeld, EffectLeaseNever,
	}
}

// Fault makes calls misbehave. Zero fields match everything.
type Fault struct {
	ID int `json:"id"` // given by AddFault
	// Operation is a name such as "lxc.create", or "METHOD /path" where * stands for one path segment, as in
	// "POST /nodes/*/lxc/*/status/start". Names may hold * as well: "lxc.*".
	Operation string `json:"operation,omitempty"`
	Node      string `json:"node,omitempty"`
	VMID      int    `json:"vmid,omitempty"`
	Count     int    `json:"count,omitempty"` // how many calls to strike; 0 = all
	After     int    `json:"after,omitempty"` // how many matching calls to let pass first
	Effect    Effect `json:"effect"`
	Status    int    `json:"status,omitempty"`
	Text      string `json:"text,omitempty"`
	DelayMS   int64  `json:"delay_ms,omitempty"`

	Passed int `json:"passed"` // matching calls let through so far
	Struck int `json:"struck"` // calls struck so far
}

func (f *Fault) delay() time.Duration { return time.Duration(f.DelayMS) * time.Millisecond }

type faults struct {
	all    []*Fault
	lastID int
}

// AddFault adds a rule and returns its ID.
func (c *Cluster) AddFault(f Fault) (int, error) {
	known := false
	for _, e := range Effects() {
		known = known || e == f.Effect
	}
	if !known {
		return 0, die("unknown effect '%s'", f.Effect)
	}
	if _, err := path.Match(f.Operation, ""); err != nil {
		return 0, die("operation '%s' is not a pattern", f.Operation)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.lastID++
	f.ID, f.Passed, f.Struck = c.faults.lastID, 0, 0
	c.faults.all = append(c.faults.all, &f)
	return f.ID, nil
}

// Faults lists the rules in force, those that are used up too.
func (c *Cluster) Faults() []Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Fault, len(c.faults.all))
	for i, f := range c.faults.all {
		out[i] = *f
	}
	return out
}

// RemoveFault removes a rule, all of them for 0, and tells whether there was one. What a rule has done stays done.
func (c *Cluster) RemoveFault(id int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.faults.all[:0:0]
	for _, f := range c.faults.all {
		if id != 0 && f.ID != id {
			kept = append(kept, f)
		}
	}
	removed := len(kept) < len(c.faults.all)
	c.faults.all = kept
	return removed
}

func (f *Fault) matches(k *call) bool {
	if f.Node != "" && f.Node != k.node || f.VMID != 0 && f.VMID != k.vmid() {
		return false
	}
	if f.Operation == "" {
		return true
	}
	subject := k.op.name
	if strings.Contains(f.Operation, " ") {
		subject = k.method + " " + k.path
	}
	ok, err := path.Match(f.Operation, subject)
	return ok && err == nil
}

// applyFaults finds the rules for a call and lets them strike.
func (c *Cluster) applyFaults(k *call) error {
	c.mu.Lock()
	for _, f := range c.faults.all {
		switch {
		case f.Count > 0 && f.Struck >= f.Count || !f.matches(k):
		case f.Passed < f.After:
			f.Passed++
		default:
			f.Struck++
			struck := *f
			k.faults = append(k.faults, &struck)
		}
	}
	c.mu.Unlock()
	for _, f := range k.faults {
		if err := c.strikeCall(k, f); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) strikeCall(k *call, f *Fault) error {
	switch f.Effect {
	case EffectDelay:
		wait(k.ctx, f.delay())
	case EffectDropBefore:
		return errDropped
	case EffectError:
		e := die("%s", f.Text)
		if f.Status != 0 {
			e.status = f.Status
		}
		e.bare = e.status == 401 || e.status >= 595
		return e
	case EffectNodeAway:
		if k.node == "" {
			return nil
		}
		if err := c.SetNodeOnline(k.ctx, k.node, false); err != nil {
			return err
		}
		c.later(f.delay(), func() {
			if err := c.SetNodeOnline(c.closing, k.node, true); err != nil {
				c.log.Error("the lab cannot bring a node back", "node", k.node, "error", err)
			}
		})
		if k.node == k.entry {
			return errDropped
		}
		return c.forward(k)
	case EffectQuorumLost:
		lost := false
		c.SetQuorum(&lost)
		c.later(f.delay(), func() { c.SetQuorum(nil) })
	case EffectLockHeld:
		c.holdLock(k.vmid(), f)
	}
	return nil
}

// dropsAnswer tells whether the call's answer is to be lost.
func (c *Cluster) dropsAnswer(k *call) bool { return struckBy(k.faults, EffectDropAfter) != nil }

func struckBy(fs []*Fault, effect Effect) *Fault {
	for _, f := range fs {
		if f.Effect == effect {
			return f
		}
	}
	return nil
}

// later runs f after d unless the cluster is closed first; never for 0.
func (c *Cluster) later(d time.Duration, f func()) {
	if d <= 0 {
		return
	}
	c.workers.Add(1)
	go func() {
		defer c.workers.Done()
		wait(c.closing, d)
		if c.closing.Err() == nil {
			f()
		}
	}()
}

// holdLock takes a guest's config lock as another process would.
func (c *Cluster) holdLock(vmid int, f *Fault) {
	d := f.delay()
	if d == 0 {
		d = time.Minute
	}
	lock := c.lockOf(vmid)
	select {
	case lock <- struct{}{}:
		c.workers.Add(1)
		go func() {
			defer c.workers.Done()
			wait(c.closing, d)
			<-lock
		}()
	default: // somebody holds it already
	}
}

// strike lets the faults of a task happen; see worker.midpoint.
func (w *worker) strike() error {
	for _, f := range w.faults {
		switch f.Effect {
		case EffectTaskWarn:
			w.warnf("%s", f.Text)
		case EffectTaskFail:
			return die("%s", f.Text)
		case EffectTaskKill:
			w.c.kill(w.task)
			return errKilled
		case EffectTaskHang:
			if f.DelayMS > 0 {
				wait(w.ctx, f.delay())
			} else {
				<-w.ctx.Done()
			}
			if w.ctx.Err() != nil {
				return errInterrupted
			}
		case EffectStorageFull:
			return errFull
		}
	}
	return nil
}

// errFull is a storage without space; whoever writes to it tells this in its own words.
var errFull = die("No space left on device")
