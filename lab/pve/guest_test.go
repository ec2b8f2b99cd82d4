package pve

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLifeOfAGuest(t *testing.T) {
	l := newLab(t, nil)
	if exit := l.create("101", "entrypoint", "/mine", "env", "X=1", "tags", "Web;ci", "description", "one"); exit != "OK" {
		t.Fatalf("creation ends %q", exit)
	}
	cfg, _ := l.must("GET", "/nodes/n1/lxc/101/config").(map[string]any)
	for option, want := range map[string]any{
		"entrypoint": "/bin/sh -c 'sleep 9'", "env": "PATH=/bin\x00A=b", "tags": "ci;web", "description": "one\n",
		"cmode": "console", "unprivileged": 1.0, "memory": 512.0, "hostname": "CT101",
	} {
		if cfg[option] != want {
			t.Errorf("%s is %#v, want %#v", option, cfg[option], want)
		}
	}
	if net, _ := cfg["net0"].(string); !strings.Contains(net, "host-managed=1") || !strings.Contains(net, "hwaddr=BC:24:11:") {
		t.Errorf("net0 is %q", net)
	}
	l.must("PUT", "/nodes/n1/lxc/101/config", "entrypoint", `/app "two words"`, "env", "A=1\x00B=2")
	if exit := l.task("POST", "/nodes/n1/lxc/101/status/start"); exit != "OK" {
		t.Fatalf("start ends %q", exit)
	}
	spec := l.runtime.guests[101]
	if got := strings.Join(spec.Entrypoint, "|"); got != "/app|two words" {
		t.Errorf("the guest runs %s", got)
	}
	if got := strings.Join(spec.Env, "|"); got != "A=1|B=2" {
		t.Errorf("its environment is %s", got)
	}
	rows, _ := l.must("GET", "/nodes/n1/lxc/101/interfaces").([]any)
	if len(rows) != 2 {
		t.Errorf("it has %d interfaces", len(rows))
	}
	l.must("PUT", "/nodes/n1/lxc/101/config", "memory", "256", "env", "A=2")
	pending, _ := l.must("GET", "/nodes/n1/lxc/101/pending").([]any)
	for _, row := range pending {
		o, _ := row.(map[string]any)
		if o["key"] == "env" && o["pending"] != "A=2" || o["key"] == "memory" && o["pending"] != nil {
			t.Errorf("pending shows %v", o)
		}
	}
	l.refused(500, "unable to destroy CT 101 - container is running", "DELETE", "/nodes/n1/lxc/101")
	if exit := l.task("POST", "/nodes/n1/lxc/101/status/reboot"); exit != "OK" {
		t.Fatalf("reboot ends %q", exit)
	}
	if got := strings.Join(l.runtime.guests[101].Env, "|"); got != "A=2" {
		t.Errorf("after the reboot its environment is %s", got)
	}
	if exit := l.task("DELETE", "/nodes/n1/lxc/101", "force", "1", "purge", "1"); exit != "OK" {
		t.Fatalf("destruction ends %q", exit)
	}
	l.refused(500, "Configuration file 'nodes/n1/lxc/101.conf' does not exist", "GET", "/nodes/n1/lxc/101/config")
	left, err := filepath.Glob(filepath.Join(l.config.DataDir, "nodes", "n1", "disks", "images", "101", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("volumes are left: %v %v", left, err)
	}
}

func TestVMIDIsUniqueInTheCluster(t *testing.T) {
	l := newLab(t, nil)
	l.create("101")
	l.refused(500, "CT 101 already exists on node 'n1'", "POST", "/nodes/n2/lxc", "vmid", "101",
		"ostemplate", "local:vztmpl/app.tar", "rootfs", "disks:1")
	r := l.refused(400, "Parameter verification failed.", "GET", "/cluster/nextid", "vmid", "101")
	if r.errors["vmid"] != "VM 101 already exists" {
		t.Errorf("errors are %v", r.errors)
	}
}

func TestLeaseHoldsTheConfigLock(t *testing.T) {
	l := newLab(t, func(c *Config) { c.Timings.ConfigLock = 50 * time.Millisecond })
	l.create("101")
	gate := make(chan struct{})
	l.runtime.mu.Lock()
	l.runtime.gates[101] = gate
	l.runtime.mu.Unlock()
	upid := l.start("POST", "/nodes/n1/lxc/101/status/start")
	if !eventually(func() bool { return len(l.lockOf(101)) == 1 }) {
		t.Fatal("the start does not take the lock")
	}
	l.refused(500, "can't lock file '/run/lock/lxc/pve-config-101.lock' - got timeout", "PUT", "/nodes/n1/lxc/101/config",
		"memory", "64")
	close(gate)
	if exit := l.exit(upid); exit != "OK" {
		t.Errorf("start ends %q", exit)
	}
}

func TestNoLeaseIsAWarning(t *testing.T) {
	l := newLab(t, nil)
	l.create("101")
	l.runtime.noLease[101] = true
	upid := l.start("POST", "/nodes/n1/lxc/101/status/start")
	if exit := l.exit(upid); exit != "WARNINGS: 1" {
		t.Errorf("start ends %q", exit)
	}
	if log := l.log(upid); !strings.Contains(log, "WARN: DHCP failed - command 'lxc-attach -n 101") ||
		!strings.HasSuffix(log, "TASK WARNINGS: 1") {
		t.Errorf("the log is %q", log)
	}
}

func TestPullIsATemplateOfOneNode(t *testing.T) {
	l := newLab(t, nil)
	l.puller.missing["reg.test/no:1"] = true
	upid := l.start("POST", "/nodes/n1/storage/local/oci-registry-pull", "reference", "reg.test/web:1", "filename", "web")
	if exit := l.exit(upid); exit != "OK" {
		t.Fatalf("pull ends %q", exit)
	}
	if _, err := os.Stat(l.TemplateFile("n1", "local", "web.tar")); err != nil {
		t.Error(err)
	}
	l.refused(500, "refusing to override existing file 'web.tar'", "POST", "/nodes/n1/storage/local/oci-registry-pull",
		"reference", "reg.test/web:1", "filename", "web")
	rows, _ := l.must("GET", "/nodes/n2/storage/local/content", "content", "vztmpl").([]any)
	for _, row := range rows {
		if row.(map[string]any)["volid"] == "local:vztmpl/web.tar" {
			t.Error("the image is on another node, too")
		}
	}
	exit := l.task("POST", "/nodes/n1/storage/local/oci-registry-pull", "reference", "reg.test/no:1")
	if !strings.HasPrefix(exit, "command 'skopeo copy docker://reg.test/no:1 oci-archive:/var/lib/vz/template/cache/no_1.tar.tmp.") {
		t.Errorf("the failed pull ends %q", exit)
	}
}

func TestRestartIsAReboot(t *testing.T) {
	l := newLab(t, nil)
	done := l.start("POST", "/nodes/n1/lxc", "vmid", "101", "ostemplate", "local:vztmpl/app.tar", "rootfs", "disks:1",
		"onboot", "1")
	l.exit(done)
	l.runtime.mu.Lock()
	l.runtime.unpacks = make(chan struct{})
	l.runtime.mu.Unlock()
	cut := l.start("POST", "/nodes/n1/lxc", "vmid", "102", "ostemplate", "local:vztmpl/app.tar", "rootfs", "disks:1")
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	l.open()
	if exit := l.exit(done); exit != "OK" {
		t.Errorf("after the restart the finished task shows %q", exit)
	}
	if exit := l.exit(cut); exit != "unexpected status" {
		t.Errorf("after the restart the task that was running shows %q", exit)
	}
	if !eventually(func() bool {
		s, _ := l.must("GET", "/nodes/n1/lxc/101/status/current").(map[string]any)
		return s["status"] == "running"
	}) {
		t.Error("the guest with onboot is not started")
	}
	l.refused(500, "CT is locked (create)", "DELETE", "/nodes/n1/lxc/102")
}
