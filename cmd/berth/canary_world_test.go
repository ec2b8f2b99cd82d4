package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"berth/acme/acmetest"
	"berth/app"
	"berth/client"
	"berth/config"
	"berth/domain"
	"berth/edge"
	"berth/lab/guest"
	"berth/lab/images"
	"berth/lab/registry"
	"berth/process"
	"berth/store"
	"berth/templates"
)

// installation is a whole Berth in this process: its Temporal is the real child, its nodes are the lab's with simulated
// guests, its edge's daemon is pretended.
type installation struct {
	ca    *acmetest.Server
	t     *testing.T
	cfg   config.Config
	log   *recorder // of every role, at debug level
	sys   *system
	lab   *lab
	admin domain.Secret
	edge  domain.Secret
	url   string
	spans *collector
	argv  *watch
	// private is the address of a registry whose login is not the one that Berth has.
	private string
}

// recorder keeps what is logged.
type recorder struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *recorder) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.text.Bytes())
}

// install starts everything and returns when a container can be created.
func install(t *testing.T) *installation {
	t.Helper()
	binary, err := filepath.Abs("../../bin/berth-temporal")
	if err != nil {
		t.Fatal(err)
	}
	free, err := process.FreeAddresses(5)
	if err != nil {
		t.Fatal(err)
	}
	api, frontend := free[0], free[1]
	h := &installation{t: t, log: &recorder{}, url: "http://" + api, spans: collect(t), argv: watchArguments(t)}
	data := t.TempDir()
	h.cfg = config.Config{
		Data: data, Database: "sqlite://" + filepath.Join(data, "berth.db"), KeysFile: filepath.Join(data, "keys.json"),
		Listen: api, TemporalAddress: frontend, TemporalListen: frontend, TemporalNamespace: "default", TemporalBinary: binary,
		ReconcileInterval: time.Second, ObserveInterval: 500 * time.Millisecond, DeadlineScale: 1,
		LabListen: free[2], LabRegistry: free[3], LabNetwork: "198.18.0.0/24", LabNodes: []string{"pve1"},
		LabCache: filepath.Join(os.TempDir(), "berth-test-images"),
	}
	h.private = free[4]
	h.ca = acmetest.Start(t)
	h.cfg.DialAllow = []string{h.cfg.LabRegistry, h.private, h.ca.Address}
	logger := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	child, err := startTemporal(t.Context(), h.cfg, h.cfg.TemporalUI, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(child.Stop)
	st, _, err := openStore(t.Context(), h.cfg, logger)
	h.must(err)
	h.must(st.Migrate(t.Context()))
	h.must(st.Close())
	h.sys, err = openSystem(t.Context(), h.cfg, logger)
	h.must(err)
	t.Cleanup(func() { _ = h.sys.close() })
	h.startLab(logger)
	h.run(logger)
	return h
}

func (h *installation) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// startLab starts registry and nodes. Guests get the address that is reserved for their MAC.
func (h *installation) startLab(logger *slog.Logger) {
	h.lab = &lab{cfg: h.cfg, logger: logger, runtime: guest.NewSimulated(guest.SimulatedConfig{LeaseAddress: h.lease})}
	h.t.Cleanup(func() { _ = h.lab.stop(context.WithoutCancel(h.t.Context())) })
	var err error
	h.lab.registry, err = registry.Start(registry.Config{Dir: filepath.Join(h.cfg.Data, "lab", "registry"), Listen: h.cfg.LabRegistry})
	h.must(err)
	private, err := registry.Start(registry.Config{Dir: h.t.TempDir(), Listen: h.private, Username: "robot", Password: "another"})
	h.must(err)
	h.t.Cleanup(func() { _ = private.Close(context.WithoutCancel(h.t.Context())) })
	h.lab.images = images.List()[:1] // tiny:1
	quiet := func(string, ...any) {}
	h.must(images.BuildOnly(h.t.Context(), h.cfg.LabCache, h.lab.images, quiet))
	h.must(images.PushOnly(h.t.Context(), h.cfg.LabCache, h.lab.registry.Address(), h.lab.images, quiet))
	h.must(h.lab.startCluster())
}

func (h *installation) lease(mac string) (string, int, error) {
	sites, _, err := h.sys.store.Sites(h.t.Context(), store.Page{Limit: 10})
	if err != nil {
		return "", 0, err
	}
	for _, site := range sites {
		reserved, err := h.sys.store.Reservations(h.t.Context(), site.ID)
		if err != nil {
			return "", 0, err
		}
		for _, r := range reserved {
			if strings.EqualFold(r.MAC, mac) && r.State == store.Held {
				return r.Address, 24, nil
			}
		}
	}
	return "", 0, domain.Errorf(domain.NotFound, "no reservation for %s", mac)
}

// run runs API, worker and edge until the test ends.
func (h *installation) run(logger *slog.Logger) {
	ctx, stop := context.WithCancel(context.WithoutCancel(h.t.Context()))
	g, ctx := errgroup.WithContext(ctx)
	h.t.Cleanup(func() { stop(); _ = g.Wait() })
	listening := make(chan struct{})
	g.Go(func() error { return h.sys.serveAPI(ctx, listening) })
	g.Go(func() error { return h.sys.work(ctx) })
	select {
	case <-listening:
	case <-ctx.Done():
		h.t.Fatal("the API does not start")
	}
	var err error
	h.admin, err = h.sys.adminToken(ctx)
	h.must(err)
	h.edge, err = h.sys.demo(ctx, h.lab)
	h.must(err)
	runner := &edge.Runner{
		Source: edge.NewHTTPSource([]string{h.url}, h.edge, http.DefaultClient), Daemons: []edge.Daemon{pretended{}},
		Dir: h.t.TempDir(), Address: "198.18.0.2", Interval: 200 * time.Millisecond, Log: logger.With("part", "edge"),
	}
	g.Go(func() error { return runner.Run(ctx) })
	h.must(h.sys.awaitReady(ctx))
}

// pretended is a daemon that serves whatever it is given.
type pretended struct{}

func (pretended) Apply(context.Context, domain.Snapshot) ([]templates.Problem, error) {
	return nil, nil
}

func (pretended) Status(context.Context) (edge.Status, error) {
	return edge.Status{Name: "pretended"}, nil
}
func (pretended) Died() <-chan struct{}      { return nil }
func (pretended) Detach()                    {}
func (pretended) Stop(context.Context) error { return nil }

// as returns a client with a token.
func (h *installation) as(token domain.Secret) *client.Client {
	h.t.Helper()
	c, err := client.New(h.url, token.Reveal(), client.Options{Timeout: 30 * time.Second})
	h.must(err)
	return c
}

// token makes an administrator's token of full scope.
func (h *installation) token(name string) domain.Secret {
	h.t.Helper()
	_, token, err := h.sys.app.Tokens.Create(h.t.Context(), domain.System("test"), app.TokenInput{
		Name: name, Owner: adminName, Scopes: []domain.Scope{domain.ScopeAdmin},
	})
	h.must(err)
	return token
}

// ended waits for the end of an operation and returns it.
func (h *installation) ended(c *client.Client, id string) client.Operation {
	h.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		got, err := c.GetOperationWithResponse(h.t.Context(), id)
		h.must(err)
		if o := *got.JSON200; o.EndedAt != nil {
			return o
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%s of %s has not ended, it is at %q; the log ends with\n%s", got.JSON200.Name, got.JSON200.State, value(got.JSON200.Step), tail(h.log.bytes()))
		}
	}
	panic("a ticker does not end")
}

// tail is the end of a log.
func tail(log []byte) []byte { return log[max(0, len(log)-6000):] }

// get asks for a path and returns status and body. Event streams are read until they end.
func (h *installation) get(token domain.Secret, path string) (int, []byte) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+path, nil)
	h.must(err)
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	res, err := http.DefaultClient.Do(req)
	h.must(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatalf("GET %s: %v after %d bytes", path, err, len(body))
	}
	return res.StatusCode, body
}

// canary makes a value that occurs nowhere else.
func canary(name string) string {
	sum := sha256.Sum256([]byte(name + time.Now().String()))
	return "canary" + hex.EncodeToString(sum[:8])
}
