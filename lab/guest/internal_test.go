package guest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fake makes a tree of control group files, as a machine of either version has.
func fake(t *testing.T, v2 bool, files map[string]string) cgroups {
	t.Helper()
	c := cgroups{root: t.TempDir(), v2: v2}
	for name, content := range files {
		at := filepath.Join(c.root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestLimitsOnBothCgroupVersions(t *testing.T) {
	limits := Limits{MemoryMiB: 64, SwapMiB: 16, Cores: 2}
	for name, c := range map[string]struct {
		groups cgroups
		want   []string
	}{
		"v1": {
			fake(t, false, map[string]string{"cpuset/cpuset.cpus": "0-1,3\n", "memory/memory.memsw.limit_in_bytes": ""}),
			[]string{
				"lxc.cgroup.memory.limit_in_bytes=67108864", "lxc.cgroup.memory.memsw.limit_in_bytes=83886080",
				"lxc.cgroup.cpuset.cpus=3,0",
			},
		},
		"v1 without swap accounting": {
			fake(t, false, map[string]string{"cpuset/cpuset.cpus": "0\n"}),
			[]string{"lxc.cgroup.memory.limit_in_bytes=67108864", "lxc.cgroup.cpuset.cpus=0"},
		},
		"v2": {
			fake(t, true, map[string]string{"cpuset.cpus.effective": "0-3\n"}),
			[]string{"lxc.cgroup2.memory.max=67108864", "lxc.cgroup2.memory.swap.max=16777216", "lxc.cgroup2.cpuset.cpus=1,2"},
		},
	} {
		settings, err := c.groups.settings(101, limits)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range settings {
			got = append(got, c.groups.key(s)+"="+s.value)
		}
		if strings.Join(got, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: settings are %q, want %q", name, got, c.want)
		}
	}
}

func TestUsageOnBothCgroupVersions(t *testing.T) {
	v1 := fake(t, false, map[string]string{
		"memory/g/memory.usage_in_bytes": "1000\n", "memory/g/memory.stat": "cache 7\ntotal_inactive_file 300\n",
		"cpuacct/g/cpuacct.usage": "5000\n", "memory/g/memory.limit_in_bytes": "",
	})
	v2 := fake(t, true, map[string]string{
		"g/memory.current": "1000\n", "g/memory.stat": "inactive_file 300\n", "g/cpu.stat": "usage_usec 5\nuser_usec 1\n",
		"g/memory.max": "",
	})
	for _, c := range []cgroups{v1, v2} {
		g := group{"": "/g", "memory": "/g", "cpuacct": "/g"}
		if got := c.memory(g); got != 700 {
			t.Errorf("v2 %v: memory %d, want 700", c.v2, got)
		}
		if got := c.cpu(g); got != 5000 {
			t.Errorf("v2 %v: processor time %d ns, want 5000", c.v2, got)
		}
		file := "memory.limit_in_bytes"
		if c.v2 {
			file = "memory.max"
		}
		if err := c.write(g, []setting{{"memory", file, "42"}}); err != nil {
			t.Error(err)
		}
		if got := readInt(c.path(g, "memory", file)); got != 42 {
			t.Errorf("v2 %v: limit is %d after writing 42", c.v2, got)
		}
	}
}

func TestParseSignal(t *testing.T) {
	for text, want := range map[string]unix.Signal{
		"SIGTERM": 15, "TERM": 15, "15": 15, "sigquit": 3, "SIGRTMIN+3": 37, "SIGRTMIN": 34, "SIGPWR": unix.SIGPWR,
	} {
		if got, err := parseSignal(text); err != nil || got != want {
			t.Errorf("parseSignal(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "SIGNAL", "0", "99", "SIGRTMIN+99", "SIGRTMIN-1"} {
		if got, err := parseSignal(text); err == nil {
			t.Errorf("parseSignal(%q) = %d, want an error", text, got)
		}
	}
}

func TestLookupUser(t *testing.T) {
	const passwd, groups = "root:x:0:0::/:\nwww:x:33:34::/:\nodd:x:x:1::/:\n", "web:x:44:www\n"
	for user, want := range map[string][2]int{
		"": {0, 0}, "www": {33, 34}, "33": {33, 34}, "www:web": {33, 44}, "7": {7, 0}, "7:8": {7, 8}, "www:9": {33, 9},
	} {
		uid, gid, err := lookupUser(user, passwd, groups)
		if err != nil || uid != want[0] || gid != want[1] {
			t.Errorf("lookupUser(%q) = %d, %d, %v, want %v", user, uid, gid, err, want)
		}
	}
	for _, user := range []string{"nobody", "www:none", "-1", "odd", ":", "www:"} {
		if uid, gid, err := lookupUser(user, passwd, groups); err == nil {
			t.Errorf("lookupUser(%q) = %d, %d, want an error", user, uid, gid)
		}
	}
}
