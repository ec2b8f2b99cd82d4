package proxmox_test

import (
	"fmt"
	"testing"
	"time"

	"berth/domain"
	"berth/proxmox"
)

func create(status, user string, at time.Time) string {
	return fmt.Sprintf(`{"upid":%q,"node":"pve1","type":"vzcreate","id":"101","user":%q,"status":%q,"starttime":%d,"endtime":%d}`,
		upid, user, status, at.Unix(), at.Unix())
}

func TestReconcileCreate(t *testing.T) {
	const (
		free  = `"101"`
		taken = `400 Parameter verification failed.`
	)
	nextFree := ok(free)
	nextTaken := answer{status: taken, body: `{"data":null,"errors":{"vmid":"VM 101 already exists"}}`}
	mine := ok("[" + create("RUNNING", tokenID, start) + "]")
	for name, tc := range map[string]struct {
		config, tasks, next []answer
		resources           answer
		want                proxmox.CreateState
		kind                domain.Kind // Internal: no error
		failed, settles     bool
	}{
		"never arrived":        {config: []answer{refuse(gone)}, tasks: []answer{ok("[]")}, next: []answer{nextFree}, want: proxmox.CreateAbsent, settles: true},
		"arrives late":         {config: []answer{refuse(gone), ok(locked)}, tasks: []answer{ok("[]"), mine}, next: []answer{nextFree}, want: proxmox.CreateRunning},
		"running":              {config: []answer{ok(locked)}, tasks: []answer{mine}, want: proxmox.CreateRunning},
		"running, no file yet": {config: []answer{refuse(gone)}, tasks: []answer{mine}, want: proxmox.CreateRunning},
		"failed":               {config: []answer{refuse(gone)}, tasks: []answer{ok("[" + create("unable to create CT 101 - x", tokenID, start) + "]")}, next: []answer{nextFree}, want: proxmox.CreateAbsent, failed: true},
		"old failure":          {config: []answer{refuse(gone)}, tasks: []answer{ok("[" + create("unable to create CT 101 - x", tokenID, start.Add(-time.Hour)) + "]")}, next: []answer{nextFree}, want: proxmox.CreateAbsent, settles: true},
		"created":              {config: []answer{ok(ourConfig)}, tasks: []answer{ok("[]")}, want: proxmox.CreateDone},
		"ended between":        {config: []answer{ok(`{"hostname":"x"}`), ok(ourConfig)}, tasks: []answer{ok("[" + create("OK", tokenID, start) + "]")}, want: proxmox.CreateDone},
		"somebody else's":      {config: []answer{ok(`{"hostname":"x"}`)}, tasks: []answer{ok("[]")}, want: proxmox.CreateForeign},
		"somebody creates":     {config: []answer{ok(locked)}, tasks: []answer{ok("[" + create("RUNNING", "root@pam", start) + "]")}, want: proxmox.CreateForeign},
		"on another node": {
			config: []answer{refuse(gone)}, tasks: []answer{ok("[]")}, next: []answer{nextTaken},
			resources: ok(`[{"type":"qemu","vmid":101,"node":"pve2"}]`), want: proxmox.CreateForeign,
		},
		"leftover lock": {config: []answer{ok(locked)}, tasks: []answer{ok("[]")}, want: proxmox.CreateLeftover, settles: true},
		"node away":     {config: []answer{{status: "595 No route to host"}}, kind: domain.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDouble(t, map[string][]answer{
				"GET " + ct + "/config": tc.config, "GET /nodes/pve1/tasks": tc.tasks, "GET /cluster/nextid": tc.next,
				"GET /cluster/resources": {tc.resources}, "GET " + ct + "/status/current": {refuse(gone)},
			})
			cfg := config(d.URL)
			got, err := client(t, cfg).ReconcileCreate(t.Context(), "pve1", 101, proxmox.Marker(containerID), start)
			if (err != nil || tc.kind != domain.Internal) && !domain.Is(err, tc.kind) {
				t.Fatal(err)
			}
			if got.State != tc.want || (got.State == proxmox.CreateRunning) != (got.Task == ref) || (got.Failed != nil) != tc.failed {
				t.Errorf("got %+v", got)
			}
			if settled := !cfg.Now().Before(start.Add(10 * time.Second)); tc.kind == domain.Internal && settled != tc.settles {
				t.Errorf("concluded after %s", cfg.Now().Sub(start))
			}
		})
	}
}
