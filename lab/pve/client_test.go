package pve

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

const testSecret = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"

// lab is a cluster with a client that has all rights.
type lab struct {
	*Cluster
	t       *testing.T
	runtime *fakeRuntime
	puller  *fakePuller
	server  *httptest.Server
	config  Config
	token   string
}

func newLab(t *testing.T, change func(*Config)) *lab {
	t.Helper()
	l := &lab{t: t, runtime: newFakeRuntime(), puller: &fakePuller{missing: map[string]bool{}}}
	l.token = "berth@pve!lab=" + testSecret
	storages := []Storage{
		{Name: "local", Content: []string{"vztmpl"}}, {Name: "disks", Content: []string{"rootdir"}},
	}
	l.config = Config{
		Name: "lab", RootPassword: "secret", DataDir: t.TempDir(), Runtime: l.runtime, Puller: l.puller,
		Nodes: []Node{
			{Name: "n1", Bridges: []string{"vmbr0"}, Storages: storages},
			{Name: "n2", Bridges: []string{"vmbr0"}, Storages: storages},
			{Name: "n3", Bridges: []string{"vmbr0"}, Storages: storages},
		},
		Tokens: []Token{{ID: "berth@pve!lab", Secret: testSecret, Grants: []Grant{{Path: "/", Role: "Administrator"}}}},
	}
	if change != nil {
		change(&l.config)
	}
	l.open()
	return l
}

func (l *lab) open() {
	l.t.Helper()
	c, err := New(l.config)
	if err != nil {
		l.t.Fatal(err)
	}
	l.Cluster = c
	server := httptest.NewTLSServer(c.Handler())
	l.server = server
	l.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			l.t.Error(err)
		}
		server.Close()
	})
	for _, n := range l.config.Nodes {
		w := &world{t: l.t, c: c}
		w.template(n.Name, "app.tar", "plain")
		w.template(n.Name, "root.tar.gz", "plain")
	}
}

// reply is an answer of the API.
type reply struct {
	status  int
	reason  string
	raw     string
	data    any
	errors  map[string]string
	message string
}

// call sends a form, or a query for GET and DELETE.
func (l *lab) call(method, path string, pairs ...string) (reply, error) {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	target := l.server.URL + "/api2/json" + path
	var body io.Reader
	if method == http.MethodPost || method == http.MethodPut {
		body = strings.NewReader(form.Encode())
	} else if len(form) > 0 {
		target += "?" + form.Encode()
	}
	req, err := http.NewRequestWithContext(context.Background(), method, target, body)
	if err != nil {
		return reply{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Authorization", "PVEAPIToken="+l.token)
	return l.send(req)
}

func (l *lab) send(req *http.Request) (reply, error) {
	resp, err := l.server.Client().Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	r := reply{status: resp.StatusCode, raw: string(raw)}
	_, r.reason, _ = strings.Cut(resp.Status, " ")
	var parsed struct {
		Data    any               `json:"data"`
		Errors  map[string]string `json:"errors"`
		Message string            `json:"message"`
	}
	if json.Unmarshal(raw, &parsed) == nil {
		r.data, r.errors, r.message = parsed.Data, parsed.Errors, parsed.Message
	}
	return r, nil
}

// must is call for what has to be answered with 200.
func (l *lab) must(method, path string, pairs ...string) any {
	l.t.Helper()
	r, err := l.call(method, path, pairs...)
	if err != nil || r.status != http.StatusOK {
		l.t.Fatalf("%s %s: %d %s (%v)", method, path, r.status, r.reason, err)
	}
	return r.data
}

// refused is call for what has to be refused.
func (l *lab) refused(status int, reason, method, path string, pairs ...string) reply {
	l.t.Helper()
	r, err := l.call(method, path, pairs...)
	if err != nil || r.status != status || r.reason != reason {
		l.t.Errorf("%s %s: %d %s (%v), want %d %s", method, path, r.status, r.reason, err, status, reason)
	}
	return r
}

// task runs a call that starts a task and returns the exit status.
func (l *lab) task(method, path string, pairs ...string) string {
	l.t.Helper()
	return l.exit(l.start(method, path, pairs...))
}

func (l *lab) start(method, path string, pairs ...string) string {
	l.t.Helper()
	upid, _ := l.must(method, path, pairs...).(string)
	if !upidPattern.MatchString(upid) {
		l.t.Fatalf("%s %s: %q is no UPID", method, path, upid)
	}
	return upid
}

func (l *lab) status(upid string) map[string]any {
	l.t.Helper()
	node := upidPattern.FindStringSubmatch(upid)[1]
	out, _ := l.must("GET", "/nodes/"+node+"/tasks/"+url.PathEscape(upid)+"/status").(map[string]any)
	return out
}

func (l *lab) exit(upid string) string {
	l.t.Helper()
	exit := ""
	if !eventually(func() bool {
		s := l.status(upid)
		exit, _ = s["exitstatus"].(string)
		return s["status"] == "stopped"
	}) {
		l.t.Fatalf("task %s does not end", upid)
	}
	return exit
}

func (l *lab) log(upid string) string {
	l.t.Helper()
	node := upidPattern.FindStringSubmatch(upid)[1]
	rows, _ := l.must("GET", "/nodes/"+node+"/tasks/"+url.PathEscape(upid)+"/log", "limit", "0").([]any)
	var lines []string
	for _, row := range rows {
		line, _ := row.(map[string]any)["t"].(string)
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// create makes a guest on n1 from an OCI archive.
func (l *lab) create(vmid string, more ...string) string {
	l.t.Helper()
	return l.task("POST", "/nodes/n1/lxc", append([]string{
		"vmid", vmid, "ostemplate", "local:vztmpl/app.tar", "rootfs", "disks:1",
		"net0", "name=eth0,bridge=vmbr0,ip=dhcp",
	}, more...)...)
}
