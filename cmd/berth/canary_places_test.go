package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"berth/proxmox"
)

// places reads everything that Berth wrote.
func (h *installation) places(s *story) map[string][]byte {
	h.t.Helper()
	answers, events := h.answers(s)
	_, metrics := h.get(h.admin, "/metrics")
	h.wantMeasured(s, metrics)
	_, audit := h.get(h.admin, "/api/v1/audit?limit=500")
	status, snapshot := h.get(h.edge, "/api/v1/edge/snapshot")
	if status != http.StatusOK {
		h.t.Errorf("the edge's snapshot is answered with %d", status)
	}
	h.wantTraced()
	return map[string][]byte{
		"traces":    h.spans.bytes(),
		"histories": h.histories(), "answers": answers, "events": events, "metrics": metrics, "audit": audit, "snapshot": snapshot,
		"log": h.log.bytes(), "log of Temporal": h.files("temporal.log"), "command line": s.output.Bytes(), "refusals": s.refusals.Bytes(),
		"database": h.files("berth.db*"), "database of Temporal": h.files("temporal/*"), "arguments": h.argv.seen(),
		"tasks of the node": h.tasks(),
	}
}

// wantMeasured looks for what a running installation measures, and that no label grows with the containers.
func (h *installation) wantMeasured(s *story, metrics []byte) {
	h.t.Helper()
	for _, line := range []string{
		`berth_http_requests_total{method="GET",route="/api/v1/operations/:operation",status="200"}`, `berth_figures_ok 1`,
		`berth_operation_duration_seconds_count{kind="provision",result="failed"} 4`, `berth_containers{power="running",state="ready"} 1`,
		`berth_proxmox_call_duration_seconds_count{call="POST /nodes/{node}/lxc",status="200"}`, `berth_needs_attention 0`,
		`berth_edge_online{edge="edge1",site="demo"} 1`, `go_sql_open_connections{db_name="berth"}`, `temporal_request_total{`,
		`temporal_activity_execution_latency_seconds_count{activity_type="Create"`,
	} {
		if !bytes.Contains(metrics, []byte(line)) {
			h.t.Errorf("%s is not measured", line)
		}
	}
	h.wantDocumented(metrics)
	for _, name := range []string{"canary-", s.container} {
		if at := hides(metrics, name); at != "" {
			h.t.Errorf("a label grows with the containers: %s", at)
		}
	}
}

// wantDocumented holds what is measured against what operators are told: nothing of ours may be missing on either side.
func (h *installation) wantDocumented(metrics []byte) {
	h.t.Helper()
	manual, err := os.ReadFile("../../docs/operators.md")
	h.must(err)
	_, manual, _ = bytes.Cut(manual, []byte("### Metrics"))
	measured, documented := map[string]bool{}, map[string]bool{}
	for _, name := range regexp.MustCompile(`# TYPE ((?:berth|temporal)_\S+)`).FindAllSubmatch(metrics, -1) {
		measured[string(name[1])] = true
		if told := []byte("`" + string(name[1]) + "`"); bytes.HasPrefix(name[1], []byte("berth_")) && !bytes.Contains(manual, told) {
			h.t.Errorf("docs/operators.md leaves out %s", name[1])
		}
	}
	for _, name := range regexp.MustCompile("`((?:berth|temporal)_[a-z_]+)`").FindAllSubmatch(manual, -1) {
		documented[string(name[1])] = true
	}
	rare := []string{"berth_open_operations", "temporal_request_failure_total"} // nothing is open now, and nothing may have failed
	for name := range documented {
		if !measured[name] && !slices.Contains(rare, name) {
			h.t.Errorf("docs/operators.md tells of %s, which is not measured", name)
		}
	}
}

// answers asks for everything that the contract can be asked for.
func (h *installation) answers(s *story) (all, events []byte) {
	h.t.Helper()
	status, raw := h.get(h.admin, "/api/v1/openapi.yaml")
	contract, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil || status != http.StatusOK {
		h.t.Fatalf("the contract is answered with %d: %v", status, err)
	}
	ids := map[string][]string{
		"container": {s.container}, "operation": s.operations, "site": {demoSite}, "node": {"pve1"}, "edge": {demoEdge}, "user": {adminName},
		"cluster": {h.firstID("/api/v1/clusters")}, "token": {h.firstID("/api/v1/tokens")}, "image": {h.firstID("/api/v1/images")},
		"registry": {h.firstID("/api/v1/registries")}, "externalDomain": {h.firstID("/api/v1/external-domains")},
		"certificate": {h.firstID("/api/v1/certificates")}, "acmeAccount": {h.firstID("/api/v1/acme-accounts")},
	}
	asked := 0
	for path, item := range contract.Paths.Map() {
		if item.Get == nil {
			continue
		}
		for _, target := range targets(h.t, path, ids) {
			if path == "/api/v1/images/inspect" {
				target += "?reference=" + url.QueryEscape(h.cfg.LabRegistry+"/tiny:1")
			}
			status, body := h.get(h.admin, target)
			if want := expected(path); status != want {
				h.t.Errorf("GET %s is answered with %d, want %d: %s", target, status, want, body)
			}
			asked++
			if all = append(all, body...); strings.HasSuffix(path, "/events") {
				events = append(events, body...)
			}
		}
	}
	if asked < 25 {
		h.t.Errorf("%d answers were read", asked)
	}
	return all, events
}

func expected(path string) int {
	if path == "/api/v1/edge/snapshot" {
		return http.StatusForbidden // for the edge alone
	}
	return http.StatusOK
}

// targets fills the parameters of a path. A parameter that this test does not know is an error: give it a value above.
func targets(t *testing.T, path string, ids map[string][]string) (filled []string) {
	t.Helper()
	name := regexp.MustCompile(`\{(.*?)\}`).FindStringSubmatch(path)
	if name == nil {
		return []string{path}
	}
	if len(ids[name[1]]) == 0 {
		t.Errorf("no value for the parameter of %s", path)
	}
	for _, id := range ids[name[1]] {
		filled = append(filled, strings.Replace(path, name[0], url.PathEscape(id), 1))
	}
	return filled
}

func (h *installation) firstID(path string) string {
	h.t.Helper()
	_, body := h.get(h.admin, path)
	var list struct{ Items []struct{ ID string } }
	h.must(json.Unmarshal(body, &list))
	if len(list.Items) == 0 {
		h.t.Fatalf("%s is empty", path)
	}
	return list.Items[0].ID
}

// histories returns every event of every run of every workflow, and what Temporal shows beside them.
func (h *installation) histories() []byte {
	h.t.Helper()
	var all []byte
	ctx, runs := h.t.Context(), 0
	var next []byte
	for {
		page, err := h.sys.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 200, NextPageToken: next})
		h.must(err)
		for _, run := range page.Executions {
			runs++
			id, runID := run.Execution.WorkflowId, run.Execution.RunId
			history := h.sys.temporal.GetWorkflowHistory(ctx, id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
			for history.HasNext() {
				event, err := history.Next()
				h.must(err)
				raw, err := proto.Marshal(event)
				h.must(err)
				all = append(all, raw...)
			}
			described, err := h.sys.temporal.DescribeWorkflowExecution(ctx, id, runID)
			h.must(err)
			raw, err := proto.Marshal(described)
			h.must(err)
			all = append(all, raw...)
		}
		if next = page.NextPageToken; len(next) == 0 {
			break
		}
	}
	if runs < 8 {
		h.t.Errorf("%d runs were read", runs)
	}
	return all
}

// files returns the contents of files below the data folder.
func (h *installation) files(pattern string) (all []byte) {
	h.t.Helper()
	names, err := filepath.Glob(filepath.Join(h.cfg.Data, pattern))
	h.must(err)
	for _, name := range names {
		raw, err := os.ReadFile(name)
		h.must(err)
		all = append(all, raw...)
	}
	return all
}

// tasks returns how the node's tasks ended, and their logs. Those that this test made echo a value are left out: what a
// node writes about itself is not Berth's.
func (h *installation) tasks() (all []byte) {
	h.t.Helper()
	pve, err := proxmox.New(proxmox.Config{Endpoints: []string{"https://" + h.cfg.LabListen}, TokenID: labTokenID, Secret: labToken, Insecure: true})
	h.must(err)
	tasks, err := pve.Tasks(h.t.Context(), "pve1", proxmox.TaskFilter{})
	h.must(err)
	for _, task := range tasks {
		if strings.Contains(task.ExitStatus, "unable to do this") {
			continue
		}
		lines, err := pve.TaskLog(h.t.Context(), task.Ref, 0)
		h.must(err)
		all = append(all, strings.Join(append(lines, task.ExitStatus, task.Ref.UPID), "\n")...)
	}
	return all
}
