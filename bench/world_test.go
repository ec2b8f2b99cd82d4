//go:build e2e

package bench_test

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/client"
	"berth/domain"
	"berth/lab/network"
	"berth/process"
)

const (
	site       = "bench"
	siteDomain = "bench.internal"
	readyIn    = time.Minute
)

// world is Berth as berth standalone runs it, with an edge of its own on a lab in this process.
type world struct {
	t        *testing.T
	binary   string
	data     string
	listen   string // of the API
	temporal string // of Temporal's frontend
	token    string
	api      *client.Client
	network  *network.Network
	lab      *lab

	standalone, edgePID, temporalPID int
	stop                             func() // stops standalone, and with it Temporal
}

// start starts a world with an empty database. It ends with the test.
func start(t *testing.T, binary, guests string) *world {
	t.Helper()
	free, err := process.FreeAddresses(2)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, binary: binary, listen: free[0], temporal: free[1]}
	// Unprivileged guests pass through the folder, which t.TempDir would not let them.
	data, err := os.MkdirTemp("", "berth-bench-") //nolint:usetesting // see above
	w.must(err)
	w.must(os.Chmod(data, 0o755)) //nolint:gosec // see above
	w.data = data
	t.Cleanup(func() { _ = os.RemoveAll(data) })

	prefix := netip.MustParsePrefix(env("BENCH_NETWORK", "198.19.16.0/20"))
	gateway := netip.PrefixFrom(prefix.Addr().Next(), prefix.Bits())
	w.network, err = network.New(network.Config{Name: env("BENCH_NAMESPACE", "berth-bench"), Gateway: gateway})
	w.must(err)
	w.must(w.network.Up(t.Context()))
	t.Cleanup(func() { _ = w.network.Down(context.Background()) })
	w.lab = startLab(t, w, guests)

	w.standalone, w.stop = w.run("standalone", "standalone", "BERTH_TEMPORAL_UI=", "BERTH_TEMPORAL_LISTEN="+w.temporal)
	w.connect()
	w.register(prefix, gateway.Addr())
	w.await("a container could be created", w.ready)
	return w
}

// run starts a role and stops it with the test, or by the function that it returns.
func (w *world) run(name, args string, extra ...string) (pid int, stop func()) {
	w.t.Helper()
	cmd := exec.Command(w.binary, strings.Fields(args)...)
	cmd.Env = append(append(os.Environ(),
		"BERTH_DATA="+w.data, "BERTH_LISTEN="+w.listen, "BERTH_DIAL_ALLOW="+w.lab.registry.Address(), "BERTH_LOG_LEVEL=warn",
		"BERTH_TEMPORAL_BINARY="+temporalBinary(w.t)), extra...)
	return w.execute(name, cmd)
}

func (w *world) execute(name string, cmd *exec.Cmd) (pid int, stop func()) {
	w.t.Helper()
	log, err := os.Create(filepath.Join(w.data, name+".log")) // closed with the process
	w.must(err)
	cmd.Stdout, cmd.Stderr = log, log
	w.must(cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); _ = log.Close(); close(ended) }()
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	}
	w.t.Cleanup(func() {
		stop()
		if content, err := os.ReadFile(log.Name()); err == nil && w.t.Failed() {
			w.t.Logf("%s said:\n%s", name, tail(content, 4000))
		}
	})
	return cmd.Process.Pid, stop
}

// connect waits for the administrator's token and makes a client with it.
func (w *world) connect() {
	w.t.Helper()
	w.await("the administrator's token is made", func() bool {
		content, err := os.ReadFile(filepath.Join(w.data, "admin.token"))
		w.token = strings.TrimSpace(string(content))
		return err == nil && w.token != ""
	})
	var err error
	transport := &http.Transport{MaxIdleConnsPerHost: 200}
	w.api, err = client.New("http://"+w.listen, w.token, client.Options{Transport: transport})
	w.must(err)
	w.t.Cleanup(transport.CloseIdleConnections)
}

// register makes site, nodes and edge, and starts the edge.
func (w *world) register(prefix netip.Prefix, gateway netip.Addr) {
	w.t.Helper()
	ctx := w.t.Context()
	_, err := w.api.CreateSiteWithResponse(ctx, siteOf(site, prefix, gateway))
	w.must(err)
	url, insecure, tokenID, secret := w.lab.url, true, labTokenID, labSecret
	for _, name := range labNodes {
		_, err := w.api.CreateNodeWithResponse(ctx, client.NodeCreate{
			Site: site, Name: &name, URL: &url, Insecure: &insecure, TokenID: &tokenID, Token: &secret,
		})
		w.must(err)
	}
	edge, err := w.api.EnrollEdgeWithResponse(ctx, client.EdgeEnroll{Site: site, Name: "edge1"})
	w.must(err)
	w.edge(edge.JSON201.Token)
}

// edge runs the site's edge, and with the test's end also its dnsmasq, which survives it.
func (w *world) edge(token string) {
	w.t.Helper()
	w.t.Cleanup(func() {
		content, err := os.ReadFile(filepath.Join(w.data, "edge", "dnsmasq", "dnsmasq.pid"))
		if pid, perr := strconv.Atoi(strings.TrimSpace(string(content))); err == nil && perr == nil {
			_ = syscall.Kill(pid, syscall.SIGTERM)
		}
	})
	w.edgePID, _ = w.run("edge", "edge run", "BERTH_EDGE_URL=http://"+w.listen, "BERTH_EDGE_TOKEN="+token,
		"BERTH_EDGE_ADDRESS="+w.network.Gateway().Addr().String(), "BERTH_EDGE_INTERFACE="+w.network.Bridge(),
		"BERTH_EDGE_NAMESPACE="+w.network.Name(), "BERTH_EDGE_DIR="+filepath.Join(w.data, "edge"))
}

// runTemporal starts Temporal on the data of a standalone that was stopped, and returns its address once it answers.
func (w *world) runTemporal() string {
	w.t.Helper()
	w.temporalPID, _ = w.execute("temporal", exec.Command(temporalBinary(w.t), "--listen", w.temporal, "--ui=",
		"--data", filepath.Join(w.data, "temporal"), "--search-attributes", strings.Join(domain.SearchAttributes(), ",")))
	w.await("Temporal says that it is ready", func() bool {
		said, err := os.ReadFile(filepath.Join(w.data, "temporal.log"))
		return err == nil && strings.Contains(string(said), `"ready":true`)
	})
	return w.temporal
}

func (w *world) ready() bool {
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+w.listen+"/readyz", nil)
	w.must(err)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// provision makes a container, waits until it is ready, and returns its operation.
func (w *world) provision(ctx context.Context, name string) (*client.Operation, error) {
	in := client.ContainerCreate{Name: name, Image: w.lab.image}
	answer, err := w.api.CreateContainerWithResponse(ctx, &client.CreateContainerParams{}, in)
	if err != nil {
		return nil, err
	}
	op, err := w.api.FollowOperation(ctx, answer.JSON202.Operation.ID, func(client.OperationEvent) {})
	if err == nil && op.State != "succeeded" {
		err = fmt.Errorf("%s ended %s: %s", name, op.State, *op.Message)
	}
	return op, err
}

func (w *world) await(what string, done func() bool) {
	w.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(readyIn); !done(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("waited %s in vain until %s", readyIn, what)
		}
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func siteOf(name string, prefix netip.Prefix, gateway netip.Addr) client.SiteCreate {
	first, last := prefix.Addr(), prefix.Addr()
	for range 16 {
		first = first.Next()
	}
	for range 1<<(32-prefix.Bits()) - 16 {
		last = last.Next()
	}
	return client.SiteCreate{
		Name: name, Domain: siteDomain, CIDR: prefix.String(), Gateway: gateway.String(),
		RangeFirst: first.String(), RangeLast: last.String(),
	}
}

func tail(content []byte, most int) []byte { return content[max(0, len(content)-most):] }
