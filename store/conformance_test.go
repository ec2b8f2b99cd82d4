package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"berth/domain"
	"berth/secret"
	"berth/store"
	"berth/store/storetest"
)

// suite is what every database has to pass. Each test gets a database of its own.
var suite = []struct {
	name string
	test func(t *testing.T, e *env)
}{
	{"Migrations", testMigrations},
	{"Clusters", testClusters},
	{"Registries", testRegistries},
	{"Sites", testSites},
	{"Nodes", testNodes},
	{"Edges", testEdges},
	{"RevisionServed", testRevisionServed},
	{"Containers", testContainers},
	{"ContainerNames", testContainerNames},
	{"ContainerPages", testContainerPages},
	{"Snapshot", testSnapshot},
	{"ReserveConcurrently", testReserveConcurrently},
	{"ReserveRules", testReserveRules},
	{"Release", testRelease},
	{"Quarantine", testQuarantine},
	{"Reuse", testReuse},
	{"ForeignVMIDs", testForeignVMIDs},
	{"NodesWithImage", testNodesWithImage},
	{"Place", testPlace},
	{"PlaceConcurrently", testPlaceConcurrently},
	{"Quota", testQuota},
	{"QuotaConcurrently", testQuotaConcurrently},
	{"UsersAndGroups", testUsersAndGroups},
	{"Tokens", testTokens},
	{"Operations", testOperations},
	{"Events", testEvents},
	{"Idempotency", testIdempotency},
	{"AuditAndSettings", testAuditAndSettings},
	{"Services", testServices},
	{"ServicesOfFailed", testServicesOfFailed},
	{"ServicesConcurrently", testServicesConcurrently},
	{"ServicesLive", testServicesLive},
	{"ExternalDomains", testExternalDomains},
	{"Certificates", testCertificates},
	{"ACMEAccounts", testACMEAccounts},
	{"CertificatesOrdered", testCertificatesOrdered},
	{"DNSProviders", testDNSProviders},
	{"PublishedNames", testPublishedNames},
	{"Slots", testSlots},
	{"Breakers", testBreakers},
	{"NodeImages", testNodeImages},
	{"Figures", testFigures},
	{"Transact", testTransact},
	{"Deadlock", testDeadlock},
	{"ErrorKinds", testErrorKinds},
	{"Binary", testBinary},
	{"ChangesInOrder", testChangesInOrder},
	{"Watcher", testWatcher},
	{"WatcherTold", testWatcherTold},
	{"RotateKeys", testRotateKeys},
}

func TestConformance(t *testing.T) {
	for _, backend := range storetest.Backends() {
		t.Run(backend.Name, func(t *testing.T) {
			for _, part := range suite {
				t.Run(part.name, func(t *testing.T) { part.test(t, newEnv(t, backend)) })
			}
		})
	}
}

// env is a fresh database with a clock that tests move.
type env struct {
	*store.Store
	ctx   context.Context
	dsn   string
	ring  *secret.Ring
	clock *clock
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newEnv(t *testing.T, b storetest.Backend) *env {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	e := &env{ctx: ctx, dsn: b.DSN(t), ring: secret.Generate(), clock: &clock{now: time.Now()}}
	e.Store = storetest.Open(t, store.Config{DSN: e.dsn, Ring: e.ring, Now: e.clock.Now})
	return e
}

// second opens the database once more, as another process would.
func (e *env) second(t *testing.T) *store.Store {
	t.Helper()
	return storetest.Open(t, store.Config{DSN: e.dsn, Ring: e.ring, Now: e.clock.Now})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

func wantKind(t *testing.T, err error, k domain.Kind) {
	t.Helper()
	if !domain.Is(err, k) {
		t.Fatalf("error %v is of kind %v, want %v", err, domain.KindOf(err), k)
	}
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}

func (e *env) site(t *testing.T, name string) domain.Site {
	t.Helper()
	s := domain.Site{
		Name: name, Domain: name + ".internal", CIDR: "198.18.0.0/23", Gateway: "198.18.0.1",
		RangeFirst: "198.18.0.1", RangeLast: "198.18.1.200", Forwarders: []string{"192.0.2.1#53"},
	}
	must(t, e.CreateSite(e.ctx, &s))
	return s
}

func (e *env) cluster(t *testing.T, name string) domain.Cluster {
	t.Helper()
	c := domain.Cluster{
		Name: name, Endpoints: []string{"https://192.0.2.1:8006", "https://192.0.2.2:8006"},
		TokenID: "berth@pve!api", Token: "s3cret-" + domain.Secret(name),
	}
	must(t, e.CreateCluster(e.ctx, &c))
	return c
}

func (e *env) node(t *testing.T, c domain.Cluster, s domain.Site, name, address string) domain.Node {
	t.Helper()
	n := domain.Node{Name: name, ClusterID: c.ID, SiteID: s.ID, Address: address, RootStorage: "local-lvm", Bridge: "vmbr0"}
	must(t, e.CreateNode(e.ctx, &n))
	return n
}

func (e *env) container(t *testing.T, s domain.Site, name string) domain.Container {
	t.Helper()
	c := domain.Container{
		Name: name, SiteID: s.ID, Owner: "anna",
		Spec: domain.Spec{
			Image: "docker.io/library/debian:12", Cores: 1, MemoryMiB: 512, DiskGiB: 4,
			Env: map[string]string{"PASSWORD": "hunter2"},
		},
	}
	must(t, e.CreateContainer(e.ctx, &c))
	return c
}

// together runs n functions at once and returns their errors.
func together(n int, f func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

func testMigrations(t *testing.T, e *env) {
	must(t, e.Migrate(e.ctx))
	other := e.second(t)
	for _, err := range together(4, func(int) error { return other.Migrate(e.ctx) }) {
		must(t, err)
	}
	done, err := e.Migrated(e.ctx)
	must(t, err)
	same(t, "Migrated", done, true)
	must(t, e.Ping(e.ctx))
}

// TestMigrateAfterADeath has the process that was the first to migrate die between making goose's table and its first row.
func TestMigrateAfterADeath(t *testing.T) {
	for _, backend := range storetest.Backends() {
		if backend.Name != "MariaDB" { // the others do both in one transaction
			continue
		}
		s, err := store.Open(t.Context(), store.Config{DSN: backend.DSN(t), Ring: secret.Generate()})
		must(t, err)
		pool, err := s.Pool()
		must(t, err)
		_, err = pool.ExecContext(t.Context(), "CREATE TABLE goose_db_version (id serial NOT NULL, version_id bigint NOT NULL, "+
			"is_applied boolean NOT NULL, tstamp timestamp NULL default now(), PRIMARY KEY(id))")
		must(t, err)
		must(t, s.Migrate(t.Context()))
		must(t, s.Close())
	}
}

// TestMigrateTogether starts processes on an empty database at once: one migrates, the others wait.
func TestMigrateTogether(t *testing.T) {
	for _, backend := range storetest.Backends() {
		t.Run(backend.Name, func(t *testing.T) {
			dsn, ctx := backend.DSN(t), t.Context()
			errs := together(4, func(int) error {
				s, err := store.Open(ctx, store.Config{DSN: dsn, Ring: secret.Generate()})
				if err != nil {
					return err
				}
				if err := s.Migrate(ctx); err != nil {
					_ = s.Close()
					return fmt.Errorf("migrate: %w", err)
				}
				return s.Close()
			})
			for _, err := range errs {
				must(t, err)
			}
		})
	}
}
