package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"berth/domain"
)

// Lease implements Runtime. The client is busybox's, which stays to renew the lease. It runs with the host's programs and
// rights in the guest's network namespace, and also in the guest's process namespace: so it ends with the guest, whatever
// happens to us.
func (r *LXC) Lease(ctx context.Context, vmid int, iface string, logf Logf) error {
	g := r.guest(vmid, false)
	if g == nil || !r.running(ctx, g) {
		return domain.Errorf(domain.Conflict, "CT %d not running", vmid)
	}
	g.mu.Lock()
	spec, init := g.spec, g.init
	g.mu.Unlock()
	result := r.dir(vmid, "lease-"+iface)
	if err := os.RemoveAll(result); err != nil {
		return fmt.Errorf("forget the last lease: %w", err)
	}
	tries := max(1, int(r.cfg.LeaseTimeout/time.Second))
	cmd := clean(exec.CommandContext(ctx, r.tools["nsenter"], "--target", strconv.Itoa(init.pid), "--net", "--pid", "--",
		r.tools["busybox"], "udhcpc", "-i", iface, "-s", r.script(), "-x", "hostname:"+spec.Hostname,
		"-n", "-t", strconv.Itoa(tries), "-T", "1", "-A", "1"))
	cmd.Env = append(cmd.Env, "BERTH_RESULT="+result)
	// nsenter has a child in the other process namespace; both are in one group, which a cancelled call ends.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	for line := range strings.Lines(out.String()) {
		logf("%s", strings.TrimSpace(line))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return domain.Errorf(domain.Unavailable, "no DHCP lease on %s within %d s: %w", iface, tries, err)
	}
	return r.useLease(spec, result)
}

// useLease writes the guest's resolv.conf, unless its configuration names a server of its own.
func (r *LXC) useLease(spec Spec, result string) (err error) {
	raw, err := os.ReadFile(result)
	if err != nil {
		return domain.Errorf(domain.Unavailable, "the DHCP client set no address up: %w", err)
	}
	said := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		said[key] = value
	}
	if spec.Nameserver != "" || said["dns"] == "" {
		return nil
	}
	t, err := openTree(spec.Volume, spec.shift(), unlimited)
	if err != nil {
		return fmt.Errorf("write the guest's resolv.conf: %w", err)
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	search := spec.Searchdomain
	if search == "" {
		search = said["domain"]
	}
	if err := t.put("etc/resolv.conf", resolvConf(strings.Fields(said["dns"]), search)); err != nil {
		return fmt.Errorf("write the guest's resolv.conf: %w", err)
	}
	return nil
}
