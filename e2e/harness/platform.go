//go:build e2e

package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/client"
	"berth/e2e/checker"
	"berth/process"
)

// What the lab's demo site is called, and the nodes of the lab.
const (
	Site   = "demo"
	Domain = "demo.internal"
	Owner  = "admin"
)

// Nodes are the nodes of the lab's cluster: enough for a quorum when one is away.
var Nodes = []string{"pve1", "pve2", "pve3"} //nolint:gochecknoglobals // a constant list

// The lab's API token, as `berth lab` prints it. It is no secret.
const (
	labTokenID = "berth@pve!berth"
	labToken   = "00000000-0000-4000-8000-00000000be47"
)

// Options say how a platform differs from the defaults. The zero value works.
type Options struct {
	DeadlineScale     float64       // of the time a step may take; 1 when 0
	ReconcileInterval time.Duration // 3 s when 0
	Guests            string        // lxc, simulated or auto (when empty)
}

// Platform is one running installation with its lab.
type Platform struct {
	Data      string // folder with all state
	API       string // URL
	API2      string // URL of the second API server; see Compose
	LabURL    string
	Registry  string // host:port
	Temporal  string // host:port
	UI        string // URL of Temporal's
	Network   netip.Prefix
	Namespace string
	Token     string // administrator's
	Client    *client.Client
	Client2   *client.Client // of the second API server; see Compose
	HTTP      *http.Client   // trusts the API's certificate
	Lab       Lab
	World     checker.World

	t        testing.TB
	root     string
	ca       []byte // PEM, of the API's certificate; none without TLS
	settings map[string]string
	running  map[string]*Process
	roles    map[string]role // that run apart
}

// Start starts `berth standalone --lab` on a fresh data folder and returns when a container could be created. The test's
// end stops it, and shows the logs if the test failed.
func Start(t testing.TB, o Options) *Platform {
	t.Helper()
	p := &Platform{t: t, running: map[string]*Process{}, roles: map[string]role{}}
	if err := p.prepare(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	p.roles["temporal"] = p.temporalRole()
	p.run("standalone", "standalone", "--lab")
	p.awaitReady(4 * time.Minute) // the first run on a machine builds the lab's images
	token, err := os.ReadFile(filepath.Join(p.Data, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	p.Token = strings.TrimSpace(string(token))
	if p.Client, err = client.New(p.API, p.Token, client.Options{UserAgent: "berth-e2e", Timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	p.World.Token = p.Token
	return p
}

func (p *Platform) prepare(o Options) (err error) {
	if p.root, err = repository(); err != nil {
		return err
	}
	if _, err := os.Stat(p.binary("berth")); err != nil {
		return fmt.Errorf("the platform is not built: run make build: %w", err)
	}
	if p.Network, err = freeNetwork(); err != nil {
		return err
	}
	ports, err := process.FreeAddresses(9)
	if err != nil {
		return err
	}
	if p.Data, err = os.MkdirTemp("", "berth-e2e-"); err != nil {
		return err
	}
	p.API, p.Temporal, p.UI, p.LabURL, p.Registry = "http://"+ports[0], ports[1], "http://"+ports[2], "https://"+ports[3], ports[4]
	p.API2 = "http://" + ports[5]
	p.Namespace = fmt.Sprintf("berth-e2e-%d", p.Network.Addr().As4()[2])
	scale := o.DeadlineScale
	if scale == 0 {
		scale = 1
	}
	interval := o.ReconcileInterval
	if interval == 0 {
		interval = 3 * time.Second
	}
	guests := o.Guests
	if guests == "" {
		guests = "auto"
	}
	p.settings = map[string]string{
		"BERTH_DATA": p.Data, "BERTH_LISTEN": ports[0], "BERTH_TEMPORAL_LISTEN": ports[1], "BERTH_TEMPORAL_UI": ports[2],
		"BERTH_LAB_LISTEN": ports[3], "BERTH_LAB_REGISTRY": ports[4], "BERTH_LAB_CA": ports[6], "BERTH_LAB_DNS": ports[7], "BERTH_LAB_CLOUDFLARE": ports[8], "BERTH_LAB_NAMESPACE": p.Namespace,
		"BERTH_LAB_NETWORK": p.Network.String(), "BERTH_LAB_NODES": strings.Join(Nodes, ","), "BERTH_LAB_GUESTS": guests,
		"BERTH_LAB_CACHE":      filepath.Join(p.root, ".cache", "lab-images"), // shared: building Debian takes half a minute
		"BERTH_DEADLINE_SCALE": fmt.Sprint(scale), "BERTH_RECONCILE_INTERVAL": interval.String(), "BERTH_OBSERVE_INTERVAL": "1s",
	}
	p.Lab, p.HTTP = Lab{URL: p.LabURL}, http.DefaultClient
	p.World = checker.World{
		HTTP:  p.HTTP,
		PVE:   checker.PVE{URL: p.LabURL, Token: labTokenID + "=" + labToken},
		Nodes: Nodes, Volumes: func(node string) string { return filepath.Join(p.Data, "lab", "pve", "nodes", node, "local", "images") },
		API: p.API, Database: filepath.Join(p.Data, "berth.db"),
		Edges: []checker.Edge{{DNS: p.Gateway() + ":53", Dir: filepath.Join(p.Data, "edge", "dnsmasq")}}, Domain: Domain, Network: p.Network,
	}
	return nil
}

// Gateway is the address of the lab's bridge, where the site's dnsmasq answers.
func (p *Platform) Gateway() string { return p.Network.Addr().Next().String() }

// Image is the reference of one of the lab's images, such as "tiny:1".
func (p *Platform) Image(name string) string { return p.Registry + "/" + name }

func (p *Platform) binary(name string) string { return filepath.Join(p.root, "bin", name) }

// environment is all that the platform's processes see: nothing of what this test was started with leaks in.
func (p *Platform) environment(more map[string]string) []string {
	all := maps.Clone(p.settings)
	maps.Copy(all, more)
	return p.bare(all)
}

// bare is an environment with nothing of the platform's own.
func (p *Platform) bare(more map[string]string) []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.Data, "TMPDIR=" + os.TempDir(), "LANG=C.UTF-8"}
	for _, key := range slices.Sorted(maps.Keys(more)) {
		env = append(env, key+"="+more[key])
	}
	return env
}

// run starts a role of berth under a name.
func (p *Platform) run(name string, arguments ...string) {
	p.t.Helper()
	p.runWith(name, p.environment(nil), append([]string{p.binary("berth")}, arguments...)...)
}

func (p *Platform) runWith(name string, env []string, argv ...string) {
	p.t.Helper()
	process, err := start(name, filepath.Join(p.Data, name+".log"), env, argv...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.running[name] = process
}

// In returns the same platform for use in a sub-test, which then is the one that fails.
func (p *Platform) In(t testing.TB) *Platform {
	q := *p
	q.t = t
	return &q
}

// RestartAll kills a platform that runs in one piece, and starts it again on the same data.
func (p *Platform) RestartAll() {
	p.t.Helper()
	p.Process("standalone").Kill()
	p.run("standalone", "standalone", "--lab")
	p.awaitReady(2 * time.Minute)
}

// Process returns a running process by its name.
func (p *Platform) Process(name string) *Process {
	p.t.Helper()
	process, ok := p.running[name]
	if !ok {
		p.t.Fatalf("no process %s was started", name)
	}
	return process
}

// awaitReady waits until the platform says that a container could be created.
func (p *Platform) awaitReady(within time.Duration) {
	p.t.Helper()
	Await(p.t, within, "the platform is ready", func(ctx context.Context) error {
		for name, process := range p.running {
			if !process.Alive() {
				p.t.Fatalf("%s ended by itself:\n%s", name, process.tail(40))
			}
		}
		return p.Ready(ctx)
	})
}

// Ready is nil when the platform says that a container could be created.
func (p *Platform) Ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.API+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := p.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %s", res.Status)
	}
	return nil
}

// logLines is how much of each log a failed test shows.
const logLines = 60

// end stops everything in the reverse order of its need, and shows the logs of a failed test.
func (p *Platform) end() {
	var errs []error
	for _, name := range []string{"standalone", "edge", "worker", "api", "lab", "temporal"} {
		for started, process := range p.running {
			if started == name || strings.HasPrefix(started, name+"-") {
				errs = append(errs, process.stop(time.Minute))
			}
		}
	}
	if err := errors.Join(append(errs, p.stopDaemons())...); err != nil {
		p.t.Error(err)
	}
	if p.t.Failed() {
		p.t.Logf("The data of the failed test stays in %s.", p.Data)
		for name, process := range p.running {
			p.t.Logf("--- log of %s, last lines:\n%s", name, process.tail(logLines))
		}
		return
	}
	if err := os.RemoveAll(p.Data); err != nil {
		p.t.Error(err)
	}
}

// LabDNS is where the lab's public name server answers.
func (p *Platform) LabDNS() string { return p.settings["BERTH_LAB_DNS"] }

// LabCloudflare is the address of the lab's double of Cloudflare's API.
func (p *Platform) LabCloudflare() string { return p.settings["BERTH_LAB_CLOUDFLARE"] }
