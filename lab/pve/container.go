package pve

import (
	"context"
	"crypto/sha1" //nolint:gosec // Proxmox's digest of a configuration is SHA-1; it only detects changes
	"encoding/hex"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// container is a guest's configuration file. Cluster.mu guards it; what it says about the running guest is the
// Runtime's to answer.
type container struct {
	VMID    int
	Node    string
	Options map[string]string // as in the file, "lock" among them
	Pending map[string]string // wait for the next start
	Drop    []string          // options to delete at the next start
	LXC     [][2]string       // raw lxc.* keys
}

func (ct *container) locked() string { return ct.Options["lock"] }

func (ct *container) isTemplate() bool { return ct.Options["template"] == "1" }

// checkLock refuses what a lock forbids.
func (ct *container) checkLock() error {
	if lock := ct.locked(); lock != "" {
		return die("CT is locked (%s)", lock)
	}
	return nil
}

// digest names the current content of the configuration file.
func (ct *container) digest() string {
	var b strings.Builder
	section := func(name string, options map[string]string) {
		keys := make([]string, 0, len(options))
		for key := range options {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		b.WriteString(name + "\n")
		for _, key := range keys {
			b.WriteString(key + ": " + options[key] + "\n")
		}
	}
	section("", ct.Options)
	for _, pair := range ct.LXC {
		b.WriteString(pair[0] + ": " + pair[1] + "\n")
	}
	section("[pve:pending]", ct.Pending)
	b.WriteString("delete: " + strings.Join(ct.Drop, ","))
	sum := sha1.Sum([]byte(b.String())) //nolint:gosec // see the import
	return hex.EncodeToString(sum[:])
}

// int reads a numeric option.
func (ct *container) int(option string, fallback int) int {
	n, err := strconv.Atoi(ct.Options[option])
	if err != nil {
		return fallback
	}
	return n
}

// name is the guest's host name.
func (ct *container) name() string {
	if h := ct.Options["hostname"]; h != "" {
		return h
	}
	return fmt.Sprintf("CT%d", ct.VMID)
}

// load returns a copy of a node's guest, so that it can be read without c.mu.
func (c *Cluster) load(node string, vmid int) (*container, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ct := c.state.Containers[vmid]
	if ct == nil || ct.Node != node {
		return nil, noConfig(node, vmid)
	}
	return ct.clone(), nil
}

func (ct *container) clone() *container {
	out := *ct
	out.Options, out.Pending = cloneMap(ct.Options), cloneMap(ct.Pending)
	out.Drop = append([]string(nil), ct.Drop...)
	out.LXC = append([][2]string(nil), ct.LXC...)
	return &out
}

func cloneMap(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

// store writes a guest's configuration file. Without quorum /etc/pve is read-only.
func (c *Cluster) store(ct *container) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.quorate() {
		return c.readOnly(ct)
	}
	c.state.Containers[ct.VMID] = ct.clone()
	c.save()
	return nil
}

// readOnly is the failure to write a guest's configuration without quorum. c.mu is held.
func (c *Cluster) readOnly(ct *container) error {
	return die("unable to open file '/etc/pve/nodes/%s/lxc/%d.conf.tmp.%d' - Permission denied",
		ct.Node, ct.VMID, 4096+c.tasks.lastPID)
}

// lockOf returns the config lock of a VMID; sending takes it, receiving frees it.
func (c *Cluster) lockOf(vmid int) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	lock := c.locks[vmid]
	if lock == nil {
		lock = make(chan struct{}, 1)
		c.locks[vmid] = lock
	}
	return lock
}

// withLock runs f while holding the config lock; waiting is called when it is not free at once, and again when it is.
func (c *Cluster) withLock(ctx context.Context, vmid int, timeout time.Duration, waiting func(string), f func() error) error {
	lock := c.lockOf(vmid)
	select {
	case lock <- struct{}{}:
	default:
		waiting("trying to acquire lock...")
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case lock <- struct{}{}:
			waiting(" OK")
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
			return lockTimeout(vmid)
		}
	}
	defer func() { <-lock }()
	return f()
}

// lockTimeout is the failure to get a guest's config lock in time.
func lockTimeout(vmid int) error {
	return die("can't lock file '/run/lock/lxc/pve-config-%d.lock' - got timeout", vmid)
}

// locked runs f in a call while holding the config lock.
func (c *Cluster) locked(k *call, vmid int, f func() error) error {
	return c.withLock(k.ctx, vmid, c.timings.ConfigLock, func(string) {}, f)
}

// locked runs f in a worker while holding the config lock; waiting for it shows in the log.
func (w *worker) locked(vmid int, f func() error) error {
	return w.c.withLock(w.ctx, vmid, w.c.timings.ConfigLock, func(line string) { w.logf("%s", line) }, f)
}

// running asks the Runtime whether a guest runs.
func (c *Cluster) running(ctx context.Context, vmid int) (bool, error) {
	s, err := c.runtime.Status(ctx, vmid)
	return s.Running, err
}
