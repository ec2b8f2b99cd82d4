package proxmox_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/proxmox"
)

func TestResourcesAreDecodedTolerantly(t *testing.T) {
	d := newDouble(t, map[string][]answer{"GET /cluster/resources": {ok(`[
		{"type":"lxc","vmid":"108","node":"pve1","maxcpu":0.5,"maxmem":"536870912","tags":"Berth;berth-a","template":"0","status":"unknown"},
		{"type":"lxc","vmid":109,"node":"pve1","status":"unknown","id":"lxc/109"},
		{"type":"lxc","vmid":{},"node":"odd"},
		{"type":"node","node":"pve1","status":"online","cpu":"0.02","maxcpu":4,"mem":1.5e9},
		{"type":"storage","storage":"local","node":"pve1","status":"available","content":"iso,vztmpl","shared":0}]`)}})
	got, err := client(t, config(d.URL)).Resources(t.Context())
	if err != nil || len(got) != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	if r := got[0]; r.VMID != 108 || r.MaxCPU != 0.5 || r.MaxMem != 536870912 || !slices.Equal(r.Tags, []string{"Berth", "berth-a"}) {
		t.Errorf("got %+v", r)
	}
	if r := got[2]; r.CPU != 0.02 || r.Mem != 1500000000 {
		t.Errorf("got %+v", r)
	}
}

func TestClusterStatus(t *testing.T) {
	d := newDouble(t, map[string][]answer{"GET /cluster/status": {
		ok(`[{"type":"cluster","name":"lab","quorate":0},{"type":"node","name":"pve1","ip":"10.0.0.1","online":1},{"type":"node","name":"pve2","online":"0"}]`),
		ok(`[{"type":"node","name":"pve1","nodeid":0,"online":1}]`),
	}})
	c := client(t, config(d.URL))
	got, err := c.ClusterStatus(t.Context())
	if err != nil || got.Quorate || !got.Clustered || got.Name != "lab" || len(got.Nodes) != 2 || !got.Nodes[0].Online || got.Nodes[1].Online {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = c.ClusterStatus(t.Context()); err != nil || !got.Quorate || got.Clustered {
		t.Errorf("single node: %+v, %v", got, err)
	}
}

func TestLocate(t *testing.T) {
	const nodes = `{"type":"node","node":"pve1","status":"online"},{"type":"node","node":"pve2","status":"online"},{"type":"node","node":"pve3","status":"offline"}`
	here, missing := ok(`{"status":"stopped"}`), refuse(gone)
	free := ok(`"101"`)
	taken := answer{status: "400 Parameter verification failed.", body: `{"errors":{"vmid":"VM 101 already exists"}}`}
	for name, tc := range map[string]struct {
		expected   []string
		list       string
		one, two   answer // of pve1 and pve2
		next       answer
		node, kind string
		err        bool
	}{
		"expected, list is late":    {expected: []string{"pve1"}, one: here, node: "pve1", kind: "lxc"},
		"listed":                    {list: `,{"type":"lxc","vmid":101,"node":"pve2"}`, two: here, node: "pve2", kind: "lxc"},
		"listed on a dead node":     {list: `,{"type":"lxc","vmid":101,"node":"pve2"}`, two: answer{status: "595 No route to host"}, node: "pve2", kind: "lxc"},
		"list is late after moving": {list: `,{"type":"lxc","vmid":101,"node":"pve2"}`, two: missing, one: here, next: taken, node: "pve1", kind: "lxc"},
		"deleted, list is late":     {list: `,{"type":"lxc","vmid":101,"node":"pve2"}`, two: missing, next: free},
		"hidden by rights":          {one: missing, two: refuse("403 Permission check failed (/vms/101, VM.Audit)"), next: taken, err: true},
		"nowhere":                   {expected: []string{"pve1"}, one: missing, next: free},
		"a virtual machine":         {list: `,{"type":"qemu","vmid":101,"node":"pve2"}`, node: "pve2", kind: "qemu"},
	} {
		d := newDouble(t, map[string][]answer{
			"GET /cluster/resources": {ok("[" + nodes + tc.list + "]")}, "GET /cluster/nextid": {tc.next},
			"GET /nodes/pve1/lxc/101/status/current": {tc.one}, "GET /nodes/pve2/lxc/101/status/current": {tc.two},
		})
		node, kind, found, err := client(t, config(d.URL)).Locate(t.Context(), 101, tc.expected...)
		if node != tc.node || kind != tc.kind || found != (tc.node != "") || (err != nil) != tc.err {
			t.Errorf("%s: %q %q %v %v", name, node, kind, found, err)
		}
	}
}

func TestSetACL(t *testing.T) {
	d := newDouble(t, map[string][]answer{"PUT /access/acl": {ok("null"), refuse("500 ACL update failed: user 'a@lab' does not exist")}})
	c := client(t, config(d.URL))
	if err := c.SetACL(t.Context(), proxmox.ACLPath(101), "PVEVMUser", "a@lab", false); err != nil {
		t.Error(err)
	}
	if p := params(t, d.calls("")[0]); p["path"] != "/vms/101" || p["roles"] != "PVEVMUser" || p["users"] != "a@lab" || p["delete"] != nil {
		t.Errorf("sent %v", p)
	}
	if err := c.SetACL(t.Context(), "/vms/101", "PVEVMUser", "a@lab", true); err != nil {
		t.Errorf("taking from a user who is gone: %v", err)
	}
	if err := c.SetACL(t.Context(), "/vms/101", "PVEVMUser", "a@lab", false); !domain.Is(err, domain.NotFound) {
		t.Errorf("giving to a user who is gone: %v", err)
	}
}

func TestCheck(t *testing.T) {
	spec := proxmox.CheckSpec{Node: "pve1", TemplateStorage: "local", RootStorage: "ctdir", Bridge: "vmbr9"}
	everything := func(path string) string {
		return `{"` + path + `":{"Sys.Audit":1,"Sys.AccessNetwork":1,"Datastore.AllocateTemplate":1,"Datastore.Audit":0,"Datastore.Allocate":1,
			"Datastore.AllocateSpace":1,"SDN.Use":1,"VM.Allocate":1,"VM.Audit":1,"VM.Config.CPU":1,"VM.Config.Disk":1,"VM.Config.Memory":1,
			"VM.Config.Network":1,"VM.Config.Options":1,"VM.PowerMgmt":1,"Permissions.Modify":1,"VM.Clone":1,"VM.Console":1,"VM.Migrate":1,
			"VM.Snapshot":1,"VM.Snapshot.Rollback":1}}`
	}
	paths := []string{"/", "/nodes/pve1", "/storage/local", "/storage/ctdir", "/sdn/zones/localnetwork/vmbr9", "/vms"}
	permissions := func(change func(path, answer string) string) (list []answer) {
		for _, p := range paths {
			list = append(list, ok(change(p, everything(p))))
		}
		return list
	}
	same := func(_, a string) string { return a }
	good := func() map[string][]answer {
		return map[string][]answer{
			"GET /nodes":              {ok(`[{"node":"pve1","status":"online"},{"node":"pve2","status":"offline"}]`)},
			"GET /nodes/pve1/version": {ok(`{"version":"9.1.1","release":"9.1"}`)},
			"GET /cluster/status":     {ok(`[{"type":"cluster","quorate":1}]`)},
			"GET /access/permissions": permissions(same),
			"GET /nodes/pve1/storage": {ok(`[{"storage":"local","content":"vztmpl,iso","active":1,"enabled":1},{"storage":"ctdir","content":"images,rootdir","active":1,"enabled":1}]`)},
			"GET /nodes/pve1/network": {ok(`[{"iface":"vmbr9","type":"bridge","active":1}]`)},
		}
	}
	for name, tc := range map[string]struct {
		key  string
		with []answer
		want []string // parts of each finding, as "severity: text"
	}{
		"good":       {},
		"old":        {"GET /nodes/pve1/version", []answer{ok(`{"version":"9.0.11"}`)}, []string{"error: Proxmox VE 9.0.11"}},
		"wrong node": {"GET /nodes", []answer{ok(`[{"node":"other","status":"online"}]`)}, []string{`error: Node "pve1" is not online`}},
		"no quorum":  {"GET /cluster/status", []answer{ok(`[{"type":"cluster","quorate":0}]`)}, []string{"error: no quorum"}},
		"privileges": {"GET /access/permissions", permissions(func(p, a string) string {
			switch p {
			case "/vms":
				return strings.NewReplacer(`"Permissions.Modify":1,`, "", `"VM.Console":1,`, "").Replace(a)
			case "/storage/ctdir":
				return "{}"
			}
			return a
		}), []string{
			"error: lacks the privilege Datastore.AllocateSpace on /storage/ctdir", "error: lacks the privilege Datastore.Audit on /storage/ctdir",
			"error: lacks the privilege Permissions.Modify on /vms", "warning: lacks the privilege VM.Console on /vms",
		}},
		"storages": {
			"GET /nodes/pve1/storage",
			[]answer{ok(`[{"storage":"local","content":"iso","active":1,"enabled":1},{"storage":"ctdir","content":"rootdir","active":0,"enabled":1}]`)},
			[]string{"error: Storage local does not take images", "error: Storage ctdir is not active"},
		},
		"no storage": {"GET /nodes/pve1/storage", []answer{ok("[]")}, []string{`error: no storage "local"`, `error: no storage "ctdir"`}},
		"no bridge":  {"GET /nodes/pve1/network", []answer{ok(`[{"iface":"vmbr0","active":1}]`)}, []string{`error: no bridge "vmbr9"`}},
		"bridge off": {"GET /nodes/pve1/network", []answer{ok(`[{"iface":"vmbr9"}]`)}, []string{"error: is not up"}},
	} {
		script := good()
		if tc.key != "" {
			script[tc.key] = tc.with
		}
		got, err := client(t, config(newDouble(t, script).URL)).Check(t.Context(), spec)
		if err != nil || len(got) != len(tc.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		for i, f := range got {
			severity, text, _ := strings.Cut(tc.want[i], ": ")
			if string(f.Severity) != severity || !strings.Contains(f.What, text) || f.Fix == "" || strings.Contains(f.What+f.Fix, "%!") {
				t.Errorf("%s: %+v, want %s", name, f, tc.want[i])
			}
		}
	}
}

// Every operation of the table is used by some method, and no method needs one that is not in it.
func TestTheTableOfCallsIsExactlyWhatIsUsed(t *testing.T) {
	const st, sto = "/nodes/pve1/lxc/101/status/", "/nodes/pve1/storage/local"
	task := []answer{ok(`"` + upid + `"`)}
	empty := []answer{ok("[]")}
	d := newDouble(t, map[string][]answer{
		"POST /access/ticket": {ok(`{"ticket":"PVE:x","CSRFPreventionToken":"c"}`)}, "GET /version": {ok(`{"version":"9.2"}`)},
		"GET /access/permissions": {ok("{}")}, "PUT /access/acl": {ok("null")}, "POST /access/domains/lab/sync": task,
		"GET /cluster/status": empty, "GET /cluster/resources": empty, "GET /cluster/nextid": {ok(`"101"`)}, "GET /nodes": empty,
		"GET /nodes/pve1/version": {ok(`{"version":"9.2"}`)}, "GET /nodes/pve1/status": {ok(`{"cpuinfo":{"cpus":2},"memory":{"total":5}}`)},
		"GET /nodes/pve1/network": empty, "GET /nodes/pve1/storage": empty, "GET " + sto + "/content": empty,
		"DELETE " + sto + "/content/local:vztmpl%2Fa.tar": {ok("null")}, "POST " + sto + "/oci-registry-pull": task, "POST " + sto + "/upload": task,
		"POST /nodes/pve1/lxc": task, "DELETE " + ct: task, "GET " + ct + "/config": {ok(ourConfig)}, "PUT " + ct + "/config": {ok("null")},
		"PUT " + ct + "/resize": task, "GET " + st + "current": {ok(`{"status":"stopped"}`)}, "POST " + st + "start": task,
		"POST " + st + "stop": task, "POST " + st + "shutdown": task, "POST " + st + "reboot": task, "GET " + ct + "/interfaces": empty,
		"GET /nodes/pve1/tasks": empty, "DELETE " + upidPath: {ok("null")}, statusKey: {stopped("OK")}, logKey: empty,
	})
	cfg := config(d.URL)
	cfg.TokenID, cfg.Secret, cfg.Username, cfg.Password = "", "", "u@pve", "very secret"
	c, ctx, memory := client(t, cfg), t.Context(), 64
	of := func(_ any, err error) error { return err }
	for i, err := range []error{
		of(c.Version(ctx)), of(c.Permissions(ctx)), c.SetACL(ctx, "/", "r", "u@pve", false), of(c.SyncRealm(ctx, "lab")), of(c.ClusterStatus(ctx)),
		of(c.Resources(ctx)), of(c.VMIDFree(ctx, 101)), of(c.Nodes(ctx)), of(c.NodeVersion(ctx, "pve1")), of(c.NodeStatus(ctx, "pve1")),
		of(c.Bridges(ctx, "pve1")), of(c.Storages(ctx, "pve1")), of(c.Content(ctx, "pve1", "local", "vztmpl")),
		of(c.DeleteVolume(ctx, "pve1", "local", "local:vztmpl/a.tar")), of(c.Pull(ctx, "pve1", "local", "r/a:1", "a")),
		of(c.Upload(ctx, "pve1", "local", "a.tar", strings.NewReader("x"), 1)),
		of(c.Create(ctx, "pve1", proxmox.CreateSpec{VMID: 101, Template: "t", Storage: "s", DiskGiB: 1, MemoryMiB: 64})),
		of(c.DestroyOurs(ctx, "pve1", 101, containerID)), c.Configure(ctx, "pve1", 101, proxmox.ConfigChange{MemoryMiB: &memory}),
		of(c.Resize(ctx, "pve1", 101, 5)), of(c.Status(ctx, "pve1", 101)), of(c.Start(ctx, "pve1", 101)), of(c.Stop(ctx, "pve1", 101)),
		of(c.Shutdown(ctx, "pve1", 101, time.Second, false)), of(c.Reboot(ctx, "pve1", 101, time.Second)),
		of(c.Interfaces(ctx, "pve1", 101)), of(c.Tasks(ctx, "pve1", proxmox.TaskFilter{})), of(c.Wait(ctx, ref, time.Minute, nil)), c.StopTask(ctx, ref),
	} {
		if err != nil {
			t.Errorf("call %d: %v", i, err)
		}
	}
	used := map[string]bool{}
	for _, s := range d.calls("") {
		used[s.method+" "+s.path] = true
	}
	if len(used) != len(proxmox.Calls()) {
		t.Errorf("%d operations used, %d in the table", len(used), len(proxmox.Calls()))
	}
}
