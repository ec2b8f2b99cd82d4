package proxmox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/proxmox"
)

const (
	upidPath  = "/nodes/pve1/tasks/UPID:pve1:00000D4A:0006BD05:6B044957:vzcreate:101:berth@pve%21worker:"
	statusKey = "GET " + upidPath + "/status"
	logKey    = "GET " + upidPath + "/log"
	running   = `{"upid":"` + upid + `","status":"running","type":"vzcreate","id":"101","user":"berth@pve","tokenid":"worker"}`
)

var ref = proxmox.TaskRef{Node: "pve1", UPID: upid}

func stopped(exit string) answer {
	return ok(`{"upid":"` + upid + `","status":"stopped","exitstatus":"` + exit + `"}`)
}

func noTask() answer {
	return answer{status: "400 Parameter verification failed.", body: `{"data":null,"errors":{"upid":"no such task"}}`}
}

func TestWaitFollowsATaskToItsEnd(t *testing.T) {
	d := newDouble(t, map[string][]answer{
		statusKey: {noTask(), {status: "595 Connection timed out"}, {drop: true}, {status: "401 Authentication failed!"}, ok(running), ok(running), stopped("WARNINGS: 2")},
		logKey: {
			ok(`[{"n":1,"t":"no content"}]`), ok(`[{"n":1,"t":"Copying blob sha256:a"},{"n":"2","t":"Copying blob sha256:b"}]`),
			ok(`[{"n":3,"t":"WARN: DHCP failed - command 'lxc-attach' failed: exit code 2"},{"n":4,"t":"TASK WARNINGS: 2"}]`), ok(`[]`),
		},
	})
	var beats []proxmox.Progress
	result, err := client(t, config(d.URL)).Wait(t.Context(), ref, time.Minute, func(p proxmox.Progress) { beats = append(beats, p) })
	if err != nil || result.Warnings != 2 || len(result.Log) != 4 {
		t.Fatalf("got %+v, %v", result, err)
	}
	if f, found := result.Warning(); !found || f.Name != "no DHCP lease" {
		t.Errorf("warning %+v", f)
	}
	last := beats[len(beats)-1]
	if len(beats) != 6 || last.LastLine != "Copying blob sha256:b" || last.BlobsDone != 1 || last.BlobsTotal != 2 || last.UPID != upid {
		t.Errorf("beats %+v", beats)
	}
}

func TestWaitTurnsAFailureIntoATypedError(t *testing.T) {
	d := newDouble(t, map[string][]answer{
		statusKey: {stopped("command 'skopeo copy docker://r/a:1 x' failed: exit code 2")},
		logKey:    {ok(`[{"n":1,"t":"level=fatal msg=\"manifest unknown\""},{"n":2,"t":"TASK ERROR: command"}]`), ok(`[]`)},
	})
	_, err := client(t, config(d.URL)).Wait(t.Context(), ref, time.Minute, nil)
	var failed *proxmox.TaskError
	if !errors.As(err, &failed) || !domain.Is(err, domain.Permanent) || proxmox.Classify(err).Name != "pull refused" ||
		!strings.Contains(err.Error(), "manifest unknown") {
		t.Errorf("got %v", err)
	}
}

func TestWaitEndsUnknown(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx    context.Context
		status []answer
	}{
		"deadline":      {t.Context(), []answer{ok(running)}},
		"node gone":     {t.Context(), []answer{{status: "595 No route to host"}}},
		"task dropped":  {t.Context(), []answer{noTask()}},
		"killed":        {t.Context(), []answer{stopped("unexpected status")}},
		"no exitstatus": {t.Context(), []answer{ok(`{"status":"stopped"}`)}},
		"not allowed":   {t.Context(), []answer{refuse("403 Permission check failed (/nodes/pve1, Sys.Audit)")}},
		"cancelled":     {cancelled, []answer{ok(running)}},
	} {
		d := newDouble(t, map[string][]answer{statusKey: tc.status, logKey: {ok(`[]`)}})
		_, err := client(t, config(d.URL)).Wait(tc.ctx, ref, 30*time.Second, nil)
		if !domain.Is(err, domain.UnknownOutcome) || proxmox.Classify(err).Reaction != proxmox.Reconcile {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWaitForNothing(t *testing.T) {
	if _, err := client(t, config(deadEndpoint(t))).Wait(t.Context(), proxmox.TaskRef{}, time.Second, nil); err != nil {
		t.Error(err)
	}
}

func TestTasksOfActiveListAndArchiveLookAlike(t *testing.T) {
	d := newDouble(t, map[string][]answer{"GET /nodes/pve1/tasks": {ok(`[
		{"upid":"a","user":"berth@pve!worker","status":"RUNNING","saved":"0","starttime":1795443040,"type":"vzstart","id":"101","node":"pve1"},
		{"upid":"b","user":"berth@pve","tokenid":"worker","status":"WARNINGS: 1","endtime":"1795443144","starttime":"1795443040","node":"pve1"},
		{"upid":"c","user":"root@pam","status":"CT is locked (backup)","endtime":1}]`)}})
	tasks, err := client(t, config(d.URL)).Tasks(t.Context(), "pve1", proxmox.TaskFilter{VMID: 101, Since: start})
	if err != nil || len(tasks) != 3 {
		t.Fatal(tasks, err)
	}
	if a, b, c := tasks[0], tasks[1], tasks[2]; !a.Running || a.User != b.User || !b.Succeeded() || c.Succeeded() || c.Running {
		t.Errorf("got %+v", tasks)
	}
	// The library would write this number as 1.795443031e+09.
	if q := d.calls("")[0].query; !strings.Contains(q, "since=1795443031") || !strings.Contains(q, "source=all") {
		t.Errorf("query %s", q)
	}
}

func TestParseUPID(t *testing.T) {
	u, err := proxmox.ParseUPID(upid)
	if err != nil || u.Node != "pve1" || u.Type != "vzcreate" || u.ID != "101" || u.User != tokenID || !u.Started.Equal(start) {
		t.Errorf("got %+v, %v", u, err)
	}
	for _, bad := range []string{"", "UPID:", "UPID:pve1:0:0:0:x:y:z", strings.TrimSuffix(upid, ":")} {
		if _, err := proxmox.ParseUPID(bad); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

func TestRetryRepeatsOnlyWhatDidNotHappen(t *testing.T) {
	c := client(t, config(deadEndpoint(t)))
	for _, tc := range []struct {
		errs []error
		want int
	}{
		{[]error{api(500, "can't lock file '/run/lock/lxc/pve-config-100.lock' - got timeout"), nil}, 2},
		{slices.Repeat([]error{api(500, "got no worker upid - start worker failed")}, 20), proxmox.ChangeRetries.Tries},
		{[]error{api(500, "CT 100 already exists on node 'x'")}, 1},
		{[]error{domain.Errorf(domain.UnknownOutcome, "x: %w", api(595, "No route to host"))}, 1},
	} {
		n := 0
		_ = c.Retry(t.Context(), func(context.Context) error { n++; return tc.errs[n-1] })
		if n != tc.want {
			t.Errorf("%v: %d tries, want %d", tc.errs[0], n, tc.want)
		}
	}
}
