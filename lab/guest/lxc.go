package guest

import (
	"context"
	_ "embed" // for the script
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"berth/domain"
)

// LXCConfig says where an LXC runtime works. Labs on one machine differ in Name, Namespace and StateDir.
type LXCConfig struct {
	Name      string // of the lab; begins the names of its containers
	Namespace string // file of the network namespace that holds the bridges, such as /run/netns/berth-lab

	// StateDir holds configuration and logs of the guests that run, and tells a new process about them. Every folder above
	// it must be open to all (o+x), because an unprivileged guest passes through. "" means /run/berth/<Name>.
	StateDir string

	LeaseTimeout time.Duration // how long Lease waits for a DHCP server; 0 means 10 s, 1 s being the shortest
	Log          *slog.Logger  // nil discards
}

// LXC runs guests with the command-line tools of Debian's lxc 5.0 and a kernel's namespaces. Its guests go on when the
// process ends; the next one finds them in StateDir.
type LXC struct {
	cfg     LXCConfig
	tools   map[string]string // absolute paths
	cgroups cgroups
	usage   *usage
	starts  chan struct{} // bounds the starts that run at once

	mu     sync.Mutex
	guests map[int]*lxcGuest
}

// lxcGuest is what the runtime knows of one guest.
type lxcGuest struct {
	busy sync.Mutex // held by Start and Stop

	mu      sync.Mutex
	spec    Spec
	init    process // the guest's first process
	monitor process // LXC's own, which cleans up after the guest
	group   group
	sampled time.Time // when cpu was read
	cpu     int64     // processor time at sampled, in nanoseconds
}

// tools are the programs that the runtime runs; see Detect for the packages.
var tools = []string{"lxc-start", "lxc-info", "nsenter", "unshare", "ip", "busybox", "sh", "xz"}

//go:embed udhcpc.sh
var udhcpcScript []byte

// NewLXC prepares the runtime and finds the guests that an earlier process left running.
func NewLXC(cfg LXCConfig) (*LXC, error) {
	if cfg.Name == "" || cfg.Namespace == "" {
		return nil, domain.Errorf(domain.Invalid, "the LXC runtime needs a name and a network namespace")
	}
	if cfg.StateDir == "" {
		cfg.StateDir = filepath.Join("/run/berth", cfg.Name)
	}
	if cfg.LeaseTimeout == 0 {
		cfg.LeaseTimeout = 10 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	groups, err := findCgroups("/sys/fs/cgroup")
	if err != nil {
		return nil, err
	}
	r := &LXC{
		cfg: cfg, tools: map[string]string{}, cgroups: groups, usage: &usage{known: map[string]measured{}},
		starts: make(chan struct{}, 4*runtime.NumCPU()), guests: map[int]*lxcGuest{},
	}
	for _, name := range tools {
		if r.tools[name], err = exec.LookPath(name); err != nil {
			return nil, domain.Errorf(domain.Unavailable, "the LXC runtime needs the program %s: %w", name, err)
		}
	}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	return r, r.adopt()
}

// prepare makes the state folder and raises the one kernel limit that Debian's lxc package raises at boot.
func (r *LXC) prepare() error {
	if err := os.MkdirAll(filepath.Join(r.cfg.StateDir, "cgroup"), 0o755); err != nil {
		return fmt.Errorf("make state folder: %w", err)
	}
	for dir := r.cfg.StateDir; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("look at state folder: %w", err)
		}
		if info.Mode().Perm()&0o001 == 0 {
			return domain.Errorf(domain.Invalid, "state folder %s: %s is closed to other users, but unprivileged guests pass "+
				"through it; use a folder such as /run/berth", r.cfg.StateDir, dir)
		}
	}
	if err := os.WriteFile(r.script(), udhcpcScript, 0o755); err != nil {
		return fmt.Errorf("write DHCP script: %w", err)
	}
	return r.raiseInotify()
}

// raiseInotify follows /etc/sysctl.d/30-lxc-inotify.conf of Debian's lxc, which a machine without systemd never applies:
// every systemd in a guest takes several of the 128 instances that the kernel gives to root by default.
func (r *LXC) raiseInotify() error {
	const file, want = "/proc/sys/fs/inotify/max_user_instances", 1024
	if now := readInt(file); now >= want {
		return nil
	}
	if err := os.WriteFile(file, fmt.Append(nil, want), 0); err != nil {
		return fmt.Errorf("raise the limit of inotify instances: %w", err)
	}
	r.cfg.Log.Info("raised fs.inotify.max_user_instances until the next boot, as Debian's lxc package does", "to", want)
	return nil
}

// adopt finds guests that run already.
func (r *LXC) adopt() error {
	found, err := filepath.Glob(filepath.Join(r.cfg.StateDir, "*", "spec.json"))
	if err != nil {
		return fmt.Errorf("look for running guests: %w", err)
	}
	for _, file := range found {
		raw, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("look for running guests: %w", err)
		}
		var spec Spec
		if err := json.Unmarshal(raw, &spec); err != nil {
			r.cfg.Log.Warn("a guest's state cannot be read and is passed over", "file", file, "error", err)
			continue
		}
		g := &lxcGuest{spec: spec}
		if r.identify(context.Background(), g) == nil {
			r.guests[spec.VMID] = g
			r.cfg.Log.Info("found a running guest", "vmid", spec.VMID, "pid", g.init.pid)
		}
	}
	return nil
}

// Kind implements Runtime.
func (r *LXC) Kind() string { return "lxc" }

// Unpack implements Runtime. The files belong to the map of unprivileged guests.
func (r *LXC) Unpack(ctx context.Context, volume, from string, size int64, logf Logf) (*ImageConfig, error) {
	defer r.usage.forget(volume)
	return unpack(ctx, volume, from, size, mapBase, logf)
}

// Resize implements Runtime. It refuses a size below what the volume holds; while a guest runs its volume has no limit,
// because a folder knows none.
func (r *LXC) Resize(_ context.Context, volume string, size int64) error { return resize(volume, size) }

// RemoveVolume implements Runtime.
func (r *LXC) RemoveVolume(_ context.Context, volume string) error {
	defer r.usage.forget(volume)
	if err := os.RemoveAll(volume); err != nil {
		return fmt.Errorf("remove volume: %w", err)
	}
	return nil
}

// Close implements Runtime.
func (r *LXC) Close(ctx context.Context) error {
	r.mu.Lock()
	var all []int
	for vmid := range r.guests {
		all = append(all, vmid)
	}
	r.mu.Unlock()
	failed := make([]error, len(all))
	var stops sync.WaitGroup
	for i, vmid := range all {
		stops.Go(func() { failed[i] = r.Stop(ctx, vmid) })
	}
	stops.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if err := r.cgroups.sweep(r.cfg.Name + "-"); err != nil {
		return fmt.Errorf("remove control groups: %w", err)
	}
	if err := os.RemoveAll(r.cfg.StateDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove state folder: %w", err)
	}
	return nil
}

// guest returns the record of a guest; make says whether a missing one is made.
func (r *LXC) guest(vmid int, create bool) *lxcGuest {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.guests[vmid] == nil && create {
		r.guests[vmid] = &lxcGuest{spec: Spec{VMID: vmid}}
	}
	return r.guests[vmid]
}

func (r *LXC) name(vmid int) string { return fmt.Sprintf("%s-%d", r.cfg.Name, vmid) }
func (r *LXC) dir(vmid int, file string) string {
	return filepath.Join(r.cfg.StateDir, r.name(vmid), file)
}
func (r *LXC) script() string { return filepath.Join(r.cfg.StateDir, "udhcpc.sh") }

// in makes a command that runs in the lab's network namespace, with nothing of our environment.
func (r *LXC) in(ctx context.Context, program string, args ...string) *exec.Cmd {
	return r.at(ctx, r.cfg.Namespace, program, args...)
}

// at is like in, for the network namespace that a file stands for.
func (r *LXC) at(ctx context.Context, namespace, program string, args ...string) *exec.Cmd {
	all := append([]string{"--net=" + namespace, "--", r.tools[program]}, args...)
	return clean(exec.CommandContext(ctx, r.tools["nsenter"], all...))
}

// clean gives a command the environment of a system service: ours may hold secrets, and guests see some of it.
func clean(cmd *exec.Cmd) *exec.Cmd {
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"}
	cmd.WaitDelay = time.Second // a daemon may keep our pipes open
	return cmd
}
