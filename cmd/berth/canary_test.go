package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"berth/client"
	"berth/domain"
	"berth/lab/pve"
	"berth/proxmox"
)

// TestNoSecretIsFoundAnywhere plants a value in every secret there is, works through the life of containers with refusals
// that echo what they were sent, and then looks for the values wherever Berth writes: none may be found, while what is no
// secret must be, or the search would prove nothing.
func TestNoSecretIsFoundAnywhere(t *testing.T) {
	h := install(t)
	s := h.plant()
	places := h.places(s)
	for _, name := range slices.Sorted(maps.Keys(places)) {
		t.Run(name, func(t *testing.T) {
			text := places[name]
			for what, value := range s.secrets {
				if at := hides(text, value); at != "" {
					t.Errorf("%s is in it: %s", what, at)
				}
			}
			if control := s.controls[name]; !bytes.Contains(text, []byte(control)) || control == "" {
				t.Errorf("the search is no search: %q is not in these %d bytes", control, len(text))
			}
		})
	}
}

// story is what was planted.
type story struct {
	secrets    map[string]string // by what they are
	controls   map[string]string // place -> what is no secret and must be found there
	container  string            // ID of one that exists
	operations []string          // IDs
	output     bytes.Buffer      // of the command line
	refusals   bytes.Buffer      // problem documents
}

// refuse notes the answer to a request that has to fail.
func (h *installation) refuse(s *story, what string, err error) {
	h.t.Helper()
	var problem *client.Problem
	if !errors.As(err, &problem) {
		h.t.Fatalf("%s: %v, want a problem", what, err)
	}
	raw, err := json.Marshal(problem)
	h.must(err)
	s.refusals.Write(append(raw, '\n'))
}

// plant lives through the life of containers.
func (h *installation) plant() *story {
	t := h.t
	t.Helper()
	s := &story{secrets: map[string]string{
		"the environment at the creation": canary("create"), "the environment that failed": canary("failed"),
		"the environment of a change": canary("change"), "the secret of another node's token": canary("token"),
		"a token that is none": canary("bearer"), "the secret of the lab's token": labToken,
		"the token of the administrator": h.admin.Reveal(), "the token of the edge": h.edge.Reveal(),
	}}
	user := h.token("user")
	s.secrets["the token of a user"] = user.Reveal()
	h.addKeys(s)
	c := h.as(user)
	stay := h.create(s, c, "canary-stays", s.secrets["the environment at the creation"])
	s.container = stay
	h.change(s, c)
	h.fail(s, c)
	gone := h.create(s, c, "canary-goes", s.secrets["the environment at the creation"])
	deleted, err := c.DeleteContainerWithResponse(t.Context(), gone, nil)
	h.must(err)
	h.wantEnd(s, c, deleted.JSON202.ID, client.OperationStateSucceeded)

	secret := "berth@pve!berth=" + s.secrets["the secret of another node's token"]
	address := "https://" + h.cfg.LabListen
	_, err = c.CreateNodeWithResponse(t.Context(), client.NodeCreate{Name: new("pve9"), URL: &address, Token: &secret, Insecure: new(true)})
	h.refuse(s, "a node with a wrong secret", err)
	_, err = h.as(domain.Secret(s.secrets["a token that is none"])).ListContainersWithResponse(t.Context(), nil)
	h.refuse(s, "a token that is none", err)
	h.commands(s, user)
	s.controls = map[string]string{
		"histories": "canary-stays", "log": "canary-stays", "log of Temporal": "ready", "answers": "canary-stays", "audit": "canary-stays",
		"refusals": "urn:berth:problem:", "command line": "canary-stays", "database": "canary-stays", "tasks of the node": "OK",
		"arguments": "berth-temporal", "metrics": "/api/v1/containers", "events": "Creates CT", "snapshot": "canary-stays",
		"database of Temporal": "canary-stays",
	}
	return s
}

// addKeys adds the keys of the ring, in the form in which they are kept and as they are.
func (h *installation) addKeys(s *story) {
	h.t.Helper()
	raw, err := os.ReadFile(h.cfg.KeysFile)
	h.must(err)
	for i, key := range regexp.MustCompile(`"([A-Za-z0-9+/_-]{42,}=*)"`).FindAllSubmatch(raw, -1) {
		s.secrets[fmt.Sprintf("key %d of the ring", i)] = string(key[1])
		if plain, err := base64.StdEncoding.DecodeString(string(key[1])); err == nil {
			s.secrets[fmt.Sprintf("key %d of the ring, decoded", i)] = string(plain)
		}
	}
	if len(s.secrets) < 11 {
		h.t.Fatalf("no key was found in the key ring of %d bytes", len(raw))
	}
}

// create makes a container with a secret in its environment, twice with the same key, and returns its ID.
func (h *installation) create(s *story, c *client.Client, name, value string) string {
	h.t.Helper()
	body := client.ContainerCreate{
		Name: name, Image: h.cfg.LabRegistry + "/tiny:1", Env: &map[string]string{"PASSWORD": value},
		MemoryMiB: new(64), DiskGiB: new(1),
	}
	params := &client.CreateContainerParams{IdempotencyKey: new("key-of-" + name)}
	made, err := c.CreateContainerWithResponse(h.t.Context(), params, body)
	h.must(err)
	again, err := c.CreateContainerWithResponse(h.t.Context(), params, body)
	h.must(err)
	if again.JSON202.Container.ID != made.JSON202.Container.ID {
		h.t.Fatal("the same key made another container")
	}
	body.Env = &map[string]string{"PASSWORD": value, "OTHER": value}
	_, err = c.CreateContainerWithResponse(h.t.Context(), params, body)
	h.refuse(s, "the same key with another request", err)
	h.wantEnd(s, c, made.JSON202.Operation.ID, client.OperationStateSucceeded)
	return made.JSON202.Container.ID
}

// change sets another environment and switches the container; one change meets a refusal that echoes it.
func (h *installation) change(s *story, c *client.Client) {
	h.t.Helper()
	value := s.secrets["the environment of a change"]
	for name, want := range map[string]client.OperationState{"FIRST": client.OperationStateFailed, "SECOND": client.OperationStateSucceeded} {
		if want == client.OperationStateFailed {
			h.echo("lxc.configure", pve.EffectError, value)
		}
		env := map[string]*string{name: &value}
		changed, err := c.UpdateContainerWithResponse(h.t.Context(), s.container, nil, client.ContainerUpdate{Env: &env, Restart: new(true)})
		h.must(err)
		h.wantEnd(s, c, changed.JSON202.Operation.ID, want)
	}
	for _, action := range []client.PowerRequestAction{client.PowerRequestActionReboot, client.PowerRequestActionStop, client.PowerRequestActionStart} {
		switched, err := c.PowerContainerWithResponse(h.t.Context(), s.container, nil, client.PowerRequest{Action: action})
		h.must(err)
		h.wantEnd(s, c, switched.JSON202.ID, client.OperationStateSucceeded)
	}
}

// fail makes containers whose creation meets refusals, and tasks with logs, that echo what they were sent.
func (h *installation) fail(s *story, c *client.Client) {
	h.t.Helper()
	value := s.secrets["the environment that failed"]
	for i, f := range []struct {
		operation string
		effect    pve.Effect
	}{{"lxc.configure", pve.EffectError}, {"lxc.create", pve.EffectTaskFail}, {"lxc.start", pve.EffectTaskFail}} {
		h.echo(f.operation, f.effect, value)
		made, err := c.CreateContainerWithResponse(h.t.Context(), nil, client.ContainerCreate{
			Name: "canary-fails-" + strconv.Itoa(i), Image: h.cfg.LabRegistry + "/tiny:1", Env: &map[string]string{"PASSWORD": value},
			MemoryMiB: new(64), DiskGiB: new(1),
		})
		h.must(err)
		h.wantEnd(s, c, made.JSON202.Operation.ID, client.OperationStateFailed)
		h.lab.cluster.RemoveFault(0)
	}
}

// echo makes the node repeat a value when an operation is asked for next.
func (h *installation) echo(operation string, effect pve.Effect, value string) {
	h.t.Helper()
	text := "unable to do this with env 'PASSWORD=" + value + "' and " + url.QueryEscape(value)
	_, err := h.lab.cluster.AddFault(pve.Fault{Operation: operation, Effect: effect, Text: text, Count: 1})
	h.must(err)
}

func (h *installation) wantEnd(s *story, c *client.Client, id string, want client.OperationState) {
	h.t.Helper()
	s.operations = append(s.operations, id)
	if o := h.ended(c, id); o.State != want {
		h.t.Fatalf("operation %s of %s ended as %s, want %s: %v", o.Kind, o.ResourceName, o.State, want, value(o.Message))
	}
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// commands runs the command line: help and lists, as JSON and as tables.
func (h *installation) commands(s *story, token domain.Secret) {
	h.t.Helper()
	h.t.Setenv("BERTH_URL", h.url)
	h.t.Setenv("BERTH_TOKEN", token.Reveal())
	// A secret that the environment brings must not be printed as somebody's default.
	h.t.Setenv("BERTH_EDGE_TOKEN", h.edge.Reveal())
	for _, line := range []string{
		"--help", "standalone --help", "edge run --help", "config", "container list -o json", "container get canary-stays -o yaml",
		"container get canary-stays", "token list -o json", "edge list", "node list -o json", "cluster list -o json", "audit list",
		"operation list -o json", "operation get " + s.operations[0], "container get no-such -o json",
	} {
		root := rootCommand()
		root.SetOut(&s.output)
		root.SetErr(&s.output)
		root.SetArgs(strings.Fields(line))
		if err := root.ExecuteContext(h.t.Context()); err != nil {
			fmt.Fprintln(&s.output, "berth:", err)
		}
	}
}

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
	return map[string][]byte{
		"histories": h.histories(), "answers": answers, "events": events, "metrics": metrics, "audit": audit, "snapshot": snapshot,
		"log": h.log.bytes(), "log of Temporal": h.files("temporal.log"), "command line": s.output.Bytes(), "refusals": s.refusals.Bytes(),
		"database": h.files("berth.db*"), "database of Temporal": h.files("temporal/*"), "arguments": h.arguments(),
		"tasks of the node": h.tasks(),
	}
}

// wantMeasured looks for what a running installation measures, and that no label grows with the containers.
func (h *installation) wantMeasured(s *story, metrics []byte) {
	h.t.Helper()
	for _, line := range []string{
		`berth_http_requests_total{method="GET",route="/api/v1/operations/:operation",status="200"}`, `berth_figures_ok 1`,
		`berth_operation_duration_seconds_count{kind="provision",result="failed"} 3`, `berth_containers{power="running",state="ready"} 1`,
		`berth_proxmox_call_duration_seconds_count{call="POST /nodes/{node}/lxc",status="200"}`, `berth_needs_attention 0`,
		`berth_edge_online{edge="edge1",site="demo"} 1`, `go_sql_open_connections{db_name="berth"}`, `temporal_request_total{`,
		`temporal_activity_execution_latency_seconds_count{activity_type="Create"`,
	} {
		if !bytes.Contains(metrics, []byte(line)) {
			h.t.Errorf("%s is not measured", line)
		}
	}
	for _, name := range []string{"canary-", s.container} {
		if at := hides(metrics, name); at != "" {
			h.t.Errorf("a label grows with the containers: %s", at)
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

// arguments returns the command lines of this process and its children.
func (h *installation) arguments() (all []byte) {
	h.t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/stat")
	h.must(err)
	self := strconv.Itoa(os.Getpid())
	for _, name := range names {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		pid := filepath.Base(filepath.Dir(name))
		_, after, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(after); pid != self && (len(fields) < 2 || fields[1] != self) {
			continue
		}
		if raw, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline")); err == nil {
			all = append(all, raw...)
		}
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

// hides looks for a value as it is and in the forms in which it is often carried, and returns what surrounds it.
func hides(text []byte, value string) string {
	forms := []string{value, url.QueryEscape(value), hex.EncodeToString([]byte(value))}
	for shift := range 3 { // base64 of it, at any place in a longer text
		encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + value))
		forms = append(forms, encoded[4*((shift+2)/3):len(encoded)-3])
	}
	for _, form := range forms {
		if at := bytes.Index(text, []byte(form)); at >= 0 {
			return fmt.Sprintf("%q", text[max(0, at-80):min(len(text), at+len(form)+40)])
		}
	}
	return ""
}

// TestHidesFinds is the other half of the control: every form is found.
func TestHidesFinds(t *testing.T) {
	const value = "a secret/value"
	for _, text := range []string{
		value, "x=" + url.QueryEscape(value), hex.EncodeToString([]byte("_" + value)), base64.StdEncoding.EncodeToString([]byte(value)),
		base64.StdEncoding.EncodeToString([]byte("u:" + value + ";")), base64.StdEncoding.EncodeToString([]byte("." + value)),
	} {
		if hides([]byte("before "+text+" after"), value) == "" {
			t.Errorf("it is not found in %q", text)
		}
	}
	if hides([]byte("before a secret after"), value) != "" {
		t.Error("it is found where it is not")
	}
}
