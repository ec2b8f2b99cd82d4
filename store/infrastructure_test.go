package store_test

import (
	"testing"
	"time"

	"berth/domain"
	"berth/store"

	"github.com/google/go-cmp/cmp"
)

func testClusters(t *testing.T, e *env) {
	c := e.cluster(t, "alpha")
	got, err := e.ClusterByName(e.ctx, "alpha")
	must(t, err)
	if d := cmp.Diff(c, got); d != "" {
		t.Fatalf("cluster as read (-written +read):\n%s", d)
	}
	same(t, "token", got.Token.Reveal(), "s3cret-alpha")

	stale := got
	got.Realm = "pve"
	must(t, e.UpdateCluster(e.ctx, &got))
	same(t, "version", got.Version, 2)
	wantKind(t, e.UpdateCluster(e.ctx, &stale), domain.Precondition)
	stale.ID = domain.NewID()
	wantKind(t, e.UpdateCluster(e.ctx, &stale), domain.NotFound)

	must(t, e.ObserveCluster(e.ctx, c.ID, store.ClusterObservation{State: domain.ClusterReady, PVE: "9.1.2", Quorate: true, Seen: true}))
	list, next, err := e.Clusters(e.ctx, store.Page{})
	must(t, err)
	same(t, "next", next, "")
	same(t, "state", list[0].State, domain.ClusterReady)
	same(t, "version after an observation", list[0].Version, 2)
	same(t, "realm", list[0].Realm, "pve")

	s := e.site(t, "demo")
	n := e.node(t, c, s, "pve1", "")
	wantKind(t, e.DeleteCluster(e.ctx, c.ID), domain.Conflict)
	must(t, e.DeleteNode(e.ctx, n.ID))
	must(t, e.DeleteCluster(e.ctx, c.ID))
	_, err = e.Cluster(e.ctx, c.ID)
	wantKind(t, err, domain.NotFound)
	wantKind(t, e.DeleteCluster(e.ctx, c.ID), domain.NotFound)
}

func testSites(t *testing.T, e *env) {
	s := e.site(t, "demo")
	got, err := e.SiteByName(e.ctx, "demo")
	must(t, err)
	if d := cmp.Diff(s, got); d != "" {
		t.Fatalf("site as read (-written +read):\n%s", d)
	}
	same(t, "lease time", got.LeaseTime, domain.DefaultLeaseTime)

	stale := got
	got.Nameservers = []string{"198.18.0.2"}
	must(t, e.UpdateSite(e.ctx, &got))
	same(t, "desired", got.Desired, 2)
	same(t, "published", got.Published, 1)
	wantKind(t, e.UpdateSite(e.ctx, &stale), domain.Precondition)

	revision, err := e.BumpSite(e.ctx, s.ID)
	must(t, err)
	same(t, "bumped revision", revision, 3)
	revision, err = e.PublishSite(e.ctx, s.ID)
	must(t, err)
	same(t, "published revision", revision, 3)
	got, err = e.Site(e.ctx, s.ID)
	must(t, err)
	same(t, "published", got.Published, 3)
	same(t, "version after bumps", got.Version, 2)
	_, err = e.BumpSite(e.ctx, "nowhere")
	wantKind(t, err, domain.NotFound)

	c := e.container(t, s, "web01")
	wantKind(t, e.DeleteSite(e.ctx, s.ID), domain.Conflict)
	must(t, e.DeleteContainer(e.ctx, c.ID))
	must(t, e.DeleteSite(e.ctx, s.ID))
	_, err = e.Site(e.ctx, s.ID)
	wantKind(t, err, domain.NotFound)
}

func testNodes(t *testing.T, e *env) {
	c, s := e.cluster(t, "alpha"), e.site(t, "demo")
	n := e.node(t, c, s, "pve1", "198.18.0.5")
	same(t, "slots", n.Slots, domain.DefaultSlots)
	got, err := e.Node(e.ctx, n.ID)
	must(t, err)
	if d := cmp.Diff(n, got); d != "" {
		t.Fatalf("node as read (-written +read):\n%s", d)
	}
	desired := func() int64 {
		site, err := e.Site(e.ctx, s.ID)
		must(t, err)
		return site.Desired
	}
	same(t, "desired after a node with address", desired(), 2)

	must(t, e.ObserveNode(e.ctx, n.ID, store.NodeObservation{State: domain.NodeOnline, Cores: 8, MemoryTotal: 1 << 34, CPU: 0.25}))
	must(t, e.ObserveNode(e.ctx, n.ID, store.NodeObservation{State: domain.NodeOffline, Message: "no answer"}))
	got.Maintenance, got.Address, got.Cores = true, "198.18.0.6", 99
	must(t, e.UpdateNode(e.ctx, &got))
	same(t, "state after update", got.State, domain.NodeOffline)
	same(t, "cores after update", got.Cores, 8)
	same(t, "memory kept while offline", got.MemoryTotal, 1<<34)
	same(t, "desired after renumbering", desired(), 3)
	wantKind(t, e.UpdateNode(e.ctx, &n), domain.Precondition)
	must(t, e.UpdateNode(e.ctx, &got))
	same(t, "desired after an update that keeps the address", desired(), 3)

	other := e.site(t, "other")
	beta := e.cluster(t, "beta")
	e.node(t, beta, other, "pve1", "")
	_, err = e.NodeByName(e.ctx, "", "pve1")
	wantKind(t, err, domain.Conflict)
	byName, err := e.NodeByName(e.ctx, s.ID, "pve1")
	must(t, err)
	same(t, "node by name", byName.ID, n.ID)
	list, _, err := e.Nodes(e.ctx, store.NodeFilter{ClusterID: beta.ID}, store.Page{})
	must(t, err)
	same(t, "nodes of beta", len(list), 1)

	got.Name = "pve1b"
	must(t, e.UpdateNode(e.ctx, &got))
	same(t, "desired after renaming a node with address", desired(), 4)
	got.Name = "pve1"
	must(t, e.UpdateNode(e.ctx, &got))
	web := e.container(t, s, "web")
	must(t, e.Reserve(e.ctx, s, &web))
	clash := domain.Node{Name: "web", ClusterID: c.ID, SiteID: s.ID, Address: "198.18.0.8"}
	err = e.CreateNode(e.ctx, &clash)
	wantKind(t, err, domain.Conflict)
	same(t, "offending field", fieldOf(err), "name")
	wantKind(t, e.CreateEdge(e.ctx, &domain.Edge{Name: "web", SiteID: s.ID}), domain.Conflict)

	taken := domain.Node{Name: "pve9", ClusterID: c.ID, SiteID: s.ID, Address: "198.18.0.6"}
	wantKind(t, e.CreateNode(e.ctx, &taken), domain.Conflict)

	ct := e.container(t, s, "web01")
	_, err = e.PlaceAs(e.ctx, ct, n.ID, 100, "found there")
	must(t, err)
	wantKind(t, e.DeleteNode(e.ctx, n.ID), domain.Conflict)
	must(t, e.QuarantinePlacement(e.ctx, ct.ID, "op-1", "the node is gone"))
	must(t, e.DeleteNode(e.ctx, n.ID))
}

func testEdges(t *testing.T, e *env) {
	s := e.site(t, "demo")
	edge := domain.Edge{Name: "edge1", SiteID: s.ID}
	must(t, e.CreateEdge(e.ctx, &edge))
	token := domain.Token{Name: "edge1", Scopes: []domain.Scope{domain.ScopeEdge}, EdgeID: edge.ID}
	must(t, e.CreateToken(e.ctx, &token, "hash-1"))
	got, err := e.EdgeByName(e.ctx, "", "edge1")
	must(t, err)
	same(t, "state", got.State, domain.EdgeEnrolled)

	last := func() int64 {
		seq, err := e.LastChange(e.ctx)
		must(t, err)
		return seq
	}
	report := domain.EdgeReport{
		Address: "198.18.0.3", Applied: 1, Fetched: 1, Versions: map[string]string{"dnsmasq": "2.90"},
		Leases: []domain.Lease{{Address: "198.18.0.9", MAC: "bc:24:11:00:00:01", Expires: e.clock.Now().UTC()}},
	}
	must(t, e.ReportEdge(e.ctx, edge.ID, report))
	got, err = e.Edge(e.ctx, edge.ID)
	must(t, err)
	same(t, "state after a report", got.State, domain.EdgeOnline)
	same(t, "applied", got.Applied, 1)
	same(t, "leases", len(got.Leases), 1)
	same(t, "dnsmasq", got.Versions["dnsmasq"], "2.90")
	site, err := e.Site(e.ctx, s.ID)
	must(t, err)
	same(t, "desired after an edge and its address", site.Desired, 3)

	before := last()
	must(t, e.ReportEdge(e.ctx, edge.ID, report))
	same(t, "changes by a report without news", last()-before, 0)
	report.Message = "nginx: bad certificate"
	must(t, e.ReportEdge(e.ctx, edge.ID, report))
	same(t, "changes by a report with news", last()-before, 1)

	e.clock.advance(domain.EdgeTimeout + time.Second)
	got, err = e.Edge(e.ctx, edge.ID)
	must(t, err)
	same(t, "state after silence", got.State, domain.EdgeOffline)

	must(t, e.RetireEdge(e.ctx, edge.ID))
	must(t, e.RetireEdge(e.ctx, edge.ID))
	got, err = e.Edge(e.ctx, edge.ID)
	must(t, err)
	same(t, "state after retirement", got.State, domain.EdgeRetired)
	same(t, "leases after retirement", len(got.Leases), 0)
	wantKind(t, e.ReportEdge(e.ctx, edge.ID, report), domain.Forbidden)
	_, err = e.TokenByHash(e.ctx, "hash-1")
	wantKind(t, err, domain.NotFound)

	got.Name = "edge-old"
	must(t, e.UpdateEdge(e.ctx, &got))
	same(t, "name", got.Name, "edge-old")
	list, _, err := e.Edges(e.ctx, s.ID, store.Page{})
	must(t, err)
	same(t, "edges", len(list), 1)
	must(t, e.DeleteEdge(e.ctx, edge.ID))
	wantKind(t, e.DeleteEdge(e.ctx, edge.ID), domain.NotFound)
}

func testRevisionServed(t *testing.T, e *env) {
	s := e.site(t, "demo")
	served := func(revision int64, live, releasable bool, waiting ...string) {
		t.Helper()
		gotLive, gotReleasable, gotWaiting, err := e.RevisionServed(e.ctx, s.ID, revision)
		must(t, err)
		same(t, "live", gotLive, live)
		same(t, "releasable", gotReleasable, releasable)
		if d := cmp.Diff(waiting, gotWaiting); d != "" {
			t.Fatalf("waiting (-want +got):\n%s", d)
		}
	}
	served(5, false, true)
	edges := map[string]domain.Edge{}
	for _, name := range []string{"a", "b"} {
		edge := domain.Edge{Name: name, SiteID: s.ID}
		must(t, e.CreateEdge(e.ctx, &edge))
		edges[name] = edge
	}
	report := func(name string, applied int64) {
		must(t, e.ReportEdge(e.ctx, edges[name].ID, domain.EdgeReport{Applied: applied}))
	}
	served(5, false, false, "a", "b")
	report("a", 5)
	served(5, true, false, "b") // b was never seen: live without it, but what it may serve cannot be released
	report("b", 4)
	served(5, false, false, "b")
	report("b", 5)
	served(5, true, true)
	report("b", 4)
	e.clock.advance(domain.EdgeTimeout + time.Second)
	served(5, false, false, "b") // none is online
	report("a", 5)
	served(5, true, false, "b")
	must(t, e.RetireEdge(e.ctx, edges["b"].ID))
	served(5, true, true)
}
