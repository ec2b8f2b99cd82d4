package pve

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/lab/guest"
)

// world is a simulated cluster that a scenario runs against. Before each request it is brought into the state that the
// recorded answer shows the real node to have been in, as far as the requests before have not done so: scenarios have
// gaps, and some of what the recorder did was not recorded. How the simulator answers is its own affair.
type world struct {
	t         *testing.T
	c         *Cluster
	runtime   *fakeRuntime
	puller    *fakePuller
	directory *fakeDirectory
	all       []*recording // the scenario
	at        int          // position of the request
	upids     map[string]string
	held      map[string]func() // gates of tasks, by recorded UPID
	seeded    map[string]bool   // tasks that no request of the scenario started, by recorded UPID
	unlock    func()            // frees a config lock that the request is to find taken
}

func newWorld(t *testing.T, all []*recording, nodes ...string) *world {
	w := &world{
		t: t, runtime: newFakeRuntime(), puller: &fakePuller{missing: map[string]bool{}}, all: all,
		upids: map[string]string{}, held: map[string]func(){}, seeded: map[string]bool{}, directory: &fakeDirectory{},
	}
	cfg := Config{
		Name: "lab", RootPassword: "secret123", DataDir: t.TempDir(), Runtime: w.runtime, Puller: w.puller,
		Directory: w.directory, Timings: Timings{StatsLife: 5 * time.Minute, KillAfter: 50 * time.Millisecond, ConfigLock: 2 * time.Second},
	}
	for i, name := range nodes {
		cfg.Nodes = append(cfg.Nodes, Node{
			Name: name, Address: fmt.Sprintf("10.99.0.%d/24", i+1), Bridges: []string{"vmbr9"},
			Storages: []Storage{
				{Name: "local", Content: []string{"vztmpl", "iso", "backup", "snippets", "import"}},
				{Name: "ctdir", Content: []string{"rootdir", "images"}, Path: "/var/lib/ctstore"},
				{Name: "snapstore", Type: "btrfs", Content: []string{"rootdir", "images"}, Path: "/mnt/btrfs"},
			},
		})
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.c = c
	t.Cleanup(func() {
		for _, release := range w.held {
			release()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	for _, name := range nodes {
		for _, file := range []string{
			"alpine-3.22-default_20250617_amd64.tar.xz", "debian-12-standard_12.15-1_amd64.tar.zst", "tiny_1.0.tar",
		} {
			w.template(name, file, "plain")
		}
	}
	return w
}

// fakeDirectory holds one user in one group; password is the one it accepts.
type fakeDirectory struct{ password string }

func (*fakeDirectory) Fetch(_ context.Context, settings map[string]string) (DirectoryContent, error) {
	if settings["port"] != "389" {
		return DirectoryContent{}, errors.New("Connection refused")
	}
	return DirectoryContent{
		Users:  []DirectoryUser{{Name: "alice", Email: "alice@test.lan", FirstName: "Alice", LastName: "Adams"}},
		Groups: map[string][]string{"admins": {"alice"}},
	}, nil
}

func (d *fakeDirectory) Check(_ context.Context, _ map[string]string, _, password string) error {
	if password != d.password {
		return errors.New("invalid credentials")
	}
	return nil
}

func ociTar() []byte {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, name := range []string{"oci-layout", "index.json", "blobs/sha256/0"} {
		if t.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Typeflag: tar.TypeReg}) != nil {
			return nil
		}
	}
	if t.Close() != nil {
		return nil
	}
	return b.Bytes()
}

func (w *world) template(node, name, content string) {
	raw := []byte(content)
	if content == "plain" && strings.HasSuffix(name, ".tar") {
		raw = ociTar()
	}
	if err := os.WriteFile(w.c.TemplateFile(node, "local", name), raw, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// exit is the exit status that a later recording shows for a task; "" when none does.
func (w *world) exit(upid string) string {
	for _, r := range w.all[w.at:] {
		if data, ok := r.body()["data"].(map[string]any); ok && data["upid"] == upid && data["exitstatus"] != nil {
			return fmt.Sprint(data["exitstatus"])
		}
	}
	return ""
}

// seen tells whether a task is shown in the middle of its work before it is shown ended.
func (w *world) seen(upid string) bool {
	for _, r := range w.all[w.at+1:] {
		data, _ := r.body()["data"].(map[string]any)
		if data["upid"] == upid && data["exitstatus"] != nil {
			return false
		}
		text := r.Response.Body
		if data["upid"] == upid && data["status"] == "running" || strings.Contains(text, `"lock":"create"`) ||
			strings.Contains(text, "CT is locked (create)") || strings.Contains(text, upid) && strings.Contains(text, "RUNNING") {
			return true
		}
	}
	return false
}

var (
	existsOn   = regexp.MustCompile(`CT (\d+) already exists on node '([^']+)'`)
	lockedBy   = regexp.MustCompile(`^CT is locked \((\S+)\)`)
	noBridge   = regexp.MustCompile(`^bridge '([^']+)' does not exist`)
	noUser     = regexp.MustCompile(`no such user \('([^']+)'\)|user '([^']+)' does not exist`)
	ticketText = regexp.MustCompile(`PVE(:|%3A)([^:%]+(?:@|%40)[^:%]+)(?::|%3A)([0-9A-F]{8})(?::|%3A){2}SIGNATURE`)
)

// prepare makes the state that the recorded answer implies.
func (w *world) prepare(r *recording) {
	path, query, _ := strings.Cut(strings.TrimPrefix(r.Request.Target, "/api2/json"), "?")
	path, _ = url.PathUnescape(path)
	p := decodeForm(query)
	for name, v := range decodeForm(r.Request.Body) {
		p[name] = v
	}
	op, inPath := w.c.router.find(r.Request.Method, strings.FieldsFunc(path, func(r rune) bool { return r == '/' }))
	for name, v := range inPath {
		p[name] = v
	}
	w.credentials(r)
	message := strings.TrimSuffix(fmt.Sprint(r.body()["message"]), "\n")
	if m := existsOn.FindStringSubmatch(message); m != nil {
		vmid, _ := strconv.Atoi(m[1])
		w.exists(m[2], vmid)
	}
	if m := noUser.FindStringSubmatch(message); m != nil {
		w.c.mu.Lock()
		delete(w.c.state.Users, m[1]+m[2])
		w.c.mu.Unlock()
	}
	w.membership(r, p.get("node"), message)
	if op == nil {
		return
	}
	outcome := message
	if upid := r.upid(); upid != "" {
		outcome = w.exit(upid)
		if outcome != "" && w.seen(upid) {
			w.hold(upid, p)
		}
	}
	w.storages(r, p)
	w.names(r, op, p)
	w.tasks(r, op, p)
	w.guest(r, op, p, outcome)
	w.images(r, op, p, outcome)
}

// storages adds a storage that somebody made on the node.
func (w *world) storages(r *recording, p params) {
	name, n := p.get("storage"), w.c.nodeNamed(p.get("node"))
	if name == "" || n == nil || storageFormat(name) != nil || r.status() == 400 || r.status() == 403 ||
		strings.Contains(r.reason(), "storage '"+name+"' does not exist") {
		return
	}
	data, _ := r.body()["data"].(map[string]any)
	disabled := strings.HasSuffix(r.reason(), "is disabled") || data["enabled"] == 0.0
	for i := range n.Storages {
		if n.Storages[i].Name == name {
			n.Storages[i].Disabled = disabled
			return
		}
	}
	n.Storages = append(n.Storages, Storage{Name: name, Content: []string{"rootdir", "images", "vztmpl"}, Disabled: disabled})
	if err := w.c.makeFolders(); err != nil {
		w.t.Fatal(err)
	}
}

// credentials makes the users and tokens that the request succeeded with.
func (w *world) credentials(r *recording) {
	secret := strings.TrimPrefix(header(r.Request.Headers, "Authorization"), "PVEAPIToken=")
	id, secret, _ := strings.Cut(secret, "=")
	m := tokenIDPattern.FindStringSubmatch(id)
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if m != nil && r.status() != 401 {
		who := identity{user: m[1] + "@" + m[2], token: m[3]}
		u := w.user(who.user)
		if u.Tokens[who.token] == nil {
			// What is known of the recorder's tokens: root's has all rights, the others have none of their own.
			u.Tokens[who.token] = &token{Digest: w.c.digest(secret), Privsep: who.user != rootUser}
		}
	}
	if m := ticketText.FindStringSubmatch(r.Request.Body + header(r.Request.Headers, "Cookie")); m != nil {
		name, _ := url.PathUnescape(m[2])
		w.user(name)
	}
}

// user returns a user, making it when it is not there; c.mu is held.
func (w *world) user(name string) *user {
	u := w.c.state.Users[name]
	if u == nil {
		u = &user{Enable: true}
		w.c.state.Users[name] = u
	}
	if u.Tokens == nil {
		u.Tokens = map[string]*token{}
	}
	return u
}

// membership brings nodes up and down, and quorum with them.
func (w *world) membership(r *recording, node, message string) {
	if len(w.c.nodes) < 2 {
		return
	}
	lost, kept := false, true
	exit := message
	if upid := r.upid(); upid != "" {
		exit = w.exit(upid)
	}
	switch {
	case strings.Contains(exit, "no quorum") || strings.HasPrefix(exit, "unable to open file '/etc/pve"):
		w.c.SetQuorum(&lost)
	case r.status() == 595:
		w.power(node, false)
	case r.status() == 200 && r.Request.Method != http.MethodGet, existsOn.MatchString(message):
		w.c.SetQuorum(&kept)
	}
	if r.status() < 595 && w.c.nodeNamed(node) != nil && strings.HasPrefix(r.Request.Target, "/api2/json/nodes/"+node+"/") {
		w.power(node, true)
	}
	rows, _ := r.body()["data"].([]any)
	for _, row := range rows {
		if o, ok := row.(map[string]any); ok && o["type"] == "node" {
			name, _ := o["node"].(string)
			if name == "" {
				name, _ = o["name"].(string)
			}
			w.power(name, o["status"] != "offline" && o["online"] != 0.0)
		}
	}
}

func (w *world) power(node string, on bool) {
	if node == w.c.nodes[0].Name || w.c.nodeNamed(node) == nil {
		return
	}
	// Guests that were seen before keep their figures for a while.
	if err := w.c.refreshStats(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	if err := w.c.SetNodeOnline(context.Background(), node, on); err != nil {
		w.t.Fatal(err)
	}
}

// exists makes a stopped guest unless there is one.
func (w *world) exists(node string, vmid int) {
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if ct := w.c.state.Containers[vmid]; ct != nil {
		ct.Node = node
		return
	}
	w.c.state.Containers[vmid] = &container{
		VMID: vmid, Node: node, Pending: map[string]string{},
		Options: map[string]string{
			"rootfs": fmt.Sprintf("ctdir:%d/vm-%d-disk-0.raw,size=1G", vmid, vmid), "hostname": "seeded", "memory": "64",
			"swap": "512", "arch": "amd64", "ostype": "alpine", "unprivileged": "1",
			"net0": "name=eth0,bridge=vmbr9,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth",
		},
	}
}

func (w *world) runs(vmid int, running bool) {
	w.runtime.mu.Lock()
	defer w.runtime.mu.Unlock()
	if _, is := w.runtime.guests[vmid]; is == running {
		return
	}
	if !running {
		delete(w.runtime.guests, vmid)
		return
	}
	w.runtime.guests[vmid] = guest.Spec{VMID: vmid, NICs: []guest.NIC{{Name: "eth0", MAC: "BC:24:11:00:00:01"}}}
}
