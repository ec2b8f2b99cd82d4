package pve

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// skipLock reads the parameter that only root@pam by ticket may use.
func skipLock(k *call) (bool, error) {
	if k.params.bool("skiplock") && !k.auth.isRoot() {
		return false, paramError("skiplock", "Only root may use this option.")
	}
	return k.params.bool("skiplock"), nil
}

// postStart boots a guest.
func (c *Cluster) postStart(k *call) (answer, error) {
	skip, err := skipLock(k)
	if err != nil {
		return answer{}, err
	}
	node, vmid := k.node, k.vmid()
	running, err := c.runsOn(k.ctx, node, vmid)
	if err != nil {
		return answer{}, err
	}
	if running {
		return answer{}, die("CT %d already running", vmid)
	}
	if err := c.needQuorum(); err != nil {
		return answer{}, err
	}
	return answer{data: c.startTask(k, "vzstart", strconv.Itoa(vmid), func(w *worker) error {
		return c.startGuest(w, node, vmid, skip)
	})}, nil
}

// runsOn tells whether a guest runs on this very node; another node's guests are not seen.
func (c *Cluster) runsOn(ctx context.Context, node string, vmid int) (bool, error) {
	if _, err := c.load(node, vmid); err != nil {
		return false, nil //nolint:nilerr // a guest without configuration does not run
	}
	return c.running(ctx, vmid)
}

// startGuest is the task vzstart.
func (c *Cluster) startGuest(w *worker, node string, vmid int, skip bool) error {
	return w.failure(w.locked(vmid, func() error {
		ct, err := c.load(node, vmid)
		if err != nil {
			return err
		}
		if ct.isTemplate() {
			return die("you can't start a CT if it's a template")
		}
		if !skip {
			if err := ct.checkLock(); err != nil {
				return err
			}
		}
		running, err := c.running(w.ctx, vmid)
		if err != nil {
			return err
		}
		if running {
			return die("CT %d already running", vmid)
		}
		return c.boot(w, ct)
	}))
}

// boot starts a guest whose config lock is held.
func (c *Cluster) boot(w *worker, ct *container) error {
	ct.applyPending()
	spec, managed, err := c.spec(ct)
	if err != nil {
		return err
	}
	if err := c.store(ct); err != nil {
		return err
	}
	if err := w.midpoint(); err != nil {
		return err
	}
	if err := c.runtime.Start(w.ctx, spec, w.logf); err != nil {
		w.logf("%s", err)
		return die("startup for container '%d' failed", ct.VMID)
	}
	for _, iface := range managed {
		if err := c.lease(w, ct.VMID, iface); err != nil {
			if w.ctx.Err() != nil {
				return err
			}
			w.logf("%s", err)
			w.warnf("DHCP failed - command 'lxc-attach -n %d -s 'NETWORK|UTSNAME' -- aa-exec -p unconfined "+
				"/sbin/dhclient -1 -4 -pf /var/lib/lxc/%d/hook/dhclient4-%s.pid "+
				"-lf /var/lib/lxc/%d/hook/dhclient4-%s.leases -sf /usr/share/lxc/hooks/dhclient-script %s' failed: exit code 2",
				ct.VMID, ct.VMID, iface, ct.VMID, iface, iface)
		}
	}
	return nil
}

// lease runs host-managed DHCP; the config lock is held meanwhile, as by Proxmox.
func (c *Cluster) lease(w *worker, vmid int, iface string) error {
	if f := struckBy(w.faults, EffectLeaseNever); f != nil {
		wait(w.ctx, f.delay())
		return errors.New("no DHCP lease on " + iface)
	}
	return c.runtime.Lease(w.ctx, vmid, iface, w.logf)
}

// postStop kills a guest.
func (c *Cluster) postStop(k *call) (answer, error) {
	skip, err := skipLock(k)
	if err != nil {
		return answer{}, err
	}
	node, vmid := k.node, k.vmid()
	if err := c.mustRun(k, "CT"); err != nil {
		return answer{}, err
	}
	overrule := k.params.bool("overrule-shutdown")
	return answer{data: c.startTask(k, "vzstop", strconv.Itoa(vmid), func(w *worker) error {
		if overrule {
			c.overruleShutdowns(w, vmid)
		}
		return w.failure(w.locked(vmid, func() error {
			if err := c.checkGuestLock(node, vmid, skip); err != nil {
				return err
			}
			if err := w.midpoint(); err != nil {
				return err
			}
			return c.runtime.Stop(w.ctx, vmid)
		}))
	})}, nil
}

// mustRun refuses a call on a guest that does not run.
func (c *Cluster) mustRun(k *call, what string) error {
	running, err := c.runsOn(k.ctx, k.node, k.vmid())
	if err == nil && !running {
		err = die("%s %d not running", what, k.vmid())
	}
	return err
}

func (c *Cluster) checkGuestLock(node string, vmid int, skip bool) error {
	ct, err := c.load(node, vmid)
	if err != nil || skip {
		return err
	}
	return ct.checkLock()
}

// overruleShutdowns ends running shutdown tasks of a guest, which hold its lock.
func (c *Cluster) overruleShutdowns(w *worker, vmid int) {
	c.mu.Lock()
	var doomed []*task
	for _, t := range c.tasks.all {
		if t.running() && t.Type == "vzshutdown" && t.ID == strconv.Itoa(vmid) {
			doomed = append(doomed, t)
		}
	}
	c.mu.Unlock()
	names := make([]string, len(doomed))
	for i, t := range doomed {
		c.stopTask(t)
		names[i] = t.upid()
	}
	if len(names) > 0 {
		w.logf("overruled vzshutdown tasks: %s", strings.Join(names, ", "))
	}
}

// postShutdown asks a guest to end.
func (c *Cluster) postShutdown(k *call) (answer, error) {
	if err := c.mustRun(k, "CT"); err != nil {
		return answer{}, err
	}
	node, vmid := k.node, k.vmid()
	timeout := time.Duration(k.params.int("timeout", int(c.timings.ShutdownTimeout/time.Second))) * time.Second
	force := k.params.bool("forceStop")
	return answer{data: c.startTask(k, "vzshutdown", strconv.Itoa(vmid), func(w *worker) error {
		return w.failure(w.locked(vmid, func() error {
			if err := c.checkGuestLock(node, vmid, false); err != nil {
				return err
			}
			if err := w.midpoint(); err != nil {
				return err
			}
			return c.shutDown(w, vmid, timeout, force)
		}))
	})}, nil
}

// shutDown ends a guest within timeout; then force kills it.
func (c *Cluster) shutDown(w *worker, vmid int, timeout time.Duration, force bool) error {
	ctx, cancel := context.WithTimeout(w.ctx, timeout)
	defer cancel()
	err := c.runtime.Shutdown(ctx, vmid)
	command := fmt.Sprintf("command 'lxc-stop -n %d --nokill --timeout %d' failed:", vmid, timeout/time.Second)
	switch {
	case w.ctx.Err() != nil:
		// The interrupt reaches lxc-stop alone; the worker goes on waiting for the guest until it is killed.
		w.logf("%s received interrupt", command)
		<-w.task.dead
		return errInterrupted
	case err == nil:
		return nil
	case force:
		return c.runtime.Stop(w.ctx, vmid)
	}
	w.logf("%s exit code 1", command)
	return die("container did not stop")
}

// postReboot ends a guest, by force when it does not end in time, and boots it with what is pending.
func (c *Cluster) postReboot(k *call) (answer, error) {
	if err := c.mustRun(k, "VM"); err != nil {
		return answer{}, err
	}
	node, vmid := k.node, k.vmid()
	timeout := time.Duration(k.params.int("timeout", int(c.timings.ShutdownTimeout/time.Second))) * time.Second
	return answer{data: c.startTask(k, "vzreboot", strconv.Itoa(vmid), func(w *worker) error {
		return w.failure(w.locked(vmid, func() error {
			ct, err := c.load(node, vmid)
			if err != nil {
				return err
			}
			if err := c.shutDown(w, vmid, timeout, true); err != nil {
				return err
			}
			return c.boot(w, ct)
		}))
	})}, nil
}

// bootNode starts the guests of a node that start on boot.
func (c *Cluster) bootNode(node string) {
	c.mu.Lock()
	var vmids []int
	for _, vmid := range c.guestsOf(node) {
		if c.state.Containers[vmid].Options["onboot"] == "1" {
			vmids = append(vmids, vmid)
		}
	}
	c.mu.Unlock()
	for _, vmid := range vmids {
		c.start(node, identity{user: rootUser}, nil, "vzstart", strconv.Itoa(vmid), func(w *worker) error {
			return c.startGuest(w, node, vmid, false)
		})
	}
}
