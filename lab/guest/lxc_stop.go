package guest

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// systemdHalt is what systemd takes as the order to power off; it blocks the signal to read it in its own time.
const systemdHalt = rtmin + 3

// Stop implements Runtime.
func (r *LXC) Stop(ctx context.Context, vmid int) error {
	g := r.guest(vmid, false)
	if g == nil {
		return nil
	}
	g.busy.Lock()
	defer g.busy.Unlock()
	return r.kill(ctx, g)
}

// kill ends a guest's first process, and with it all that run in its process namespace: the kernel sees to that. LXC's monitor ends when
// it has removed interfaces and control groups.
func (r *LXC) kill(ctx context.Context, g *lxcGuest) error {
	g.mu.Lock()
	vmid, known := g.spec.VMID, g.init.pid != 0
	g.mu.Unlock()
	if !known && r.identify(ctx, g) != nil {
		return nil //nolint:nilerr // no first process to be found means that there is nothing to kill
	}
	for r.running(ctx, g) { // once more if it was just rebooting itself
		g.mu.Lock()
		init := g.init
		g.mu.Unlock()
		if err := init.signal(unix.SIGKILL); err != nil {
			return fmt.Errorf("kill guest %d: %w", vmid, err)
		}
		if err := init.wait(ctx); err != nil {
			return fmt.Errorf("kill guest %d: %w", vmid, err)
		}
	}
	return r.gone(ctx, g)
}

// gone waits for LXC to have cleaned up, and forgets the guest's state.
func (r *LXC) gone(ctx context.Context, g *lxcGuest) error {
	g.mu.Lock()
	vmid, monitor := g.spec.VMID, g.monitor
	g.mu.Unlock()
	if monitor.pid != 0 {
		if err := monitor.wait(ctx); err != nil {
			return fmt.Errorf("wait for the end of guest %d: %w", vmid, err)
		}
	}
	if err := os.RemoveAll(r.dir(vmid, "")); err != nil {
		return fmt.Errorf("remove state of guest %d: %w", vmid, err)
	}
	return nil
}

// Shutdown implements Runtime. A guest that reboots itself meanwhile has not shut down.
func (r *LXC) Shutdown(ctx context.Context, vmid int) error {
	g := r.guest(vmid, false)
	if g == nil || !r.running(ctx, g) {
		return nil
	}
	g.mu.Lock()
	init, monitor, halt := g.init, g.monitor, g.spec.HaltSignal
	g.mu.Unlock()
	signal := unix.SIGPWR
	if halt != "" {
		var err error
		if signal, err = parseSignal(halt); err != nil {
			return err
		}
	} else if init.blocks(systemdHalt) {
		signal = systemdHalt
	}
	if err := init.signal(signal); err != nil {
		return fmt.Errorf("shut guest %d down: %w", vmid, err)
	}
	if err := monitor.wait(ctx); err != nil {
		return fmt.Errorf("guest %d did not shut down: %w", vmid, err)
	}
	g.busy.Lock()
	defer g.busy.Unlock()
	if r.running(ctx, g) { // somebody started it again since
		return nil
	}
	return r.gone(ctx, g)
}
