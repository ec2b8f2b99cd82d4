package app_test

import (
	"errors"
	"testing"
	"time"

	"berth/app"
	"berth/domain"
)

func TestEdgesPollForNews(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	actor := w.edgeActor(t, "edge1")
	first, tag, changed, err := w.Edges.Snapshot(ctx, actor, "", time.Minute)
	must(t, err)
	if !changed || first.SiteID != w.site.ID || tag == "" {
		t.Fatalf("an edge that holds nothing got changed=%t, tag %s, %+v", changed, tag, first)
	}
	_, same, changed, err := w.Edges.Snapshot(ctx, actor, tag, 0)
	must(t, err)
	if changed || same != tag {
		t.Errorf("without news the answer is changed=%t with tag %s", changed, same)
	}
	type answer struct {
		snapshot domain.Snapshot
		changed  bool
		err      error
	}
	answers := make(chan answer, 1)
	go func() {
		s, _, changed, err := w.Edges.Snapshot(ctx, actor, tag, time.Minute)
		answers <- answer{s, changed, err}
	}()
	c := w.create(t, anna, "web01")
	_, err = w.db.PublishSite(ctx, w.site.ID)
	must(t, err)
	select {
	case a := <-answers:
		must(t, a.err)
		if !a.changed || len(a.snapshot.Hosts) != 1 || a.snapshot.Hosts[0].ID != c.ID {
			t.Errorf("the poll ended with changed=%t and %+v", a.changed, a.snapshot.Hosts)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the poll did not end with the published revision")
	}
}

func TestUnknownTagsAreAnsweredAtOnce(t *testing.T) {
	w := newWorld(t)
	actor := w.edgeActor(t, "edge1")
	for _, tag := range []string{"", "nonsense", `"` + domain.NewID() + `.1"`, `"` + w.site.ID + `.999999"`, `W/"` + w.site.ID + `.x"`} {
		_, _, changed, err := w.Edges.Snapshot(t.Context(), actor, tag, time.Minute)
		must(t, err)
		if !changed {
			t.Errorf("the tag %s was taken for what the site has now", tag)
		}
	}
}

func TestReports(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	actor := w.edgeActor(t, "edge1")
	err := w.Edges.Report(ctx, actor, domain.EdgeReport{Address: "192.0.2.1"})
	wantKind(t, err, domain.Invalid)
	before := len(w.flows.published)
	must(t, w.Edges.Report(ctx, actor, domain.EdgeReport{
		Address: "10.20.10.3", Applied: 1 << 40, Leases: []domain.Lease{{Address: "10.20.10.20", Hostname: "web01"}},
	}))
	e, err := w.Edges.Get(ctx, root, "edge1")
	must(t, err)
	if e.State != domain.EdgeOnline || e.Applied != 0 || len(e.Leases) != 1 {
		t.Errorf("the edge is %+v: a revision that the site never had says nothing", e)
	}
	if len(w.flows.published) != before+1 {
		t.Error("the edge's new address was not published")
	}
	e, err = w.Edges.Get(ctx, anna, "edge1")
	must(t, err)
	if len(e.Leases) != 0 {
		t.Error("anna sees the leases of everybody")
	}
}

func TestRetiringAnEdgeVoidsItsToken(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	actor := w.edgeActor(t, "edge1")
	_, tag, _, err := w.Edges.Snapshot(ctx, actor, "", 0)
	must(t, err)
	ended := make(chan error, 1)
	go func() {
		for {
			_, newTag, changed, err := w.Edges.Snapshot(ctx, actor, tag, time.Minute)
			if err != nil || !changed {
				ended <- err
				return
			}
			tag = newTag
		}
	}()
	retired, err := w.Edges.Retire(ctx, root, "edge1")
	must(t, err)
	if retired.State != domain.EdgeRetired {
		t.Errorf("the edge is %s", retired.State)
	}
	select {
	case err := <-ended:
		wantKind(t, err, domain.Unauthenticated)
	case <-time.After(10 * time.Second):
		t.Fatal("the poll of the retired edge did not end")
	}
	_, err = w.Auth.Authenticate(ctx, w.tokens["edge1"].Reveal(), "")
	wantKind(t, err, domain.Unauthenticated)
	wantKind(t, w.Edges.Report(ctx, actor, domain.EdgeReport{}), domain.Unauthenticated)
	fresh := w.enroll(t, "edge1") // the name is free again
	if fresh.ID == retired.ID {
		t.Error("the retired edge came back")
	}
	_, _, err = w.Edges.Enroll(ctx, root, "demo", "edge1")
	wantKind(t, err, domain.Conflict)
	_, _, err = w.Edges.Enroll(ctx, root, "nowhere", "Bad Name")
	var known *domain.Error
	if !errors.As(err, &known) || len(known.Fields) != 2 {
		t.Errorf("the error is %v, want site and name as offending fields", err)
	}
}

func TestEdgesKeepToTheirNameAndSite(t *testing.T) {
	w := newWorld(t)
	w.create(t, anna, "web01")
	_, _, err := w.Edges.Enroll(t.Context(), root, "demo", "web01")
	wantKind(t, err, domain.Conflict)
	_, err = w.Sites.Create(t.Context(), root, demo("other", 11))
	must(t, err)
	s, _, _, err := w.Edges.Snapshot(t.Context(), w.edgeActor(t, "edge1"), "", 0)
	must(t, err)
	if s.Site != "demo" {
		t.Errorf("the edge of demo got the snapshot of %s", s.Site)
	}
}

func TestSites(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c := w.create(t, anna, "web01")
	_, err := w.Sites.Create(ctx, root, app.SiteInput{Name: "Bad Name", CIDR: "10.0.0.0/8"})
	wantKind(t, err, domain.Invalid)
	_, err = w.Sites.Update(ctx, root, "demo", app.SitePatch{RangeFirst: ptr("10.20.10.100")}, 0)
	wantKind(t, err, domain.Conflict) // web01 has .20
	_, err = w.Sites.Update(ctx, root, "demo", app.SitePatch{Gateway: &c.Address}, 0)
	wantKind(t, err, domain.Conflict)
	was, err := w.Sites.Get(ctx, anna, "demo")
	must(t, err)
	_, err = w.Sites.Update(ctx, root, "demo", app.SitePatch{RangeLast: ptr("10.20.10.200")}, was.Version+1)
	wantKind(t, err, domain.Precondition)
	now, err := w.Sites.Update(ctx, root, "demo", app.SitePatch{RangeLast: ptr("10.20.10.200")}, was.Version)
	must(t, err)
	if now.RangeLast != "10.20.10.200" || now.Desired <= was.Desired {
		t.Errorf("the site is %+v", now)
	}
	wantKind(t, w.Sites.Delete(ctx, root, "demo", 0), domain.Conflict)
	network, err := w.Sites.Network(ctx, root, "demo")
	must(t, err)
	if len(network.Reservations) != 1 || network.Reservations[0].ContainerID != c.ID || len(network.Edges) != 1 {
		t.Errorf("the network is %+v", network)
	}
	must(t, w.db.QuarantineAddress(ctx, c.ID, "op-1", "the node is gone"))
	network, err = w.Sites.Network(ctx, root, "demo")
	must(t, err)
	if r := network.Reservations[0]; r.ContainerID != "" || r.Reason == "" {
		t.Errorf("the quarantined address is %+v", r)
	}
}
