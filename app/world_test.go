package app_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"berth/app"
	"berth/domain"
	"berth/publicdns"
	"berth/store"
	"berth/store/storetest"
)

// world is an installation on a real database, with people, a site, a node and an edge; Temporal and Proxmox VE are doubles.
type world struct {
	*app.App
	db     *store.Store
	flows  *flows
	pve    *pve
	now    func() time.Time
	site   domain.Site
	node   domain.Node
	edge   domain.Edge
	tokens map[string]domain.Secret // of edges, by name
}

var (
	nobody   = domain.Actor{}
	reader   = domain.Actor{User: "anna", Token: "r", Scopes: []domain.Scope{domain.ScopeRead}}
	changer  = domain.Actor{User: "anna", Token: "c", Scopes: []domain.Scope{domain.ScopeContainers}}
	anna     = domain.Actor{User: "anna", Source: "192.0.2.7", Scopes: []domain.Scope{domain.ScopeRead, domain.ScopeContainers}}
	bob      = domain.Actor{User: "bob", Scopes: []domain.Scope{domain.ScopeRead, domain.ScopeContainers}}
	demoted  = domain.Actor{User: "bob", Token: "a", Scopes: []domain.Scope{domain.ScopeAdmin}}
	root     = domain.Actor{User: "root", Admin: true, Scopes: []domain.Scope{domain.ScopeAdmin}}
	rootRead = domain.Actor{User: "root", Token: "r", Scopes: []domain.Scope{domain.ScopeRead}}
)

func newWorld(t *testing.T) *world {
	t.Helper()
	return worldWith(t, func(*app.Config) {})
}

func worldWith(t *testing.T, change func(*app.Config)) *world {
	t.Helper()
	ctx := t.Context()
	w := &world{flows: &flows{}, pve: newPVE(), now: time.Now, tokens: map[string]domain.Secret{}}
	w.db = storetest.SQLite(t)
	watcher, err := store.NewWatcher(ctx, w.db)
	must(t, err)
	watcher.Interval = 5 * time.Millisecond
	watching, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = watcher.Run(watching)
	}()
	t.Cleanup(func() {
		stop()
		<-stopped
	})
	c := app.Config{
		Store: w.db, Watcher: watcher, Workflows: w.flows, Proxmox: w.pve, Images: registry{}, CA: &http.Transport{}, Patience: 300 * time.Millisecond,
		PublicDNS: publicdns.Network{HTTP: http.DefaultTransport},
	}
	change(&c)
	w.App = app.New(c)
	w.furnish(t)
	return w
}

func (w *world) furnish(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	setup := domain.System("setup")
	for name, admin := range map[string]bool{"anna": false, "bob": false, "root": true} {
		_, err := w.Users.Create(ctx, setup, app.UserInput{Name: name, Admin: admin})
		must(t, err)
	}
	var err error
	w.site, err = w.Sites.Create(ctx, root, demo("demo", 10))
	must(t, err)
	w.node, _, err = w.Nodes.Create(ctx, root, app.NodeInput{
		Site: "demo", Name: "pve1", URL: "https://pve1:8006", TokenID: "berth@pve!berth", Token: "hush-proxmox",
	})
	must(t, err)
	w.edge = w.enroll(t, "edge1")
}

func (w *world) enroll(t *testing.T, name string) domain.Edge {
	t.Helper()
	e, token, err := w.Edges.Enroll(t.Context(), root, "demo", name)
	must(t, err)
	w.tokens[name] = token
	return e
}

// edgeActor is an edge that has logged in with its token.
func (w *world) edgeActor(t *testing.T, name string) domain.Actor {
	t.Helper()
	actor, err := w.Auth.Authenticate(t.Context(), w.tokens[name].Reveal(), "192.0.2.9")
	must(t, err)
	return actor
}

func demo(name string, third int) app.SiteInput {
	return app.SiteInput{
		Name: name, Domain: name + ".internal", CIDR: fmt.Sprintf("10.20.%d.0/24", third), Gateway: fmt.Sprintf("10.20.%d.1", third),
		RangeFirst: fmt.Sprintf("10.20.%d.20", third), RangeLast: fmt.Sprintf("10.20.%d.250", third),
	}
}

func wants(name string) app.ContainerInput {
	return app.ContainerInput{Name: name, Site: "demo", Spec: domain.Spec{
		Image: "debian:12", Env: map[string]string{"PASSWORD": "hush-env"},
	}}
}

func (w *world) create(t *testing.T, actor domain.Actor, name string) domain.Container {
	t.Helper()
	c, _, err := w.Containers.Create(t.Context(), actor, wants(name), "")
	must(t, err)
	return c
}

// running makes a worker take an operation up.
func (w *world) running(t *testing.T, id, run string) {
	t.Helper()
	must(t, w.db.ModifyOperation(t.Context(), id, func(o *domain.Operation) error {
		o.State, o.RunID = domain.OpRunning, run
		return nil
	}))
}

// finish ends what is open on a container, as a worker does, and sets what it is afterwards.
func (w *world) finish(t *testing.T, id string, after domain.ContainerState) {
	t.Helper()
	ctx := t.Context()
	must(t, w.db.Transact(ctx, func(tx *store.Store) error {
		open, _, err := tx.Operations(ctx, store.OperationFilter{ResourceID: id, Open: true}, store.Page{})
		if err != nil {
			return err
		}
		for _, op := range open {
			err := tx.ModifyOperation(ctx, op.ID, func(o *domain.Operation) error {
				o.State = domain.OpSucceeded
				if after == domain.ContainerFailed {
					o.State = domain.OpFailed
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		if after == domain.ContainerFailed {
			if _, _, err := tx.Release(ctx, id); err != nil {
				return err
			}
			if err := tx.DropReleased(ctx, id, 1<<40); err != nil {
				return err
			}
			if err := tx.Unplace(ctx, id); err != nil {
				return err
			}
		}
		return tx.ModifyContainer(ctx, id, func(c *domain.Container) error {
			c.State, c.Operation, c.Power = after, "", domain.PowerRunning
			return nil
		})
	}))
}

// ready creates a container whose provision has ended well.
func (w *world) ready(t *testing.T, actor domain.Actor, name string) domain.Container {
	t.Helper()
	c := w.create(t, actor, name)
	w.finish(t, c.ID, domain.ContainerReady)
	c, err := w.Containers.Get(t.Context(), actor, c.ID, "")
	must(t, err)
	return c
}

// trail returns the outcomes of an action in the audit trail, newest first.
func (w *world) trail(t *testing.T, action string) []domain.AuditEntry {
	t.Helper()
	found, err := w.Audit.List(t.Context(), root, app.AuditFilter{Action: action}, app.Page{})
	must(t, err)
	return found.Items
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func wantKind(t *testing.T, err error, want domain.Kind) {
	t.Helper()
	if !domain.Is(err, want) {
		t.Fatalf("error is %v, want kind %s", err, want)
	}
}

// flows is a double of Temporal: it keeps what it is asked for, and fails on request.
type flows struct {
	certified []domain.CertificateInput

	mu        sync.Mutex
	started   []domain.OperationInput
	cancelled []string // run IDs
	published []string // site IDs
	observed  []string // cluster IDs
	failStart func(n int) error
	unhealthy error
	starts    int
}

func (f *flows) Start(_ context.Context, op domain.Operation, in domain.OperationInput) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.starts++
	if f.failStart != nil {
		if err := f.failStart(f.starts); err != nil {
			return "", err
		}
	}
	f.started = append(f.started, in)
	return "run-" + op.ID, nil
}

func (f *flows) Cancel(_ context.Context, _, runID string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cancelled = append(f.cancelled, runID)
	return nil
}

func (f *flows) NetworkChanged(_ context.Context, siteID, _ string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.published = append(f.published, siteID)
	return nil
}

func (f *flows) Observe(_ context.Context, in domain.ObserveInput) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.observed = append(f.observed, in.ClusterID)
	return nil
}

func (f *flows) Certify(_ context.Context, in domain.CertificateInput) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.certified = append(f.certified, in)
	return nil
}

func (f *flows) Reconcile(context.Context, bool) (string, error) { return "Nothing differs.", nil }

func (f *flows) Healthy(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unhealthy
}

func (f *flows) startedOf(operationID string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, in := range f.started {
		if in.OperationID == operationID {
			n++
		}
	}
	return n
}

func (f *flows) wasCancelled(run string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.cancelled, run)
}

// pve is a double of the Proxmox VE client.
type pve struct {
	name     string
	nodes    []app.RemoteNode
	storages []app.RemoteStorage
	guests   []app.RemoteGuest
	findings []domain.Finding
	leftover string // what Leftover tells
	silent   error  // what Leftover fails with
}

func newPVE() *pve {
	return &pve{
		name:  "lab",
		nodes: []app.RemoteNode{{Name: "pve1", IP: "10.20.10.2", Online: true}, {Name: "pve2", IP: "192.0.2.3", Online: true}},
		storages: []app.RemoteStorage{
			{Name: "small", Content: []string{"vztmpl", "rootdir"}, Total: 10, Active: true},
			{Name: "local", Content: []string{"vztmpl"}, Total: 100, Active: true},
			{Name: "data", Content: []string{"rootdir"}, Total: 1000, Active: true},
			{Name: "asleep", Content: []string{"vztmpl", "rootdir"}, Total: 5000},
		},
		guests: []app.RemoteGuest{
			{VMID: 105, Name: "Legacy", Node: "pve1", Running: true}, {VMID: 20000, Name: "ours", Node: "pve1", Managed: true},
		},
	}
}

func (p *pve) Check(context.Context, domain.Cluster, domain.Node) ([]domain.Finding, error) {
	return p.findings, nil
}

func (p *pve) Nodes(context.Context, domain.Cluster) ([]app.RemoteNode, error) { return p.nodes, nil }

func (p *pve) Storages(context.Context, domain.Cluster, string) ([]app.RemoteStorage, error) {
	return p.storages, nil
}

func (p *pve) Guests(context.Context, domain.Cluster, string) ([]app.RemoteGuest, error) {
	return slices.Clone(p.guests), nil
}

func (p *pve) Leftover(context.Context, domain.Cluster, string, int, string) (string, error) {
	return p.leftover, p.silent
}

func (p *pve) Guest(_ context.Context, _ domain.Cluster, node string, vmid int) (app.RemoteGuest, error) {
	for _, g := range p.guests {
		if g.Node == node && g.VMID == vmid {
			return g, nil
		}
	}
	return app.RemoteGuest{}, domain.Errorf(domain.NotFound, "no CT %d on node %s", vmid, node)
}

func (p *pve) Name(context.Context, domain.Cluster) (string, string, error) {
	return p.name, "9.2.4", nil
}

func nodeOnline() store.NodeObservation { return store.NodeObservation{State: domain.NodeOnline} }

func clusterReady() store.ClusterObservation {
	return store.ClusterObservation{State: domain.ClusterReady, Quorate: true, Seen: true}
}

type registry struct{}

func (registry) Inspect(_ context.Context, img domain.Image) (domain.ImageInfo, error) {
	return domain.ImageInfo{Reference: img.String(), Ports: []string{"80/tcp"}}, nil
}
