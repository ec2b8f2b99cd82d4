package store_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
	"berth/store"
)

func testFigures(t *testing.T, e *env) {
	got, err := e.Figures(e.ctx)
	must(t, err)
	nothing := store.Figures{
		Containers: []store.Counted{}, Operations: []store.Counted{}, Clusters: []store.Counted{}, Services: []store.Counted{},
		Certificates: []store.Counted{},
		Nodes:        []store.NodeFigures{}, Sites: []store.SiteFigures{},
	}
	if diff := cmp.Diff(nothing, got); diff != "" {
		t.Fatalf("of an empty database (-want +got):\n%s", diff)
	}
	site, cluster := e.site(t, "demo"), e.cluster(t, "alpha")
	node := e.node(t, cluster, site, "pve1", "")
	edge := domain.Edge{Name: "edge1", SiteID: site.ID}
	must(t, e.CreateEdge(e.ctx, &edge))
	must(t, e.ReportEdge(e.ctx, edge.ID, domain.EdgeReport{Fetched: 2, Applied: 1, Reloads: 4}))
	_, err = e.BumpSite(e.ctx, site.ID)
	must(t, err)
	_, err = e.AcquireSlot(e.ctx, node.ID, 2, "holder", time.Minute)
	must(t, err)
	must(t, e.BreakerFail(e.ctx, node.ID, 1, time.Minute))
	a, b := e.container(t, site, "a"), e.container(t, site, "b")
	for _, c := range []domain.Container{a, b} {
		ended := domain.Operation{Kind: domain.OpDelete, Resource: "container", ResourceID: c.ID, State: domain.OpNeedsAttention, Actor: "test"}
		must(t, e.CreateOperation(e.ctx, &ended))
	}
	e.clock.advance(time.Second)
	later := domain.Operation{Kind: domain.OpPower, Resource: "container", ResourceID: b.ID, State: domain.OpPending, Actor: "test"}
	must(t, e.CreateOperation(e.ctx, &later))
	must(t, e.Reserve(e.ctx, site, &a))
	must(t, e.QuarantineAddress(e.ctx, a.ID, later.ID, "its node died"))
	e.clock.advance(5 * time.Second)
	_, _, err = e.ChangeServices(e.ctx, b, []domain.Service{http("b.example.org", 80), tcp(0, 22)}, nil)
	must(t, err)
	for _, days := range []int{90, 30, 60} {
		c := domain.Certificate{Names: []string{"b.example.org"}, Source: domain.CertificateUploaded, NotAfter: e.clock.Now().AddDate(0, 0, days)}
		must(t, e.CreateCertificate(e.ctx, &c))
	}

	must(t, e.CreateCertificate(e.ctx, &domain.Certificate{Names: []string{"c.example.org"}, Source: domain.CertificateACME, State: domain.CertificateFailing}))

	got, err = e.Figures(e.ctx)
	must(t, err)
	now, err := e.Site(e.ctx, site.ID)
	must(t, err)
	want := store.Figures{
		Containers:   []store.Counted{{One: string(a.State), Two: string(a.Power), N: 2}},
		Operations:   []store.Counted{{One: "power", Two: "pending", N: 1}},
		Services:     []store.Counted{{One: "http", Two: "requested", N: 1}, {One: "tcp", Two: "requested", N: 1}},
		Certificates: []store.Counted{{One: "acme", Two: "failing", N: 1}, {One: "uploaded", Two: "issued", N: 3}},
		FirstExpiry:  e.clock.Now().AddDate(0, 0, 30).UTC().Truncate(time.Microsecond),
		Attention:    1, Addresses: 1, OldestWaiter: 5 * time.Second,
		Clusters: []store.Counted{{One: string(cluster.State), Two: string(cluster.State), N: 1}},
		Nodes: []store.NodeFigures{{
			Node: "pve1", Cluster: "alpha", State: node.State, Slots: domain.DefaultSlots, Taken: 1, BreakerOpen: true,
			MemoryFree: node.MemoryFree, DiskFree: node.DiskFree,
		}},
		Sites: []store.SiteFigures{{
			Site: "demo", Desired: now.Desired, Published: now.Published,
			Edges: []store.EdgeFigures{{Edge: "edge1", Online: true, Fetched: 2, Applied: 1, Reloads: 4}},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	e.clock.advance(2 * time.Minute)
	got, err = e.Figures(e.ctx)
	must(t, err)
	if n := got.Nodes[0]; n.Taken != 0 || n.BreakerOpen {
		t.Errorf("slot and breaker are over, and the figures are %+v", n)
	}
	if got.Sites[0].Edges[0].Online {
		t.Error("an edge that was not seen for minutes is online")
	}
}
