package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"berth/domain"
)

// cgroups knows where a machine keeps its control groups. Both versions are in use: Debian 12 and Proxmox VE boot with v2
// alone, other machines still mount the controllers of v1.
type cgroups struct {
	root string
	v2   bool
}

func findCgroups(root string) (cgroups, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return cgroups{}, fmt.Errorf("look at control groups: %w", err)
	}
	c := cgroups{root: root, v2: st.Type == unix.CGROUP2_SUPER_MAGIC}
	if _, err := os.Stat(filepath.Join(root, "memory")); !c.v2 && err != nil {
		return cgroups{}, domain.Errorf(domain.Unavailable, "no memory controller in %s, neither of cgroup v1 nor v2", root)
	}
	return c, nil
}

// setting is one file of a control group and what to write into it.
type setting struct{ controller, file, value string }

// key is the setting's name in a configuration file of LXC.
func (c cgroups) key(s setting) string {
	if c.v2 {
		return "lxc.cgroup2." + s.file
	}
	return "lxc.cgroup." + s.file
}

// settings translates limits, in an order in which they can be written to a guest that has none yet. Cores are chosen as
// Proxmox VE does, by cpuset, so that the guest sees as many as it has; guests with different VMIDs get different ones.
func (c cgroups) settings(vmid int, l Limits) ([]setting, error) {
	var all []setting
	memory, swap := int64(l.MemoryMiB)<<20, int64(l.SwapMiB)<<20
	switch {
	case l.MemoryMiB <= 0:
	case c.v2:
		all = append(all, setting{"memory", "memory.max", fmt.Sprint(memory)},
			setting{"memory", "memory.swap.max", fmt.Sprint(swap)})
	default:
		all = append(all, setting{"memory", "memory.limit_in_bytes", fmt.Sprint(memory)})
		const both = "memory.memsw.limit_in_bytes" // absent on kernels that do not account for swap
		if _, err := os.Stat(filepath.Join(c.root, "memory", both)); err == nil {
			all = append(all, setting{"memory", both, fmt.Sprint(memory + swap)})
		}
	}
	cpus, err := c.cpus()
	if err != nil {
		return nil, err
	}
	return append(all, setting{"cpuset", "cpuset.cpus", choose(cpus, l.Cores, vmid)}), nil
}

// cpus lists the numbers of the host's CPUs.
func (c cgroups) cpus() ([]string, error) {
	file := filepath.Join(c.root, "cpuset", "cpuset.cpus")
	if c.v2 {
		file = filepath.Join(c.root, "cpuset.cpus.effective")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("list CPUs: %w", err)
	}
	var all []string
	for part := range strings.SplitSeq(strings.TrimSpace(string(raw)), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("list CPUs: %q: %w", raw, err)
		}
		for n := first; n <= last; n++ {
			all = append(all, strconv.Itoa(n))
		}
	}
	return all, nil
}

// choose takes n of cpus, beginning at a place that depends on the guest; 0 or too many means all.
func choose(cpus []string, n, vmid int) string {
	if n <= 0 || n >= len(cpus) {
		return strings.Join(cpus, ",")
	}
	var chosen []string
	for i := range n {
		chosen = append(chosen, cpus[(vmid+i)%len(cpus)])
	}
	return strings.Join(chosen, ",")
}

// group is the control group of one guest: its path by controller, under "" for v2.
type group map[string]string

// groupOf reads which group a guest's first process is in. An init system moves itself into a group below the guest's,
// so the path is cut after the part that LXC named.
func groupOf(pid int) (group, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil, fmt.Errorf("read control group: %w", err)
	}
	g := group{}
	for line := range strings.Lines(string(raw)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		parts := strings.Split(f[2], "/")
		for i, part := range parts {
			if strings.HasPrefix(part, "lxc.payload.") {
				parts = parts[:i+1]
				break
			}
		}
		for controller := range strings.SplitSeq(f[1], ",") {
			g[controller] = strings.Join(parts, "/")
		}
	}
	return g, nil
}

func (c cgroups) path(g group, controller, file string) string {
	if c.v2 {
		return filepath.Join(c.root, g[""], file)
	}
	return filepath.Join(c.root, controller, g[controller], file)
}

// write changes the limits of a running guest.
func (c cgroups) write(g group, all []setting) error {
	var failed error
	// v1 keeps "memory" below "memory and swap" at every moment, so growing needs the other order than shrinking: what
	// fails in the first round may pass in the second.
	for range 2 {
		failed = nil
		for _, s := range all {
			err := os.WriteFile(c.path(g, s.controller, s.file), []byte(s.value), 0)
			switch {
			case errors.Is(err, unix.EBUSY):
				failed = domain.Errorf(domain.Conflict, "set %s to %s: the guest uses more", s.file, s.value)
			case err != nil:
				failed = fmt.Errorf("set %s to %s: %w", s.file, s.value, err)
			}
		}
		if failed == nil {
			return nil
		}
	}
	return failed
}

// memory is what a guest uses, less the cache that the kernel would give back.
func (c cgroups) memory(g group) int64 {
	file, cache := "memory.usage_in_bytes", "total_inactive_file"
	if c.v2 {
		file, cache = "memory.current", "inactive_file"
	}
	return max(0, readInt(c.path(g, "memory", file))-readField(c.path(g, "memory", "memory.stat"), cache))
}

// cpu is the processor time a guest has used, in nanoseconds.
func (c cgroups) cpu(g group) int64 {
	if c.v2 {
		return readField(c.path(g, "cpu", "cpu.stat"), "usage_usec") * 1000
	}
	return readInt(c.path(g, "cpuacct", "cpuacct.usage"))
}

// sweep removes the empty groups that LXC leaves when a start fails.
func (c cgroups) sweep(prefix string) error {
	var failed error
	for _, pattern := range []string{"lxc.monitor." + prefix + "*", "lxc.payload." + prefix + "*"} {
		for _, where := range []string{pattern, filepath.Join("*", pattern)} {
			found, err := filepath.Glob(filepath.Join(c.root, where))
			failed = errors.Join(failed, err)
			for _, dir := range found {
				if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
					failed = errors.Join(failed, err)
				}
			}
		}
	}
	return failed
}

// readInt returns the number in a file; 0 when there is none, as for a guest that is just ending.
func readInt(file string) int64 {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// readField returns the number after a name in a file of "name number" lines.
func readField(file, name string) int64 {
	raw, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) == 2 && f[0] == name {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}
