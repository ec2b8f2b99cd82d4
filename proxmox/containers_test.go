package proxmox_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/proxmox"
)

const (
	containerID = "0b6f0a8e-6a4e-4a57-9a3e-0123456789ab"
	ct          = "/nodes/pve1/lxc/101"
	ourConfig   = `{"hostname":"web01","tags":"berth;berth-` + containerID + `;x","description":"berth:` + containerID + `\n\nnote\n",` +
		`"memory":"128","swap":0,"cores":1,"cpulimit":"0.5","onboot":"1","env":"PATH=/bin\u0000A=b","entrypoint":"/bin/sh -c 'x'",` +
		`"lxc":[["lxc.init.cwd","/root"]],"rootfs":"ctdir:101/subvol-101-disk-0.subvol,size=4G",` +
		`"net0":"name=eth0,bridge=vmbr9,host-managed=1,hwaddr=BC:24:11:59:0A:5D,ip=dhcp,tag=7,type=veth","digest":"d1"}`
	locked = `{"digest":"x","lock":"create"}`
	gone   = "500 Configuration file 'nodes/pve1/lxc/101.conf' does not exist"
)

func params(t *testing.T, s seen) map[string]any {
	t.Helper()
	var p map[string]any
	if err := json.Unmarshal([]byte(s.body), &p); err != nil {
		t.Fatalf("%q: %v", s.body, err)
	}
	return p
}

func TestConfigIsTyped(t *testing.T) {
	d := newDouble(t, map[string][]answer{"GET " + ct + "/config": {ok(ourConfig)}})
	got, err := client(t, config(d.URL)).Config(t.Context(), "pve1", 101)
	if err != nil {
		t.Fatal(err)
	}
	net := got.Nets[0]
	if got.MemoryMiB != 128 || got.DiskGiB != 4 || !got.OnBoot || !slices.Equal(got.Env, []string{"PATH=/bin", "A=b"}) || got.Entrypoint != "/bin/sh -c 'x'" ||
		got.Rootfs.GiB != 4 || got.Rootfs.Storage != "ctdir" || net.Bridge != "vmbr9" || net.VLAN != 7 || net.HostManaged == nil ||
		!*net.HostManaged || got.Digest != "d1" || string(got.Raw["cpulimit"]) != `"0.5"` || strings.HasSuffix(got.Description, "\n") {
		t.Errorf("got %+v", got)
	}
	if back := net.String(); back != "name=eth0,bridge=vmbr9,hwaddr=BC:24:11:59:0A:5D,tag=7,ip=dhcp,host-managed=1,type=veth" {
		t.Errorf("device written back as %s", back)
	}
	if !proxmox.HasMarker(got, containerID) || proxmox.HasMarker(got, "other") || proxmox.HasMarker(got, "") {
		t.Error("marker not read")
	}
}

func TestMarker(t *testing.T) {
	for name, tc := range map[string]struct {
		ct proxmox.CTConfig
		ok bool
	}{
		"both":          {proxmox.CTConfig{Tags: proxmox.Tags("A1"), Description: proxmox.Described("a1", "x")}, true},
		"tags only":     {proxmox.CTConfig{Tags: proxmox.Tags("a1")}, true},
		"line only":     {proxmox.CTConfig{Description: "hello\n berth:a1 \nx"}, true},
		"none":          {proxmox.CTConfig{Tags: []string{"berth"}, Description: "berth"}, false},
		"other":         {proxmox.CTConfig{Tags: proxmox.Tags("b2")}, false},
		"contradiction": {proxmox.CTConfig{Tags: proxmox.Tags("a1"), Description: proxmox.Marker("b2")}, false},
	} {
		if got := proxmox.HasMarker(tc.ct, "a1"); got != tc.ok {
			t.Errorf("%s: %v", name, got)
		}
	}
	own := proxmox.CTConfig{Tags: proxmox.Tags("a1", "web"), Description: proxmox.Described("a1", "note")}
	if tags, text := proxmox.Unmarked(own); !slices.Equal(tags, []string{"web"}) || text != "note" {
		t.Errorf("unmarked: %v %q", tags, text)
	}
	if !proxmox.HasMarker(proxmox.CTConfig{Description: proxmox.Description("a1", "r/a:1", "ann")}, "a1") {
		t.Error("description without marker")
	}
	if id, ok := proxmox.MarkerOfTags([]string{"berth", "berth-a1"}); !ok || id != "a1" {
		t.Error("tags of a resource not read")
	}
}

func TestCreateSendsWhatAnOCIContainerNeeds(t *testing.T) {
	d := newDouble(t, map[string][]answer{"POST /nodes/pve1/lxc": {ok(`"` + upid + `"`)}})
	spec := proxmox.CreateSpec{
		VMID: 101, Hostname: "web01", Template: "local:vztmpl/a.tar", Storage: "ctdir", DiskGiB: 4, MemoryMiB: 256, Nesting: true,
		Net: proxmox.Net{Bridge: "vmbr9", MAC: "BC:24:11:00:00:01"}, Tags: proxmox.Tags(containerID), Description: proxmox.Marker(containerID),
	}
	c := client(t, config(d.URL))
	got, err := c.Create(t.Context(), "pve1", spec)
	if err != nil || got != ref {
		t.Fatal(got, err)
	}
	want := map[string]any{
		"vmid": 101.0, "hostname": "web01", "ostemplate": "local:vztmpl/a.tar", "rootfs": "ctdir:4", "memory": 256.0, "swap": 0.0,
		"unprivileged": true, "onboot": false, "features": "nesting=1", "net0": "name=eth0,bridge=vmbr9,hwaddr=BC:24:11:00:00:01,ip=dhcp",
		"tags": "berth;berth-" + containerID, "description": "berth:" + containerID,
	}
	if sent := params(t, d.calls("")[0]); !maps.Equal(sent, want) {
		t.Errorf("sent %v\nwant %v", sent, want)
	}
	spec.VMID = 0
	if _, err := c.Create(t.Context(), "pve1", spec); !domain.Is(err, domain.Invalid) || len(d.calls("")) != 1 {
		t.Errorf("VMID 0: %v", err)
	}
}

func TestConfigure(t *testing.T) {
	d := newDouble(t, map[string][]answer{"PUT " + ct + "/config": {ok("null")}})
	c := client(t, config(d.URL))
	if err := c.Configure(t.Context(), "pve1", 101, proxmox.ConfigChange{Digest: "d1"}); err != nil || len(d.calls("")) != 0 {
		t.Errorf("no change: %v", err)
	}
	entrypoint, memory, none := "/bin/x", 64, ""
	change := proxmox.ConfigChange{
		Env: []string{"A=1", "B=2"}, Entrypoint: &entrypoint, MemoryMiB: &memory, Nameserver: &none, Delete: []string{"net1"}, Digest: "d1",
	}
	if err := c.Configure(t.Context(), "pve1", 101, change); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"env": "A=1\x00B=2", "entrypoint": "/bin/x", "memory": 64.0, "delete": "nameserver,net1", "digest": "d1"}
	if sent := params(t, d.calls("")[0]); !maps.Equal(sent, want) {
		t.Errorf("sent %v", sent)
	}
}

func TestPowerIsIdempotent(t *testing.T) {
	d := newDouble(t, map[string][]answer{
		"POST " + ct + "/status/start":    {refuse("500 CT 101 already running")},
		"POST " + ct + "/status/stop":     {refuse("500 CT 101 not running")},
		"POST " + ct + "/status/shutdown": {refuse("500 CT 101 not running")},
		"POST " + ct + "/status/reboot":   {refuse("500 VM 101 not running")},
	})
	c := client(t, config(d.URL))
	if r, err := c.Start(t.Context(), "pve1", 101); err != nil || !r.IsZero() {
		t.Error(err)
	}
	if r, err := c.Stop(t.Context(), "pve1", 101); err != nil || !r.IsZero() {
		t.Error(err)
	}
	if r, err := c.Shutdown(t.Context(), "pve1", 101, 90*time.Second, true); err != nil || !r.IsZero() {
		t.Error(err)
	}
	if _, err := c.Reboot(t.Context(), "pve1", 101, time.Minute); !domain.Is(err, domain.Conflict) {
		t.Errorf("a reboot of a stopped CT did not happen: %v", err)
	}
	want := map[string]any{"timeout": 90.0, "forceStop": true}
	if sent := params(t, d.calls("POST " + ct + "/status/shutdown")[0]); !maps.Equal(sent, want) {
		t.Errorf("sent %v", sent)
	}
}

func TestDestroyOnlyOurs(t *testing.T) {
	active := func(kind, user string) answer {
		return ok(`[{"upid":"` + upid + `","node":"pve1","type":"` + kind + `","user":"` + user + `","status":"RUNNING"}]`)
	}
	for name, tc := range map[string]struct {
		config, tasks, del []answer
		kind               domain.Kind // Internal: no error
		deleted, waits     bool
		leftover           bool
	}{
		"ours":             {config: []answer{ok(ourConfig)}, del: []answer{ok(`"` + upid + `"`)}, deleted: true, waits: true},
		"gone":             {config: []answer{refuse(gone)}},
		"gone meanwhile":   {config: []answer{ok(ourConfig)}, del: []answer{refuse(gone)}, deleted: true},
		"no marker":        {config: []answer{ok(`{"hostname":"x","tags":"berth"}`)}, kind: domain.Conflict},
		"another's":        {config: []answer{ok(strings.ReplaceAll(ourConfig, containerID, "other"))}, kind: domain.Conflict},
		"unreadable":       {config: []answer{{status: "595 No route to host"}}, kind: domain.Unavailable},
		"create runs":      {config: []answer{ok(locked)}, tasks: []answer{active("vzcreate", tokenID)}, kind: domain.Busy},
		"our destroy runs": {config: []answer{ok(`{"lock":"destroyed"}`)}, tasks: []answer{active("vzdestroy", tokenID)}, waits: true},
		"leftover":         {config: []answer{ok(locked)}, tasks: []answer{ok("[]")}, kind: domain.Conflict, leftover: true},
		"protected":        {config: []answer{ok(ourConfig)}, del: []answer{refuse("500 can't remove CT 101 - protection mode enabled")}, kind: domain.Conflict, deleted: true},
		"answer lost":      {config: []answer{ok(ourConfig)}, del: []answer{{drop: true}}, kind: domain.UnknownOutcome, deleted: true},
	} {
		d := newDouble(t, map[string][]answer{"GET " + ct + "/config": tc.config, "GET /nodes/pve1/tasks": tc.tasks, "DELETE " + ct: tc.del})
		got, err := client(t, config(d.URL)).DestroyOurs(t.Context(), "pve1", 101, containerID)
		if (err != nil || tc.kind != domain.Internal) && !domain.Is(err, tc.kind) || got.IsZero() == tc.waits {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		dels := d.calls("DELETE " + ct)
		if (len(dels) == 1) != tc.deleted || tc.deleted && (dels[0].query != "force=1&purge=1" || dels[0].body != "") {
			t.Errorf("%s: deletes %+v", name, dels)
		}
		if _, left := proxmox.LeftoverLockIn(err); left != tc.leftover || left && proxmox.Classify(err).Reaction != proxmox.Quarantine {
			t.Errorf("%s: leftover %v", name, left)
		}
	}
}

func TestInterfaces(t *testing.T) {
	d := newDouble(t, map[string][]answer{"GET " + ct + "/interfaces": {
		ok("null"),
		ok(`[{"name":"eth0","hwaddr":"BC:24:11:E1:33:E0","ip-addresses":[]}]`),
		ok(`[{"name":"eth0","hardware-address":"bc:24:11:e1:33:e0","inet":"10.0.0.2/24","ip-addresses":[
			{"ip-address":"10.0.0.1","prefix":"24"},{"ip-address":"10.0.0.2","prefix":24},{"ip-address":"fe80::1","prefix":"64"}]}]`),
		ok(`[{"name":"eth0","hwaddr":"a","inet":"10.0.0.2/24","inet6":"fe80::1/64"}]`),
	}})
	c := client(t, config(d.URL))
	for i, want := range []int{-1, 0, 2, 1} {
		got, err := c.Interfaces(t.Context(), "pve1", 101)
		if err != nil || (len(got) == 0) != (want < 0) || want >= 0 && len(got[0].IPv4) != want {
			t.Errorf("%d: %+v, %v", i, got, err)
		}
		if want > 0 && len(got[0].IPv6) != 1 {
			t.Errorf("%d: %+v", i, got)
		}
	}
}

func TestWatchRunning(t *testing.T) {
	d := newDouble(t, map[string][]answer{"GET " + ct + "/status/current": {
		ok(`{"status":"running","cpus":"0.5","pressurecpusome":null}`), ok(`{"status":"running"}`), ok(`{"status":"stopped"}`),
	}})
	c := client(t, config(d.URL))
	if err := c.WatchRunning(t.Context(), "pve1", 101, 400*time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := c.WatchRunning(t.Context(), "pve1", 101, 10*time.Second); proxmox.Classify(err).Name != "application exited" {
		t.Error(err)
	}
}
