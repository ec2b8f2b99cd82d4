package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// timestamp matches the times that the fixture makes up, this year's and later ones.
var timestamp = regexp.MustCompile(`20(2[6-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

var update = flag.Bool("update", false, "write the golden files anew")

// answers is a server that knows one answer per "METHOD path", and keeps what it was asked.
type answers struct {
	by    map[string]string // "METHOD path" -> "status\nbody"
	asked []string          // "METHOD path?query body"
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.asked = append(a.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body)))
	answer, known := a.by[r.Method+" "+r.URL.Path]
	if !known {
		answer = `404 {"type":"urn:berth:problem:not-found","title":"There is no such thing","status":404,"detail":"there is no such thing"}`
	}
	var status int
	_, _ = fmt.Sscan(answer, &status)
	content := strings.TrimPrefix(answer, fmt.Sprintf("%d ", status))
	switch {
	case strings.HasPrefix(content, "event:"):
		w.Header().Set("Content-Type", "text/event-stream")
	case status >= 400:
		w.Header().Set("Content-Type", "application/problem+json")
	default:
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, content)
}

// run runs a client command against a server and returns what it printed.
func run(t *testing.T, server http.Handler, stdin string, args ...string) (out, errOut string, code int) {
	t.Helper()
	srv := httptest.NewServer(server)
	defer srv.Close()
	t.Setenv("BERTH_URL", srv.URL)
	t.Setenv("BERTH_TOKEN", "berth_test_secret")
	t.Setenv("TZ", "UTC")
	root := &cobra.Command{Use: "berth", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(clientCommands()...)
	root.AddCommand(exitTopic())
	var o, e bytes.Buffer
	root.SetOut(&o)
	root.SetErr(&e)
	root.SetIn(strings.NewReader(stdin))
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	if err != nil {
		fmt.Fprintln(&e, "berth:", err)
	}
	if strings.Contains(o.String()+e.String(), "berth_test_secret") {
		t.Error("the command prints its token")
	}
	return o.String(), e.String(), exitCode(err)
}

func fixture(t *testing.T) map[string]string {
	t.Helper()
	content, err := os.ReadFile("testdata/answers.json")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(content, &raw); err != nil {
		t.Fatal(err)
	}
	by := map[string]string{}
	for key, body := range raw {
		status, rest, _ := strings.Cut(key, " ")
		by[rest] = status + " " + strings.ReplaceAll(string(body), "CREATED", created())
	}
	by["GET /api/v1/operations/op-ok/events"] = stream("succeeded", "web01 is ready at 198.18.0.50")
	by["GET /api/v1/operations/op-bad/events"] = stream("failed", "the node refused the image; everything is undone")
	return by
}

// created is five minutes ago: ages are counted from now, and so are 5m whenever the test runs.
func created() string {
	return time.Now().Add(-5*time.Minute - 2*time.Second).UTC().Format(time.RFC3339)
}

func stream(state, message string) string {
	return `200 event: log` + "\nid: 1\n" +
		`data: {"seq":1,"time":"2026-01-01T10:00:00Z","level":"info","step":"place","message":"placed on pve1"}` + "\n\n" +
		"event: end\n" +
		`data: {"id":"op","name":"provision web01","state":"` + state + `","message":"` + message + `","kind":"provision","workflowId":"container/c-1","actor":"user:anna","createdAt":"2026-01-01T10:00:00Z"}` + "\n\n"
}

func TestOutput(t *testing.T) {
	for _, c := range []struct {
		name, line string
		code       int
	}{
		{"container-list", "container list", 0},
		{"container-get", "container get web01", 0},
		{"container-get-yaml", "container get web01 -o yaml", 0},
		{"container-create-json", "container create web01 --image docker.io/library/nginx:1.29 -o json", 0},
		{"site-list", "site list", 0},
		{"node-list", "node list", 0},
		{"edge-list", "edge list", 0},
		{"edge-enroll", "edge enroll --site demo --name edge1", 0},
		{"image-list", "image list", 0},
		{"image-list-json", "image list -o json", 0},
		{"registry-list", "registry list", 0},
		{"registry-get", "registry get ghcr.io -o yaml", 0},
		{"registry-delete", "registry delete ghcr.io --yes", 0},
		{"token-list", "token list", 0},
		{"token-create", "token create ci --scope read", 0},
		{"quota-get", "quota get anna", 0},
		{"operation-list", "operation list", 0},
		{"quarantine-list", "quarantine list", 0},
		{"quarantine-release", "quarantine release op-9 --yes", 0},
		{"quarantine-refused", "quarantine release op-8 --yes", exitConflict},
		{"user-list-empty", "user list -o json", 0},
		{"site-delete", "site delete demo --yes -o json", 0},
		{"not-found", "container get nothing", exitNotFound},
		{"busy", "container stop web01", exitConflict},
		{"invalid", "site create demo --cidr x", exitUsage},
		{"forbidden", "audit list", exitForbidden},
		{"unavailable", "image inspect nginx", exitUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, errOut, code := run(t, &answers{by: fixture(t)}, "", strings.Fields(c.line)...)
			if code != c.code {
				t.Errorf("exit code %d, want %d: %s", code, c.code, errOut)
			}
			got := "$ berth " + c.line + "\n" + out + "---\n" + errOut
			got = timestamp.ReplaceAllString(got, "TIME")
			golden(t, c.name, got)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestWaitFollowsTheOperation(t *testing.T) {
	for op, want := range map[string]int{"op-ok": exitOK, "op-bad": exitFailed} {
		by := fixture(t)
		by["POST /api/v1/containers"] = strings.ReplaceAll(by["POST /api/v1/containers"], "op-1", op)
		out, errOut, code := run(t, &answers{by: by}, "", "container", "create", "web01", "--image", "nginx", "--wait", "-o", "json")
		if code != want {
			t.Errorf("%s: exit code %d, want %d: %s", op, code, want, errOut)
		}
		if !strings.Contains(errOut, "place        placed on pve1") {
			t.Errorf("%s: progress is not shown:\n%s", op, errOut)
		}
		if want == exitFailed && !strings.Contains(errOut, "everything is undone") {
			t.Errorf("%s: the failure is not told:\n%s", op, errOut)
		}
		var c struct{ ID, Name, State string }
		if err := json.Unmarshal([]byte(out), &c); err != nil || c.Name != "web01" || c.State == "" || c.ID == "" {
			t.Errorf("%s: standard output is not the container alone: %v\n%s", op, err, out)
		}
	}
}

func TestRequests(t *testing.T) {
	t.Setenv("BERTH_SITE", "")
	t.Setenv("FROM_OUTSIDE", "yes")
	t.Setenv("PVE_TOKEN", "")
	for _, c := range []struct {
		line, stdin string
		want        string // how the last request begins
	}{
		{
			"container create web01 --image nginx --site demo --cores 2 --memory 2G --swap 512 --disk 1T --env A=b=c --env FROM_OUTSIDE --env-file -",
			"# comment\nA=overridden\n\nFILE=x y\n",
			`POST /api/v1/containers {"cores":2,"diskGiB":1024,"env":{"A":"b=c","FILE":"x y","FROM_OUTSIDE":"yes"},"image":"nginx","memoryMiB":2048,"name":"web01","site":"demo","swapMiB":512}`,
		},
		{
			"container update web01 --env A=b --unset-env C --entrypoint= --restart", "",
			`PATCH /api/v1/containers/web01 {"entrypoint":"","env":{"A":"b","C":null},"restart":true}`,
		},
		{
			"container shutdown web01 --timeout 5 --force", "",
			`POST /api/v1/containers/web01/power {"action":"shutdown","force":true,"timeoutSeconds":5}`,
		},
		{"container delete web01 --yes --forget --site demo", "", `DELETE /api/v1/containers/web01?forget=true&site=demo`},
		{
			"node create --site demo --name pve1 --url https://127.0.0.1:8006 --token a@pve!b=s=x --insecure", "",
			`POST /api/v1/nodes {"insecure":true,"name":"pve1","site":"demo","token":"s=x","tokenId":"a@pve!b","url":"https://127.0.0.1:8006"}`,
		},
		{
			"node create --site demo --name pve1 --url https://127.0.0.1:8006 --token-file -", "a@pve!b=fromstdin\n",
			`POST /api/v1/nodes {"name":"pve1","site":"demo","token":"fromstdin","tokenId":"a@pve!b","url":"https://127.0.0.1:8006"}`,
		},
		{"node update pve1 --maintenance=false", "", `PATCH /api/v1/nodes/pve1 {"maintenance":false}`},
		{"quota set anna --cores 4", "", `PUT /api/v1/quotas/anna {"containers":10,"cores":4,"diskGiB":200,"memoryMiB":16384}`},
		{
			"registry create ghcr.io --username robot", "pass word\n",
			`POST /api/v1/registries {"host":"ghcr.io","password":"pass word","username":"robot"}`,
		},
		{"registry update ghcr.io --new-password", "new\r\n", `PATCH /api/v1/registries/ghcr.io {"password":"new"}`},
		{"registry update ghcr.io --username ci", "left alone", `PATCH /api/v1/registries/ghcr.io {"username":"ci"}`},
		{"reconcile --dry-run", "", `POST /api/v1/reconcile {"dryRun":true}`},
	} {
		a := &answers{by: fixture(t)}
		_, errOut, code := run(t, a, c.stdin, strings.Fields(c.line)...)
		if len(a.asked) == 0 {
			t.Errorf("berth %s asks nothing: %d %s", c.line, code, errOut)
			continue
		}
		if got := a.asked[len(a.asked)-1]; got != c.want {
			t.Errorf("berth %s asks\n %s, want\n %s", c.line, got, c.want)
		}
	}
}

func TestMistakesInTheCommandLine(t *testing.T) {
	for _, line := range []string{
		"container", "container explode", "container get", "container get a b", "container create web01", "container list --colour",
		"container list -o xml", "container create a --image b --memory lots", "container create a --image b --env NOT_SET_ANYWHERE",
		"node create --site a --url https://127.0.0.1 --token nonsense", "edge enroll --site demo", "container import",
		"registry create ghcr.io", "registry create ghcr.io --username robot", "registry update ghcr.io",
		"registry update ghcr.io --new-password",
		"container list --api-url http://berth.example.net", "container list --api-token-file /does/not/exist",
	} {
		a := &answers{by: fixture(t)}
		_, errOut, code := run(t, a, "", strings.Fields(line)...)
		if line == "container" {
			if code != exitOK {
				t.Errorf("berth container shows no help: %s", errOut)
			}
			continue
		}
		if code != exitUsage || len(a.asked) > 0 {
			t.Errorf("berth %s: exit code %d after %v, want %d and no request: %s", line, code, a.asked, exitUsage, errOut)
		}
	}
}

func TestListsAreReadToTheirEnd(t *testing.T) {
	page := func(n int, next string) string {
		return fmt.Sprintf(`{"items":[{"id":"u%d","name":"user%d","admin":false,"createdAt":"2026-01-01T00:00:00Z"}]%s}`, n, n, next)
	}
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("cursor") == "" {
			fmt.Fprint(w, page(1, `,"next":"more"`))
			return
		}
		fmt.Fprint(w, page(2, ""))
	})
	for limit, want := range map[string]int{"0": 2, "1": 1} {
		out, errOut, _ := run(t, server, "", "user", "list", "-o", "json", "--limit", limit)
		var list struct{ Items []struct{ ID string } }
		if err := json.Unmarshal([]byte(out), &list); err != nil || len(list.Items) != want {
			t.Errorf("--limit %s prints %d items, want %d: %v %s", limit, len(list.Items), want, err, errOut)
		}
	}
}

func TestCompletionKnowsNames(t *testing.T) {
	for line, want := range map[string]string{
		"container get w": "web01\tready\n", "container create a --site d": "demo\n", "node check p": "pve1\n",
		"container create a --image ": "127.0.0.1:5000/tiny:latest\n", "container list -o ": "table\njson\nyaml\n",
	} {
		out, _, _ := run(t, &answers{by: fixture(t)}, "", append([]string{"__complete"}, strings.Split(line, " ")...)...)
		if !strings.HasPrefix(out, want) {
			t.Errorf("berth %s<tab> gives %q, want %q", line, out, want)
		}
	}
}
