package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"berth/domain"
	"berth/store"

	"github.com/google/go-cmp/cmp"
)

func testContainers(t *testing.T, e *env) {
	s, cl := e.site(t, "demo"), e.cluster(t, "alpha")
	n := e.node(t, cl, s, "pve1", "")
	c := e.container(t, s, "web01")
	must(t, e.Reserve(e.ctx, s, &c))
	placed, err := e.Place(e.ctx, store.PlaceRequest{Container: c, Candidates: []string{n.ID}, Reasons: map[string]string{n.ID: "most memory"}})
	must(t, err)
	c.Placement = placed
	got, err := e.Container(e.ctx, c.ID)
	must(t, err)
	if d := cmp.Diff(c, got); d != "" {
		t.Fatalf("container as read (-written +read):\n%s", d)
	}
	same(t, "node's name", got.Placement.Node, "pve1")

	stale := got
	got.Spec.MemoryMiB, got.Spec.Env = 1024, map[string]string{"A": "1"}
	must(t, e.UpdateContainer(e.ctx, &got))
	wantKind(t, e.UpdateContainer(e.ctx, &stale), domain.Precondition)
	used, err := e.Reserved(e.ctx, n.ID)
	must(t, err)
	same(t, "memory reserved on the node", used, domain.Usage{Containers: 1, Cores: 1, MemoryMiB: 1024, DiskGiB: 4})

	list, _, err := e.Containers(e.ctx, store.ContainerFilter{NodeID: n.ID}, store.Page{})
	must(t, err)
	if d := cmp.Diff(map[string]string{"A": ""}, list[0].Spec.Env); d != "" {
		t.Fatalf("environment in a list (-want +got):\n%s", d)
	}

	must(t, e.ModifyContainer(e.ctx, c.ID, func(c *domain.Container) error {
		c.State = domain.ContainerReady
		return nil
	}))
	must(t, e.ObservePower(e.ctx, c.ID, domain.PowerRunning))
	got, err = e.Container(e.ctx, c.ID)
	must(t, err)
	same(t, "state", got.State, domain.ContainerReady)
	same(t, "power", got.Power, domain.PowerRunning)
	same(t, "version", got.Version, 3)
	same(t, "value kept by Modify", got.Spec.Env["A"], "1")
	refused := errors.New("refused")
	err = e.ModifyContainer(e.ctx, c.ID, func(c *domain.Container) error {
		c.State = domain.ContainerFailed
		return refused
	})
	if !errors.Is(err, refused) {
		t.Fatalf("ModifyContainer returned %v", err)
	}
	got, err = e.Container(e.ctx, c.ID)
	must(t, err)
	same(t, "state after a refused change", got.State, domain.ContainerReady)
	wantKind(t, e.ModifyContainer(e.ctx, "none", func(*domain.Container) error { return nil }), domain.NotFound)

	wantKind(t, e.DeleteContainer(e.ctx, c.ID), domain.Conflict)
	must(t, e.Unplace(e.ctx, c.ID))
	_, _, err = e.Release(e.ctx, c.ID)
	must(t, err)
	must(t, e.DeleteContainer(e.ctx, c.ID))
	_, err = e.Container(e.ctx, c.ID)
	wantKind(t, err, domain.NotFound)

	// modifications made together all count
	d := e.container(t, s, "web02")
	for _, err := range together(20, func(int) error {
		return e.ModifyContainer(e.ctx, d.ID, func(c *domain.Container) error { c.Spec.Cores++; return nil })
	}) {
		must(t, err)
	}
	got, err = e.Container(e.ctx, d.ID)
	must(t, err)
	same(t, "cores after 20 increments", got.Spec.Cores, 21)
}

func testContainerNames(t *testing.T, e *env) {
	a, b := e.site(t, "site-a"), e.site(t, "site-b")
	failed := e.container(t, a, "web01")
	holder := e.container(t, a, "web01")
	must(t, e.Reserve(e.ctx, a, &holder))
	e.container(t, a, "web01") // newer, but without the name
	got, err := e.ContainerByName(e.ctx, "", "web01")
	must(t, err)
	same(t, "container by name", got.ID, holder.ID)
	e.container(t, b, "web01")
	_, err = e.ContainerByName(e.ctx, "", "web01")
	wantKind(t, err, domain.Conflict)
	if !strings.Contains(err.Error(), "site-a/web01, site-b/web01") {
		t.Fatalf("the error does not list the matches: %v", err)
	}
	got, err = e.ContainerByName(e.ctx, a.ID, "web01")
	must(t, err)
	same(t, "container by site and name", got.ID, holder.ID)
	_, err = e.ContainerByName(e.ctx, a.ID, "web02")
	wantKind(t, err, domain.NotFound)
	must(t, e.DeleteContainer(e.ctx, failed.ID))
}

func testContainerPages(t *testing.T, e *env) {
	s := e.site(t, "demo")
	want := map[string]bool{}
	for i := range 25 {
		c := e.container(t, s, fmt.Sprintf("web%02d", i))
		want[c.ID] = true
	}
	e.container(t, s, "Web99")
	e.container(t, s, "db")
	page, before := store.Page{Limit: 10}, ""
	sizes := []int{}
	for {
		list, next, err := e.Containers(e.ctx, store.ContainerFilter{SiteID: s.ID, Name: "web"}, page)
		must(t, err)
		sizes = append(sizes, len(list))
		for _, c := range list {
			if c.ID <= before || !want[c.ID] {
				t.Fatalf("container %s %s is out of order or was not asked for", c.ID, c.Name)
			}
			before = c.ID
			delete(want, c.ID)
		}
		if next == "" {
			break
		}
		page.Cursor = next
	}
	if d := cmp.Diff([]int{10, 10, 5}, sizes); d != "" || len(want) > 0 {
		t.Fatalf("sizes of pages (-want +got):\n%s\nmissing: %v", d, want)
	}
	_, _, err := e.Containers(e.ctx, store.ContainerFilter{}, store.Page{Cursor: "?"})
	wantKind(t, err, domain.Invalid)
	all, err := store.All(func(p store.Page) ([]domain.Container, string, error) {
		p.Limit = 7
		return e.Containers(e.ctx, store.ContainerFilter{Owner: "anna"}, p)
	})
	must(t, err)
	same(t, "all containers", len(all), 27)
}

func testSnapshot(t *testing.T, e *env) {
	s, c := e.site(t, "demo"), e.cluster(t, "alpha")
	e.node(t, c, s, "pve1", "198.18.0.5")
	e.node(t, c, s, "pve0", "")
	edge := domain.Edge{Name: "edge1", SiteID: s.ID}
	must(t, e.CreateEdge(e.ctx, &edge))
	must(t, e.ReportEdge(e.ctx, edge.ID, domain.EdgeReport{Address: "198.18.0.3"}))
	web, gone := e.container(t, s, "web01"), e.container(t, s, "gone")
	must(t, e.Reserve(e.ctx, s, &web))
	must(t, e.Reserve(e.ctx, s, &gone))
	revision, held, err := e.Release(e.ctx, gone.ID)
	must(t, err)
	same(t, "held", held, true)
	snap, err := e.Snapshot(e.ctx, s.ID)
	must(t, err)
	want := domain.Snapshot{
		SiteID: s.ID, Site: "demo", Revision: revision, Domain: "demo.internal", CIDR: s.CIDR, Gateway: s.Gateway,
		RangeFirst: s.RangeFirst, RangeLast: s.RangeLast, Forwarders: s.Forwarders, LeaseSeconds: 12 * 3600,
		Hosts: []domain.Host{{ID: web.ID, Hostname: "web01", MAC: web.MAC, Address: "198.18.0.2"}},
		Edges: []string{"198.18.0.3"},
		Names: []domain.HostName{{Name: "edge1", Address: "198.18.0.3"}, {Name: "pve1", Address: "198.18.0.5"}},
	}
	if d := cmp.Diff(want, snap); d != "" {
		t.Fatalf("snapshot (-want +got):\n%s", d)
	}
	_, err = e.Snapshot(e.ctx, "nowhere")
	wantKind(t, err, domain.NotFound)

	// A snapshot taken while reservations come never shows a revision without its host. Each raises the revision by one.
	base := snap.Revision
	done := make(chan []error, 1)
	go func() {
		done <- together(20, func(i int) error {
			c := domain.Container{ID: domain.NewID(), Name: fmt.Sprintf("n%d", i), SiteID: s.ID}
			return e.Reserve(e.ctx, s, &c)
		})
	}()
	for {
		snap, err := e.Snapshot(e.ctx, s.ID)
		must(t, err)
		same(t, "hosts beyond the first, at this revision", int64(len(snap.Hosts)-1), snap.Revision-base)
		if len(snap.Hosts) == 21 {
			break
		}
	}
	for _, err := range <-done {
		must(t, err)
	}
}
