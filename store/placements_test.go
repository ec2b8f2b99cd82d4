package store_test

import (
	"fmt"
	"testing"

	"berth/domain"
	"berth/store"
)

func testPlace(t *testing.T, e *env) {
	s := e.site(t, "demo")
	cl := domain.Cluster{Name: "alpha", VMIDFirst: 500, VMIDLast: 503}
	must(t, e.CreateCluster(e.ctx, &cl))
	n1, n2 := e.node(t, cl, s, "pve1", ""), e.node(t, cl, s, "pve2", "")
	place := func(c domain.Container, limits map[string]domain.Usage, avoid ...int) (domain.Placement, error) {
		return e.Place(e.ctx, store.PlaceRequest{
			Container: c, Candidates: []string{"gone", n1.ID, n2.ID}, Reasons: map[string]string{n1.ID: "most memory"},
			Limits: limits, AvoidVMIDs: avoid,
		})
	}
	a, b, c, d := e.container(t, s, "a"), e.container(t, s, "b"), e.container(t, s, "c"), e.container(t, s, "d")
	got, err := place(a, nil)
	must(t, err)
	want := domain.Placement{ClusterID: cl.ID, NodeID: n1.ID, Node: "pve1", VMID: 500, Reason: "most memory"}
	same(t, "placement", got, want)
	got, err = place(a, nil)
	must(t, err)
	same(t, "placement when placed twice", got, want)
	got, err = place(b, map[string]domain.Usage{n1.ID: {MemoryMiB: 1000}}, 501)
	must(t, err)
	same(t, "node when the first is full", got.Node, "pve2")
	same(t, "VMID when one is to be avoided", got.VMID, 502)
	_, err = place(c, map[string]domain.Usage{n1.ID: {DiskGiB: 7}, n2.ID: {Containers: 1}})
	wantKind(t, err, domain.Limited)

	must(t, e.QuarantinePlacement(e.ctx, a.ID, "op-1", "a leftover lock: create"))
	_, err = e.PlacementOf(e.ctx, a.ID)
	wantKind(t, err, domain.NotFound)
	got, err = place(a, nil)
	must(t, err)
	same(t, "VMID beside a quarantined one", got.VMID, 501)
	_, err = place(c, nil)
	must(t, err) // 503
	_, err = place(d, nil)
	wantKind(t, err, domain.Limited)
	_, err = e.PlaceAs(e.ctx, a, n1.ID, 501, "the same again")
	must(t, err)
	_, err = e.PlaceAs(e.ctx, a, n1.ID, 600, "elsewhere")
	wantKind(t, err, domain.Conflict)
	_, err = e.PlaceAs(e.ctx, d, n1.ID, 500, "imported")
	wantKind(t, err, domain.Conflict)
	same(t, "offending field", fieldOf(err), "vmid")

	list, err := e.Placements(e.ctx, store.PlacementFilter{ClusterID: cl.ID})
	must(t, err)
	same(t, "placements", len(list), 4)
	same(t, "state of the first", list[0].State, store.Quarantined)
	used, err := e.Reserved(e.ctx, n1.ID)
	must(t, err)
	same(t, "reserved on pve1", used, domain.Usage{Containers: 3, Cores: 3, MemoryMiB: 1536, DiskGiB: 12})

	must(t, e.MovePlacement(e.ctx, b.ID, n1.ID, "moved by hand"))
	got, err = e.PlacementOf(e.ctx, b.ID)
	must(t, err)
	same(t, "node after the move", got.Node, "pve1")
	must(t, e.Unplace(e.ctx, b.ID))
	must(t, e.Unplace(e.ctx, b.ID))
	must(t, e.FreeQuarantine(e.ctx, "op-1"))
	wantKind(t, e.FreeQuarantine(e.ctx, "op-1"), domain.NotFound)
	got, err = place(d, nil)
	must(t, err)
	same(t, "VMID after the quarantine", got.VMID, 500)

	n1.Maintenance = true
	must(t, e.UpdateNode(e.ctx, &n1))
	got, err = place(b, nil)
	must(t, err)
	same(t, "node beside one in maintenance", got.Node, "pve2")
}

func testPlaceConcurrently(t *testing.T, e *env) {
	const n = 60
	s, cl := e.site(t, "demo"), e.cluster(t, "alpha")
	n1, n2 := e.node(t, cl, s, "pve1", ""), e.node(t, cl, s, "pve2", "")
	limits := map[string]domain.Usage{n1.ID: {MemoryMiB: 20 * 512}, n2.ID: {MemoryMiB: 30 * 512}}
	other := e.second(t)
	vmids := make([]int, n)
	errs := together(n, func(i int) error {
		at := e.Store
		if i%2 == 1 {
			at = other
		}
		c := domain.Container{ID: domain.NewID(), Name: fmt.Sprint(i), Spec: domain.Spec{MemoryMiB: 512}}
		p, err := at.Place(e.ctx, store.PlaceRequest{Container: c, Candidates: []string{n1.ID, n2.ID}, Limits: limits})
		vmids[i] = p.VMID
		return err
	})
	distinct, refused := map[int]bool{}, 0
	for i, err := range errs {
		if domain.Is(err, domain.Limited) {
			refused++
			continue
		}
		must(t, err)
		distinct[vmids[i]] = true
	}
	same(t, "distinct VMIDs", len(distinct), 50)
	same(t, "refused", refused, 10)
	for id, limit := range limits {
		used, err := e.Reserved(e.ctx, id)
		must(t, err)
		same(t, "memory on a full node", used.MemoryMiB, limit.MemoryMiB)
	}
}
