//go:build e2e

package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	// The parser of Docker Compose itself: what it reads, an engine runs.
	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

	"berth/client"
	"berth/e2e/checker"
	"berth/process"
	"berth/store/storetest"
)

// Compose starts the services of docker-compose.yml as processes of this host: with their commands and their environment, in
// which only hosts, ports and folders are replaced. PostgreSQL is the tests' own. It then does what an administrator does: makes
// the first administrator, a site, its nodes, which are the lab's, and its edges.
func Compose(t testing.TB) *Platform {
	t.Helper()
	p := &Platform{t: t, running: map[string]*Process{}, roles: map[string]role{}}
	if err := p.prepare(Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	p.roles["lab"] = role{argv: []string{p.binary("berth"), "lab"}, up: func() { p.awaitListening(strings.TrimPrefix(p.LabURL, "https://")) }}
	p.Restart("lab")
	c := p.newComposition()
	c.once("tls")
	p.trust(filepath.Join(c.tls, "ca.crt"))
	c.role("temporal", p.awaitTemporal)
	for _, name := range []string{"migrate", "temporal-setup"} {
		c.once(name)
	}
	p.administrate(c)
	for name, address := range map[string]string{"api-1": p.API, "api-2": p.API2} {
		c.role(name, func() { p.awaitListening(strings.TrimPrefix(address, "https://")) })
	}
	c.role("worker-1", nil)
	c.role("worker-2", nil)
	p.furnish(c)
	p.awaitReady(time.Minute)
	return p
}

// composition is docker-compose.yml on this host.
type composition struct {
	p       *Platform
	tls     string // stands for /etc/berth/tls
	stores  [2]string
	workers map[string]string // where they tell their health
	tokens  []string          // for the variables that an administrator sets
}

func (p *Platform) newComposition() *composition {
	p.t.Helper()
	free, err := process.FreeAddresses(3)
	if err != nil {
		p.t.Fatal(err)
	}
	c := &composition{
		p: p, tls: filepath.Join(p.Data, "tls"), workers: map[string]string{"worker-1": free[0], "worker-2": free[1]},
		stores: [2]string{storetest.PostgresDSN(p.t), storetest.PostgresDSN(p.t)},
	}
	if err := os.MkdirAll(c.tls, 0o700); err != nil {
		p.t.Fatal(err)
	}
	p.API, p.API2 = "https://"+strings.TrimPrefix(p.API, "http://"), "https://"+strings.TrimPrefix(p.API2, "http://")
	p.World.API, p.World.Driver, p.World.Database = p.API, "pgx", c.stores[0]
	return c
}

const password = "swordfish" // of PostgreSQL, as the file asks for one

// service reads a service of the file.
func (c *composition) service(name string) types.ServiceConfig {
	c.p.t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(c.p.root, "docker-compose.yml")}, cli.WithProfiles([]string{"edge"}),
		cli.WithEnv(append([]string{"POSTGRES_PASSWORD=" + password}, c.tokens...)))
	if err != nil {
		c.p.t.Fatal(err)
	}
	project, err := options.LoadProject(c.p.t.Context())
	if err != nil {
		c.p.t.Fatal(err)
	}
	s, err := project.GetService(name)
	if err != nil {
		c.p.t.Fatal(err)
	}
	return s
}

// here replaces the hosts, ports and folders of the file by those of this host.
func (c *composition) here(name string) *strings.Replacer {
	state, api := c.p.Data, c.p.API
	if strings.HasPrefix(name, "edge-") {
		state = filepath.Join(c.p.Data, name)
	}
	if name == "api-2" {
		api = c.p.API2
	}
	ui := strings.TrimPrefix(c.p.UI, "http://")
	return strings.NewReplacer(
		"postgres://berth:"+password+"@postgres:5432/berth?sslmode=disable", c.stores[0],
		"postgres://berth:"+password+"@postgres:5432/temporal?sslmode=disable", c.stores[1],
		"https://localhost:8080", c.p.API, "https://localhost:8081", c.p.API2, // as the ports are published
		"http://temporal:8233", c.p.UI, "--ui=0.0.0.0:8233", "--ui="+ui,
		"temporal:7233", c.p.Temporal, "0.0.0.0:7233", c.p.Temporal,
		"0.0.0.0:8233", "127.0.0.1:0", // each API server serves Temporal's UI
		"0.0.0.0:8080", strings.TrimPrefix(api, "https://"), "127.0.0.1:8090", c.workers[name],
		"/var/lib/berth", state, "/etc/berth/tls", c.tls,
	)
}

// command is what a service runs, and in which environment.
func (c *composition) command(name string) (argv []string, env map[string]string) {
	s, here := c.service(name), c.here(name)
	for _, word := range s.Command {
		argv = append(argv, here.Replace(word))
	}
	if argv[0] == "make-certificate" {
		argv[0] = filepath.Join(c.p.root, "deploy", argv[0])
	} else {
		argv[0] = c.p.binary(argv[0])
	}
	env = map[string]string{}
	for key, value := range s.Environment {
		if value != nil {
			env[key] = here.Replace(*value)
		}
	}
	return argv, env
}

// once runs a service that ends.
func (c *composition) once(name string) {
	c.p.t.Helper()
	argv, env := c.command(name)
	c.p.once(c.p.bare(env), argv...)
}

// role starts a service that stays. more is what the lab makes necessary beside the file.
func (c *composition) role(name string, up func(), more ...string) {
	c.p.t.Helper()
	argv, env := c.command(name)
	if strings.HasPrefix(name, "api-") || strings.HasPrefix(name, "worker-") {
		env["BERTH_DIAL_ALLOW"] = c.p.Registry + "," + c.p.settings["BERTH_LAB_CA"] + "," + c.p.LabDNS() + "," + c.p.LabCloudflare() // the lab's are on this host
		env["BERTH_RECONCILE_INTERVAL"], env["BERTH_OBSERVE_INTERVAL"] = "3s", "1s"
	}
	for _, pair := range more {
		key, value, _ := strings.Cut(pair, "=")
		env[key] = value
	}
	c.p.roles[name] = role{argv: argv, env: env, up: up, bare: true}
	c.p.Restart(name)
}

// trust makes this test trust the CA of the API's certificate.
func (p *Platform) trust(file string) {
	p.t.Helper()
	pem, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	p.ca = pem
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	p.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	p.World.HTTP = p.HTTP
}

// administrate makes the first administrator, as the head of the file says.
func (p *Platform) administrate(c *composition) {
	p.t.Helper()
	_, env := c.command("api-1")
	p.Token = p.once(p.bare(env), p.binary("berth"), "admin", "create")
	p.World.Token = p.Token
	p.Client, p.Client2 = p.connect(p.API), p.connect(p.API2)
}

func (p *Platform) connect(url string) *client.Client {
	p.t.Helper()
	api, err := client.New(url, p.Token, client.Options{UserAgent: "berth-e2e", Timeout: time.Minute, CA: p.ca})
	if err != nil {
		p.t.Fatal(err)
	}
	return api
}

// furnish registers a site, the lab's nodes, and two edges, and starts the edges.
func (p *Platform) furnish(c *composition) {
	p.t.Helper()
	must := func(err error) {
		p.t.Helper()
		if err != nil {
			p.t.Fatal(err)
		}
	}
	network := p.Network.Addr().As4()
	at := func(last int) string { return fmt.Sprintf("%d.%d.%d.%d", network[0], network[1], network[2], last) }
	_, err := p.Client.CreateSiteWithResponse(p.t.Context(), client.SiteCreate{
		Name: Site, Domain: Domain, CIDR: p.Network.String(), Gateway: p.Gateway(), RangeFirst: at(16), RangeLast: at(250),
	})
	must(err)
	for _, node := range Nodes {
		tokenID, token, insecure, name := labTokenID, labToken, true, node
		_, err := p.Client.CreateNodeWithResponse(p.t.Context(), client.NodeCreate{
			Site: Site, Name: &name, URL: &p.LabURL, TokenID: &tokenID, Token: &token, Insecure: &insecure,
		})
		must(err)
	}
	host, address := p.secondHost()
	for i, edge := range []struct{ name, address, namespace, device string }{
		{"edge-1", p.Gateway(), p.Namespace, "vmbr0"}, {"edge-2", address, host, "eth0"},
	} {
		enrolled, err := p.Client.EnrollEdgeWithResponse(p.t.Context(), client.EdgeEnroll{Site: Site, Name: edge.name})
		must(err)
		c.tokens = append(c.tokens, fmt.Sprintf("EDGE_%d_TOKEN=%s", i+1, enrolled.JSON201.Token))
		// The lab's network is a namespace of this host, which stands for the machine at the site.
		c.role(edge.name, nil, "BERTH_EDGE_NAMESPACE="+edge.namespace, "BERTH_EDGE_INTERFACE="+edge.device, "BERTH_EDGE_ADDRESS="+edge.address)
	}
	p.World.Edges = []checker.Edge{
		{DNS: p.Gateway() + ":53", Dir: filepath.Join(p.Data, "edge-1", "edge", "dnsmasq")},
		{DNS: address + ":53", Dir: filepath.Join(p.Data, "edge-2", "edge", "dnsmasq")},
	}
	Await(p.t, time.Minute, "the site is served", func(ctx context.Context) error {
		answer, err := p.Client2.ListEdgesWithResponse(ctx, &client.ListEdgesParams{})
		if err != nil {
			return err
		}
		for _, e := range answer.JSON200.Items {
			if e.State != "online" || e.Applied == 0 {
				return fmt.Errorf("%s is %s and has applied revision %d", e.Name, e.State, e.Applied)
			}
		}
		return nil
	})
}
