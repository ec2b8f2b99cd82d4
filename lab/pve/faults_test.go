package pve

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func (l *lab) fault(f Fault) {
	l.t.Helper()
	if _, err := l.AddFault(f); err != nil {
		l.t.Fatal(err)
	}
}

func TestFaultsOfCalls(t *testing.T) {
	l := newLab(t, nil)
	l.fault(Fault{Operation: "lxc.create", VMID: 101, After: 1, Count: 1, Effect: EffectError, Text: "got no worker upid"})
	if exit := l.create("101"); exit != "OK" {
		t.Fatalf("the call that the fault lets pass ends %q", exit)
	}
	l.task("DELETE", "/nodes/n1/lxc/101")
	l.refused(500, "got no worker upid", "POST", "/nodes/n1/lxc", "vmid", "101", "ostemplate", "local:vztmpl/app.tar",
		"rootfs", "disks:1")
	if exit := l.create("101"); exit != "OK" {
		t.Errorf("after the fault a creation ends %q", exit)
	}
	l.fault(Fault{Operation: "POST /nodes/*/lxc/*/status/start", Effect: EffectError, Status: 596, Text: "Broken pipe", Count: 1})
	if r := l.refused(596, "Broken pipe", "POST", "/nodes/n1/lxc/101/status/start"); r.raw != "" {
		t.Errorf("the answer has a body: %q", r.raw)
	}
}

func TestDroppedAnswers(t *testing.T) {
	l := newLab(t, nil)
	create := []string{"vmid", "101", "ostemplate", "local:vztmpl/app.tar", "rootfs", "disks:1"}
	exists := func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.state.Containers[101] != nil
	}
	l.fault(Fault{Operation: "lxc.create", Effect: EffectDropBefore, Count: 1})
	if r, err := l.call("POST", "/nodes/n1/lxc", create...); err == nil {
		t.Fatalf("there is an answer: %v", r)
	}
	if exists() {
		t.Error("the call has had its effect")
	}
	l.fault(Fault{Operation: "lxc.create", Effect: EffectDropAfter, Count: 1})
	if r, err := l.call("POST", "/nodes/n1/lxc", create...); err == nil {
		t.Fatalf("there is an answer: %v", r)
	}
	if !exists() {
		t.Error("the call has had no effect")
	}
}

func TestFaultsOfTasks(t *testing.T) {
	l := newLab(t, nil)
	l.fault(Fault{Operation: "lxc.create", Effect: EffectTaskFail, Text: "out of luck", Count: 1})
	if exit := l.create("101"); exit != "unable to create CT 101 - out of luck" {
		t.Errorf("the failing task ends %q", exit)
	}
	l.refused(500, "Configuration file 'nodes/n1/lxc/101.conf' does not exist", "GET", "/nodes/n1/lxc/101/config")

	l.fault(Fault{Operation: "lxc.create", Effect: EffectStorageFull, Count: 1})
	if exit := l.create("101"); !strings.HasSuffix(exit, "No space left on device (os error 28)") {
		t.Errorf("on a full storage the task ends %q", exit)
	}

	l.fault(Fault{Operation: "lxc.create", Effect: EffectTaskKill, Count: 1})
	if exit := l.create("101"); exit != "unexpected status" {
		t.Errorf("the killed task ends %q", exit)
	}
	l.refused(500, "CT is locked (create)", "DELETE", "/nodes/n1/lxc/101")

	l.create("102")
	l.fault(Fault{Operation: "lxc.delete", VMID: 102, Effect: EffectTaskKill, Count: 1})
	if exit := l.task("DELETE", "/nodes/n1/lxc/102"); exit != "unexpected status" {
		t.Errorf("the killed task ends %q", exit)
	}
	l.refused(500, "CT is locked (destroyed)", "DELETE", "/nodes/n1/lxc/102")

	l.create("103")
	l.fault(Fault{Operation: "lxc.start", Effect: EffectTaskWarn, Text: "odd", Count: 1})
	if exit := l.task("POST", "/nodes/n1/lxc/103/status/start"); exit != "WARNINGS: 1" {
		t.Errorf("the warning task ends %q", exit)
	}
	l.fault(Fault{Operation: "lxc.stop", Effect: EffectTaskHang, Count: 1})
	upid := l.start("POST", "/nodes/n1/lxc/103/status/stop")
	if s := l.status(upid); s["status"] != "running" || s["exitstatus"] != nil {
		t.Errorf("the hanging task shows %v", s)
	}
	l.must("DELETE", "/nodes/n1/tasks/"+upid)
	if exit := l.exit(upid); exit != "received interrupt" {
		t.Errorf("the stopped task ends %q", exit)
	}
	l.fault(Fault{Operation: "lxc.start", Effect: EffectLeaseNever, Count: 1})
	l.create("104")
	if exit := l.task("POST", "/nodes/n1/lxc/104/status/start"); exit != "WARNINGS: 1" {
		t.Errorf("without a lease the start ends %q", exit)
	}
}

func TestHeldLock(t *testing.T) {
	l := newLab(t, func(c *Config) { c.Timings.ConfigLock = 20 * time.Millisecond })
	l.create("101")
	l.fault(Fault{Operation: "lxc.*", VMID: 101, Effect: EffectLockHeld, DelayMS: 60000, Count: 1})
	const timeout = "can't lock file '/run/lock/lxc/pve-config-101.lock' - got timeout"
	if exit := l.task("POST", "/nodes/n1/lxc/101/status/start"); exit != timeout {
		t.Errorf("start ends %q", exit)
	}
}

func TestNodeAway(t *testing.T) {
	l := newLab(t, nil)
	l.task("POST", "/nodes/n2/lxc", "vmid", "101", "ostemplate", "local:vztmpl/app.tar", "rootfs", "disks:1", "onboot", "1")
	l.task("POST", "/nodes/n2/lxc/101/status/start")
	l.fault(Fault{Operation: "lxc.status", Node: "n2", Effect: EffectNodeAway, Count: 1})
	if r := l.refused(595, "No route to host", "GET", "/nodes/n2/lxc/101/status/current"); r.raw != "" {
		t.Errorf("the answer has a body: %q", r.raw)
	}
	rows, _ := l.must("GET", "/cluster/resources").([]any)
	seen := map[any]any{}
	for _, row := range rows {
		o, _ := row.(map[string]any)
		seen[o["id"]] = o["status"]
	}
	if seen["node/n2"] != "offline" || seen["lxc/101"] != "unknown" || seen["node/n1"] != "online" {
		t.Errorf("the cluster shows %v", seen)
	}
	l.refused(500, "CT 101 already exists on node 'n2'", "POST", "/nodes/n1/lxc", "vmid", "101",
		"ostemplate", "local:vztmpl/app.tar", "rootfs", "disks:1")
	if err := l.SetNodeOnline(context.Background(), "n2", true); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool {
		s, _ := l.must("GET", "/nodes/n2/lxc/101/status/current").(map[string]any)
		return s["status"] == "running"
	}) {
		t.Error("the node that came back does not start its guest")
	}
}

func TestQuorumLost(t *testing.T) {
	l := newLab(t, nil)
	l.create("101")
	for _, n := range []string{"n2", "n3"} {
		if err := l.SetNodeOnline(context.Background(), n, false); err != nil {
			t.Fatal(err)
		}
	}
	l.refused(500, "cluster not ready - no quorum?", "POST", "/nodes/n1/lxc", "vmid", "102",
		"ostemplate", "local:vztmpl/app.tar", "rootfs", "disks:1")
	l.refused(500, "ACL update failed: cfs-lock 'file-user_cfg' error: no quorum!", "PUT", "/access/acl", "path", "/vms",
		"roles", "PVEVMUser", "users", "root@pam")
	if exit := l.task("DELETE", "/nodes/n1/lxc/101"); !strings.HasPrefix(exit, "unable to open file '/etc/pve/nodes/n1/lxc/101.conf.tmp.") {
		t.Errorf("the destruction ends %q", exit)
	}
}

func TestControl(t *testing.T) {
	l := newLab(t, nil)
	send := func(method, path, body string) (int, map[string]any) {
		req, err := http.NewRequestWithContext(context.Background(), method, l.server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := l.server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]any{}
		if raw[0] == '{' {
			if err := json.Unmarshal(raw, &out); err != nil {
				t.Fatal(err)
			}
		}
		return resp.StatusCode, out
	}
	if status, out := send("POST", "/berth-lab/faults", `{"operation":"version","effect":"error","text":"no"}`); status != 200 || out["id"] != 1.0 {
		t.Fatalf("adding a fault answers %d %v", status, out)
	}
	l.refused(500, "no", "GET", "/version")
	if status, _ := send("DELETE", "/berth-lab/faults/1", ""); status != 200 {
		t.Errorf("removing the fault answers %d", status)
	}
	l.must("GET", "/version")
	if status, _ := send("POST", "/berth-lab/faults", `{"effect":"explode"}`); status != 400 {
		t.Errorf("an unknown effect answers %d", status)
	}
	if status, _ := send("PUT", "/berth-lab/nodes/n3", `{"online":false}`); status != 200 || l.isOnline("n3") {
		t.Errorf("taking a node away answers %d", status)
	}
	if status, _ := send("PUT", "/berth-lab/quorum", `{"quorate":false}`); status != 200 {
		t.Errorf("taking quorum away answers %d", status)
	}
	l.refused(500, "cluster not ready - no quorum?", "POST", "/nodes/n1/lxc", "vmid", "102",
		"ostemplate", "local:vztmpl/app.tar", "rootfs", "disks:1")
}
