package store_test

import (
	"testing"
	"time"

	"berth/domain"
	"berth/store"
)

func testNodeImages(t *testing.T, e *env) {
	n := e.node(t, e.cluster(t, "alpha"), e.site(t, "demo"), "pve1", "")
	const old, young = "local:vztmpl/berth-old-0.tar", "local:vztmpl/berth-young-0.tar"
	for range 2 { // it is used again and again
		must(t, e.UseImage(e.ctx, n.ID, old))
	}
	must(t, e.UseImage(e.ctx, n.ID, young))
	e.clock.advance(48 * time.Hour)
	must(t, e.UseImage(e.ctx, n.ID, young))
	unused := func() []store.NodeImage {
		t.Helper()
		found, err := e.UnusedImages(e.ctx, e.clock.Now().Add(-24*time.Hour))
		must(t, err)
		return found
	}
	found := unused()
	if len(found) != 1 || found[0].Volume != old || found[0].NodeID != n.ID {
		t.Fatalf("unused for a day are %+v, want %s", found, old)
	}
	must(t, e.ForgetImage(e.ctx, found[0]))
	same(t, "unused once it is forgotten", len(unused()), 0)
	must(t, e.RememberImage(e.ctx, found[0]))
	same(t, "unused once it is remembered", unused()[0], found[0])
	must(t, e.UseImage(e.ctx, n.ID, old))
	wantKind(t, e.ForgetImage(e.ctx, found[0]), domain.Conflict)
	wantKind(t, e.UseImage(e.ctx, "nowhere", old), domain.NotFound)
	must(t, e.DeleteNode(e.ctx, n.ID))
	e.clock.advance(48 * time.Hour)
	same(t, "images of a node that is gone", len(unused()), 0)
}
