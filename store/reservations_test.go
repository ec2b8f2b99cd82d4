package store_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/store"
)

func testReserveConcurrently(t *testing.T, e *env) {
	const n = 200
	s, cl := e.site(t, "demo"), e.cluster(t, "alpha")
	e.node(t, cl, s, "pve1", "198.18.0.7")
	other := e.second(t)
	containers := make([]domain.Container, n)
	// Half of the requests come by another connection pool, as from another process.
	errs := together(n, func(i int) error {
		at := e.Store
		if i%2 == 1 {
			at = other
		}
		c := &containers[i]
		*c = domain.Container{Name: fmt.Sprintf("web%03d", i), SiteID: s.ID, Owner: "anna"}
		return at.Transact(e.ctx, func(tx *store.Store) error {
			if err := tx.CheckQuota(e.ctx, c.Owner, c.Spec); err != nil {
				return err
			}
			if err := tx.CreateContainer(e.ctx, c); err != nil {
				return err
			}
			return tx.Reserve(e.ctx, s, c)
		})
	})
	addresses, macs := map[string]bool{}, map[string]bool{}
	for i, err := range errs {
		must(t, err)
		addresses[containers[i].Address], macs[containers[i].MAC] = true, true
	}
	same(t, "distinct addresses", len(addresses), n)
	same(t, "distinct MACs", len(macs), n)
	// The lowest 200 but gateway (.1) and node (.7): .2 to .202
	for a := netip.MustParseAddr("198.18.0.2"); a.String() != "198.18.0.203"; a = a.Next() {
		if addresses[a.String()] == (a.String() == "198.18.0.7") {
			t.Fatalf("address %s: reserved is %v", a, addresses[a.String()])
		}
	}
	site, err := e.Site(e.ctx, s.ID)
	must(t, err)
	same(t, "desired revision", site.Desired, 2+n) // the first, and one by the node
	held, err := e.Reservations(e.ctx, s.ID)
	must(t, err)
	same(t, "reservations", len(held), n)
}

func testReserveRules(t *testing.T, e *env) {
	s := domain.Site{
		Name: "tiny", Domain: "tiny.internal", CIDR: "198.18.9.0/28", Gateway: "198.18.9.1", RangeFirst: "198.18.9.1",
		RangeLast: "198.18.9.8", DynamicFirst: "198.18.9.6", DynamicLast: "198.18.9.7", Nameservers: []string{"198.18.9.8"},
	}
	must(t, e.CreateSite(e.ctx, &s))
	cl := e.cluster(t, "alpha")
	e.node(t, cl, s, "pve1", "198.18.9.3")
	edge := domain.Edge{Name: "edge1", SiteID: s.ID, Address: "198.18.9.4"}
	must(t, e.CreateEdge(e.ctx, &edge))

	a := e.container(t, s, "a")
	must(t, e.Reserve(e.ctx, s, &a))
	same(t, "first free address", a.Address, "198.18.9.2")
	if !regexp.MustCompile(`^bc:24:11(:[0-9a-f]{2}){3}$`).MatchString(a.MAC) {
		t.Fatalf("MAC is %q", a.MAC)
	}
	again := a
	must(t, e.Reserve(e.ctx, s, &again))
	same(t, "address when reserved twice", again.Address, a.Address)

	for _, name := range []string{"a", "pve1", "edge1"} {
		c := e.container(t, s, name)
		err := e.Reserve(e.ctx, s, &c)
		wantKind(t, err, domain.Conflict)
		same(t, "offending field", fieldOf(err), "name")
	}

	b := e.container(t, s, "b")
	must(t, e.Reserve(e.ctx, s, &b))
	same(t, "second free address", b.Address, "198.18.9.5") // .3 node, .4 edge
	full := e.container(t, s, "full")
	err := e.Reserve(e.ctx, s, &full) // .6 and .7 dynamic, .8 name server
	wantKind(t, err, domain.Limited)
	if !strings.Contains(err.Error(), "198.18.9.8") {
		t.Fatalf("the error does not name the range: %v", err)
	}

	imported := e.container(t, s, "imported")
	wantKind(t, e.ReserveAs(e.ctx, s, &imported, b.Address, "bc:24:11:00:00:01"), domain.Conflict)
	wantKind(t, e.ReserveAs(e.ctx, s, &imported, "198.18.9.1", "bc:24:11:00:00:01"), domain.Conflict)
	err = e.ReserveAs(e.ctx, s, &imported, "198.18.9.12", b.MAC)
	wantKind(t, err, domain.Conflict)
	same(t, "offending field", fieldOf(err), "mac")
	for range 2 { // an activity may run twice
		must(t, e.ReserveAs(e.ctx, s, &imported, "198.18.9.12", "bc:24:11:00:00:01"))
	}
	wantKind(t, e.ReserveAs(e.ctx, s, &imported, "198.18.9.13", "bc:24:11:00:00:01"), domain.Conflict)
	renamed := imported
	renamed.Name = "another"
	wantKind(t, e.Reserve(e.ctx, s, &renamed), domain.Conflict)

	_, err = e.RenameReservation(e.ctx, b.ID, "a")
	wantKind(t, err, domain.Conflict)
	before, err := e.Site(e.ctx, s.ID)
	must(t, err)
	revision, err := e.RenameReservation(e.ctx, b.ID, "b2")
	must(t, err)
	same(t, "revision after renaming", revision, before.Desired+1)
	_, err = e.RenameReservation(e.ctx, full.ID, "x")
	wantKind(t, err, domain.NotFound)
	taken := domain.Node{Name: "pve2", ClusterID: cl.ID, SiteID: s.ID, Address: a.Address}
	wantKind(t, e.CreateNode(e.ctx, &taken), domain.Conflict)
}

func testRelease(t *testing.T, e *env) {
	s := e.site(t, "demo")
	a := e.container(t, s, "a")
	must(t, e.Reserve(e.ctx, s, &a))
	revision, held, err := e.Release(e.ctx, a.ID)
	must(t, err)
	same(t, "held", held, true)
	again, held, err := e.Release(e.ctx, a.ID)
	must(t, err)
	same(t, "held the second time", held, false)
	same(t, "revision the second time", again, revision)
	list, err := e.Releasing(e.ctx)
	must(t, err)
	same(t, "releasing", len(list), 1)
	same(t, "release revision", list[0].ReleaseRevision, revision)
	got, err := e.Container(e.ctx, a.ID)
	must(t, err)
	same(t, "address while releasing", got.Address, "")

	b := e.container(t, s, "b")
	must(t, e.Reserve(e.ctx, s, &b))
	if b.Address == a.Address {
		t.Fatal("an address was given away while edges may still serve it")
	}
	c := e.container(t, s, "a")
	wantKind(t, e.Reserve(e.ctx, s, &c), domain.Conflict)

	retry := a // a retried container takes up what it was giving back
	must(t, e.Reserve(e.ctx, s, &retry))
	same(t, "address of the retried", retry.Address, a.Address)
	must(t, e.DropReleased(e.ctx, a.ID, 1<<40)) // nothing is releasing any more
	got, err = e.Container(e.ctx, a.ID)
	must(t, err)
	same(t, "address after the retry", got.Address, a.Address)

	_, _, err = e.Release(e.ctx, a.ID)
	must(t, err)
	must(t, e.DropReleased(e.ctx, a.ID, 1<<40))
	must(t, e.Reserve(e.ctx, s, &c))
	if c.Address == a.Address {
		t.Fatal("an address was given away again while others were never used")
	}
	revision, held, err = e.Release(e.ctx, a.ID)
	must(t, err)
	same(t, "held after it was dropped", held, false)
	same(t, "revision after it was dropped", revision, 0)
}

func testQuarantine(t *testing.T, e *env) {
	s := e.site(t, "demo")
	a := e.container(t, s, "a")
	must(t, e.Reserve(e.ctx, s, &a))
	op := domain.Operation{Kind: domain.OpDelete, Resource: "container", ResourceID: a.ID, ResourceName: "a", SiteID: s.ID}
	must(t, e.CreateOperation(e.ctx, &op))
	node := e.node(t, e.cluster(t, "alpha"), s, "pve1", "")
	_, err := e.PlaceAs(e.ctx, a, node.ID, 500, "for a test")
	must(t, err)
	must(t, e.QuarantineAddress(e.ctx, a.ID, op.ID, "the node is gone"))
	must(t, e.QuarantinePlacement(e.ctx, a.ID, op.ID, "the node is gone"))
	mine, err := e.QuarantinesOf(e.ctx, a.ID)
	must(t, err)
	must(t, e.DeleteContainer(e.ctx, a.ID))
	b := e.container(t, s, "a") // the name is free, the address is not
	must(t, e.Reserve(e.ctx, s, &b))
	same(t, "address beside a quarantined one", b.Address, "198.18.0.3")
	snap, err := e.Snapshot(e.ctx, s.ID)
	must(t, err)
	same(t, "hosts in the snapshot", len(snap.Hosts), 1)
	list, err := e.ReservationsOf(e.ctx, a.ID)
	must(t, err)
	same(t, "state", list[0].State, store.Quarantined)
	same(t, "reason", list[0].Reason, "the node is gone")
	wantKind(t, e.DeleteSite(e.ctx, s.ID), domain.Conflict)
	quarantines, err := e.Quarantines(e.ctx)
	must(t, err)
	same(t, "of the container", len(mine), 1)
	same(t, "of all, with the container gone", fmt.Sprintf("%+v", quarantines), fmt.Sprintf("%+v", mine))
	same(t, "quarantined", fmt.Sprintf("%+v", quarantines), fmt.Sprintf("%+v", []domain.Quarantine{{
		ID: op.ID, ContainerID: a.ID, Container: "a", Kind: domain.OpDelete, SiteID: s.ID, Addresses: []string{a.Address},
		ClusterID: node.ClusterID, NodeID: node.ID, Node: "pve1", VMID: 500, Reason: "the node is gone", Since: quarantines[0].Since,
	}}))
	if quarantines[0].Since.IsZero() {
		t.Error("it is not known since when")
	}
	wantKind(t, e.FreeQuarantine(e.ctx, "another"), domain.NotFound)
	must(t, e.FreeQuarantine(e.ctx, op.ID))
	wantKind(t, e.FreeQuarantine(e.ctx, op.ID), domain.NotFound)
	left, err := e.Placements(e.ctx, store.PlacementFilter{})
	must(t, err)
	same(t, "placements after the quarantine", len(left), 0)
	c := e.container(t, s, "c")
	must(t, e.Reserve(e.ctx, s, &c))
	same(t, "address after the quarantine, while others were never used", c.Address, "198.18.0.4")
}

// testReuse empties a small range: addresses that nobody had come first, then those that are free for the longest time.
func testReuse(t *testing.T, e *env) {
	s := domain.Site{
		Name: "tiny", Domain: "tiny.internal", CIDR: "198.18.9.0/28", Gateway: "198.18.9.1", RangeFirst: "198.18.9.2", RangeLast: "198.18.9.4",
	}
	must(t, e.CreateSite(e.ctx, &s))
	made := 0
	reserve := func(want string) domain.Container {
		t.Helper()
		made++
		c := e.container(t, s, fmt.Sprintf("c%d", made))
		must(t, e.Reserve(e.ctx, s, &c))
		same(t, "address of "+c.Name, c.Address, want)
		return c
	}
	free := func(c domain.Container) {
		t.Helper()
		_, _, err := e.Release(e.ctx, c.ID)
		must(t, err)
		must(t, e.DropReleased(e.ctx, c.ID, 1<<40))
		e.clock.advance(time.Second)
	}
	two, three := reserve("198.18.9.2"), reserve("198.18.9.3")
	free(three)
	four := reserve("198.18.9.4") // never used
	free(two)
	free(four)
	again := reserve("198.18.9.3") // freed first
	free(again)
	reserve("198.18.9.2")
	last := reserve("198.18.9.4")
	must(t, e.QuarantineAddress(e.ctx, last.ID, "operation", "the node is gone"))
	must(t, e.FreeQuarantine(e.ctx, "operation"))
	e.clock.advance(time.Second)
	reserve("198.18.9.3")
	reserve("198.18.9.4")
}
