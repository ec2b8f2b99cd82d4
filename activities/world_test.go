package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/activities"
	"berth/domain"
	"berth/lab/guest"
	"berth/lab/pve"
	"berth/oci"
	"berth/proxmox"
	"berth/publicdns"
	"berth/store"
	"berth/store/storetest"
)

const (
	tokenID     = "berth@pve!test"
	tokenSecret = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	poll        = 5 * time.Millisecond
	gib         = 1 << 30
)

// world is a database, a Proxmox VE cluster of two nodes with simulated guests, and a registry with one image.
type world struct {
	t       *testing.T
	store   *store.Store
	cluster domain.Cluster
	site    domain.Site
	nodes   []domain.Node
	edge    domain.Edge
	pve     *pve.Cluster
	client  *proxmox.Client
	set     activities.Set
	starter *starter
	image   string // reference in the registry

	transport *http.Transport // of whoever talks to the registry

	mu     sync.Mutex
	ahead  time.Duration     // of the reconciler's clock
	leases map[string]string // by MAC: addresses that dnsmasq would give other than the reserved ones
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, leases: map[string]string{}, starter: &starter{open: map[string]bool{}}}
	w.store = storetest.SQLite(t)
	w.serveImages()
	w.startCluster()
	w.fillStore()
	logger := slog.New(slog.DiscardHandler)
	clients := &activities.Clients{Store: w.store, New: w.newClient}
	zones := activities.Zones{Store: w.store, Network: publicdns.Network{HTTP: http.DefaultTransport}}
	names := &activities.PublicDNS{Zones: zones, Now: w.later, Logger: logger}
	w.set = activities.Set{
		Records: &activities.Records{Store: w.store, Deadlines: domain.DefaultDeadlines(), Now: time.Now, Logger: logger},
		Network: &activities.Network{Store: w.store, Changed: w.starter.NetworkChanged, Poll: poll, Logger: logger},
		Proxmox: &activities.Proxmox{
			Store: w.store, Clients: clients, Images: oci.Registry{Transport: w.transport, Logins: w.store}, Poll: poll, Now: time.Now, Logger: logger,
		},
		Observer: &activities.Observer{Store: w.store, Clients: clients, Interval: poll, Logger: logger},
		Reconciler: &activities.Reconciler{
			Store: w.store, Clients: clients, Workflows: w.starter, Names: names, Now: w.later, Logger: logger,
		},
		PublicDNS: names,
	}
	w.look()
	return w
}

// later is the reconciler's clock.
func (w *world) later() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.ahead)
}

// must ends the test on an error.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) startCluster() {
	w.t.Helper()
	storages := []pve.Storage{{Name: "local", Content: []string{"vztmpl"}}, {Name: "disks", Content: []string{"rootdir"}}}
	cluster, err := pve.New(pve.Config{
		Name: "lab", RootPassword: "secret", DataDir: w.t.TempDir(), Puller: puller{oci.Registry{Transport: w.transport}},
		Runtime: guest.NewSimulated(guest.SimulatedConfig{LeaseAddress: w.lease}),
		Nodes: []pve.Node{
			{Name: "pve1", Bridges: []string{"vmbr0"}, Storages: storages, MemoryBytes: 16 * gib, DiskBytes: 256 * gib},
			{Name: "pve2", Bridges: []string{"vmbr0"}, Storages: storages, MemoryBytes: 8 * gib, DiskBytes: 256 * gib},
		},
		Tokens: []pve.Token{{ID: tokenID, Secret: tokenSecret, Grants: []pve.Grant{{Path: "/", Role: "Administrator"}}}},
	})
	w.must(err)
	w.pve = cluster
	server := httptest.NewTLSServer(cluster.Handler())
	w.cluster.Endpoints = []string{server.URL}
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := cluster.Close(ctx); err != nil {
			w.t.Errorf("close the lab: %v", err)
		}
		server.CloseClientConnections() // Close alone waits for connections that were opened and never used
		server.Close()
	})
}

// lease answers a guest's DHCP client as the site's dnsmasq would: from the reservations.
func (w *world) lease(mac string) (string, int, error) {
	w.mu.Lock()
	given, ok := w.leases[strings.ToLower(mac)]
	w.mu.Unlock()
	if ok {
		if given == "" {
			return "", 0, errors.New("nobody answers")
		}
		return given, 24, nil
	}
	held, err := w.store.Reservations(context.Background(), w.site.ID)
	if err != nil {
		return "", 0, err
	}
	for _, r := range held {
		if domain.SameMAC(r.MAC, mac) {
			return r.Address, 24, nil
		}
	}
	return "", 0, errors.New("no reservation")
}

// give makes dnsmasq give another address than the reserved one, or none.
func (w *world) give(mac, address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leases[strings.ToLower(mac)] = address
}

func (w *world) newClient(c domain.Cluster) (*proxmox.Client, error) {
	return proxmox.New(proxmox.Config{
		Endpoints: c.Endpoints, TokenID: c.TokenID, Secret: c.Token.Reveal(), Insecure: c.Insecure,
		PollFirst: poll, PollMax: 4 * poll, Settle: 200 * time.Millisecond,
	})
}

func (w *world) fillStore() {
	w.t.Helper()
	ctx := w.t.Context()
	w.cluster = domain.Cluster{
		Name: "lab", Endpoints: w.cluster.Endpoints, TokenID: tokenID, Token: tokenSecret, Insecure: true,
		VMIDFirst: 20000, VMIDLast: 20099,
	}
	w.must(w.store.CreateCluster(ctx, &w.cluster))
	w.site = domain.Site{
		Name: "home", Domain: "home.internal", CIDR: "198.18.0.0/24", Gateway: "198.18.0.1",
		RangeFirst: "198.18.0.100", RangeLast: "198.18.0.199", LeaseTime: time.Hour,
	}
	w.must(w.store.CreateSite(ctx, &w.site))
	for _, node := range []string{"pve1", "pve2"} {
		n := domain.Node{
			Name: node, ClusterID: w.cluster.ID, SiteID: w.site.ID, TemplateStorage: "local", RootStorage: "disks",
			Bridge: "vmbr0", Slots: domain.DefaultSlots,
		}
		w.must(w.store.CreateNode(ctx, &n))
		w.nodes = append(w.nodes, n)
	}
	w.edge = domain.Edge{Name: "gate", SiteID: w.site.ID}
	w.must(w.store.CreateEdge(ctx, &w.edge))
	client, err := w.newClient(w.cluster)
	w.must(err)
	w.client = client
}

// look lets the observer see the cluster as it is now.
func (w *world) look() {
	w.t.Helper()
	w.must(w.set.Observer.Look(w.t.Context(), w.cluster.ID))
}

// serve lets the edge serve whatever is wanted.
func (w *world) serve() {
	w.t.Helper()
	site, err := w.store.Site(w.t.Context(), w.site.ID)
	w.must(err)
	w.must(w.store.ReportEdge(w.t.Context(), w.edge.ID, domain.EdgeReport{Fetched: site.Desired, Applied: site.Desired}))
}

// container returns a container as SQL has it.
func (w *world) container(in domain.OperationInput) domain.Container {
	w.t.Helper()
	c, err := w.store.Container(w.t.Context(), in.ContainerID)
	w.must(err)
	return c
}

// fault makes the lab misbehave.
func (w *world) fault(f pve.Fault) {
	w.t.Helper()
	_, err := w.pve.AddFault(f)
	w.must(err)
}

// starter stands for Temporal: it knows which workflows are open and writes down what was started.
type starter struct {
	mu        sync.Mutex
	open      map[string]bool
	started   []domain.OperationInput
	networks  []string
	observed  []string
	certified []domain.CertificateInput
	deny      error // what Start answers
}

func (s *starter) Start(_ context.Context, op domain.Operation, in domain.OperationInput) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.deny != nil {
		return "", s.deny
	}
	s.started = append(s.started, in)
	s.open[op.WorkflowID()] = true
	return "run-1", nil
}

func (s *starter) Open(_ context.Context, workflowID string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[workflowID], nil
}

func (s *starter) NetworkChanged(_ context.Context, siteID, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.networks = append(s.networks, siteID)
	return nil
}

func (s *starter) Certify(_ context.Context, in domain.CertificateInput) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.certified = append(s.certified, in)
	s.open[domain.CertificateWorkflowID(in.CertificateID)] = true
	return nil
}

func (s *starter) Observe(_ context.Context, in domain.ObserveInput) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observed = append(s.observed, in.ClusterID)
	return nil
}
