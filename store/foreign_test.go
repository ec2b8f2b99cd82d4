package store_test

import (
	"strings"
	"testing"

	"berth/domain"
	"berth/store"
)

func testForeignVMIDs(t *testing.T, e *env) {
	s := e.site(t, "demo")
	cl := domain.Cluster{Name: "alpha", VMIDFirst: 500, VMIDLast: 503}
	must(t, e.CreateCluster(e.ctx, &cl))
	n := e.node(t, cl, s, "pve1", "")
	place := func(name string) int {
		t.Helper()
		got, err := e.Place(e.ctx, store.PlaceRequest{Container: e.container(t, s, name), Candidates: []string{n.ID}})
		must(t, err)
		return got.VMID
	}
	must(t, e.ObserveVMIDs(e.ctx, cl.ID, []int{100, 500, 502}))
	same(t, "VMID beside a foreign one", place("a"), 501)
	must(t, e.ObserveVMIDs(e.ctx, cl.ID, []int{500, 501})) // 501 is ours
	same(t, "VMID once a foreign one is gone", place("b"), 502)
	must(t, e.ObserveVMIDs(e.ctx, cl.ID, nil))
	same(t, "VMID once all foreign ones are gone", place("c"), 500)
	wantKind(t, e.ObserveVMIDs(e.ctx, "nowhere", nil), domain.NotFound)
}

func testNodesWithImage(t *testing.T, e *env) {
	s := e.site(t, "demo")
	cl := e.cluster(t, "alpha")
	one, two := e.node(t, cl, s, "pve1", ""), e.node(t, cl, s, "pve2", "")
	for name, on := range map[string]domain.Node{"a": one, "b": one, "c": two} {
		c := e.container(t, s, name)
		_, err := e.Place(e.ctx, store.PlaceRequest{Container: c, Candidates: []string{on.ID}})
		must(t, err)
		must(t, e.ModifyContainer(e.ctx, c.ID, func(c *domain.Container) error {
			c.Spec.Image = "registry.example/web:1"
			if name != "c" { // whose image is still on its way
				c.Digest = "sha256:0123"
			}
			return nil
		}))
	}
	got, err := e.NodesWithImage(e.ctx, s.ID, "registry.example/web:1")
	must(t, err)
	same(t, "nodes with the image", strings.Join(got, " "), one.ID)
	got, err = e.NodesWithImage(e.ctx, s.ID, "registry.example/web:2")
	must(t, err)
	same(t, "nodes with another image", len(got), 0)
}
