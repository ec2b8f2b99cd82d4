package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"berth/domain"
)

// launch prepares what lxc-start expects, in a mount namespace of its own:
//   - the volume under a path that an unprivileged guest can reach, wherever it lies;
//   - a /sys that shows the lab's bridges (LXC looks for them there, and a mounted sysfs keeps to the network namespace
//     it was mounted in), with the host's control groups below it.
//
// It also hides newuidmap: without it LXC, being root, writes the map of ids itself and /etc/subuid need not be changed.
const launch = `set -e
mount --bind "$1" "$2"
mount --rbind /sys/fs/cgroup "$3"
umount -l /sys
mount -t sysfs sysfs /sys
mount --rbind "$3" /sys/fs/cgroup
umount -l "$3"
shift 3
PATH=/nonexistent exec "$@"`

// launchTimeout bounds one lxc-start, which takes some 50 ms on an idle machine.
const launchTimeout = time.Minute

// Start implements Runtime.
func (r *LXC) Start(ctx context.Context, spec Spec, logf Logf) error {
	g := r.guest(spec.VMID, true)
	g.busy.Lock()
	defer g.busy.Unlock()
	if r.running(ctx, g) {
		return domain.Errorf(domain.Conflict, "CT %d already running", spec.VMID)
	}
	settings, err := r.cgroups.settings(spec.VMID, spec.Limits)
	if err != nil {
		return err
	}
	if err := spec.check(); err != nil {
		return err
	}
	if err := r.checkBridges(ctx, spec); err != nil {
		return err
	}
	select {
	case r.starts <- struct{}{}:
		defer func() { <-r.starts }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := setOwners(ctx, spec.Volume, spec.shift()); err != nil {
		return err
	}
	unmanaged, err := setUp(spec)
	if err != nil {
		return fmt.Errorf("prepare the guest's files: %w", err)
	}
	if err := r.writeState(spec, settings, unmanaged); err != nil {
		return err
	}
	return r.launch(ctx, g, spec, logf)
}

func (r *LXC) writeState(spec Spec, settings []setting, unmanaged []NIC) error {
	if err := os.MkdirAll(r.dir(spec.VMID, "rootfs"), 0o755); err != nil {
		return fmt.Errorf("make state of guest: %w", err)
	}
	config := r.config(spec, settings, unmanaged)
	if err := os.WriteFile(r.dir(spec.VMID, "config"), []byte(config), 0o600); err != nil {
		return fmt.Errorf("write configuration of guest: %w", err)
	}
	kept := spec
	kept.Env = nil // may hold secrets, and a later process has no use for it
	raw, err := json.Marshal(kept)
	if err != nil {
		return fmt.Errorf("write state of guest: %w", err)
	}
	if err := os.WriteFile(r.dir(spec.VMID, "spec.json"), raw, 0o600); err != nil {
		return fmt.Errorf("write state of guest: %w", err)
	}
	return nil
}

func (r *LXC) launch(ctx context.Context, g *lxcGuest, spec Spec, logf Logf) error {
	command := spec.Entrypoint
	if len(command) == 0 {
		command = []string{"/sbin/init"}
	}
	log := r.dir(spec.VMID, "lxc.log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		return fmt.Errorf("empty the guest's log: %w", err)
	}
	args := []string{
		"--net=" + r.cfg.Namespace, r.tools["unshare"], "--mount", "--propagation", "slave", r.tools["sh"], "-c", launch, "launch",
		spec.Volume, r.dir(spec.VMID, "rootfs"), filepath.Join(r.cfg.StateDir, "cgroup"),
		r.tools["lxc-start"], "-P", r.cfg.StateDir, "-n", r.name(spec.VMID), "-d", "-l", "WARN", "-o", log,
		// The command goes here and not into lxc.init.cmd, whose quoting cannot express every argument.
		"--",
	}
	// Not with ctx: cut off half way, the guest might appear after we said that it does not run.
	running, done := context.WithTimeout(context.WithoutCancel(ctx), launchTimeout)
	defer done()
	cmd := clean(exec.CommandContext(running, r.tools["nsenter"], append(args, command...)...))
	out, err := cmd.CombinedOutput()
	g.mu.Lock()
	g.spec, g.init, g.monitor = spec, process{}, process{}
	g.mu.Unlock()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		r.tell(log, string(out), logf)
		return domain.Errorf(domain.Permanent, "startup for container '%d' failed", spec.VMID)
	}
	if err := r.identify(running, g); err != nil {
		r.tell(log, "", logf)
		return domain.Errorf(domain.Permanent, "unable to get PID for CT %d (not running?)", spec.VMID)
	}
	if err := ctx.Err(); err != nil {
		return errors.Join(err, r.kill(running, g))
	}
	return nil
}

// tell puts what LXC complained about into the task's log.
func (r *LXC) tell(log, output string, logf Logf) {
	raw, err := os.ReadFile(log)
	if err == nil {
		output += string(raw)
	}
	for line := range strings.Lines(output) {
		if strings.Contains(line, " ERROR ") || strings.HasPrefix(line, "lxc-start: ") && err != nil {
			logf("%s", strings.TrimSpace(line))
		}
	}
}

// identify finds the guest's first process and LXC's monitor of it. It is an error when the guest does not run.
func (r *LXC) identify(ctx context.Context, g *lxcGuest) error {
	g.mu.Lock()
	vmid := g.spec.VMID
	g.mu.Unlock()
	out, err := r.in(ctx, "lxc-info", "-P", r.cfg.StateDir, "-n", r.name(vmid), "-pH").Output()
	if err != nil {
		return fmt.Errorf("lxc-info: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		return domain.Errorf(domain.NotFound, "guest %d does not run", vmid)
	}
	init, parent, ok := lookup(pid)
	if !ok {
		return domain.Errorf(domain.NotFound, "guest %d does not run", vmid)
	}
	monitor, _, ok := lookup(parent)
	if !ok {
		return domain.Errorf(domain.NotFound, "guest %d does not run", vmid)
	}
	limits, err := groupOf(pid)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.init, g.monitor, g.group = init, monitor, limits
	return nil
}

// running reports whether a guest runs. One that rebooted itself has another first process under the same monitor.
func (r *LXC) running(ctx context.Context, g *lxcGuest) bool {
	g.mu.Lock()
	init, monitor := g.init, g.monitor
	g.mu.Unlock()
	switch {
	case init.pid == 0:
		return false
	case init.alive():
		return true
	case !monitor.alive():
		return false
	}
	return r.identify(ctx, g) == nil
}

func (r *LXC) checkBridges(ctx context.Context, spec Spec) error {
	for _, nic := range spec.NICs {
		if nic.Bridge == "" {
			continue
		}
		out, err := r.in(ctx, "ip", "-o", "link", "show", "dev", nic.Bridge, "type", "bridge").CombinedOutput()
		if err != nil || len(out) == 0 {
			return domain.Errorf(domain.Permanent, "bridge '%s' does not exist", nic.Bridge)
		}
	}
	return nil
}
