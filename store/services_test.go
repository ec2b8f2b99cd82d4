package store_test

import (
	"fmt"
	"testing"
	"time"

	"berth/domain"
	"berth/store"
)

func http(host string, port int) domain.Service {
	return domain.Service{ServiceSpec: domain.ServiceSpec{Kind: domain.ServiceHTTP, Host: host, Port: port}}
}

func tcp(external, port int) domain.Service {
	return domain.Service{ServiceSpec: domain.ServiceSpec{Kind: domain.ServiceTCP, ExternalPort: external, Port: port}}
}

func testServices(t *testing.T, e *env) {
	s := e.site(t, "demo")
	web, other := e.container(t, s, "web01"), e.container(t, s, "web02")
	must(t, e.Reserve(e.ctx, s, &web))
	must(t, e.ModifyContainer(e.ctx, web.ID, func(c *domain.Container) error {
		c.State = domain.ContainerReady
		return nil
	}))
	srv := domain.Service{ServiceSpec: domain.ServiceSpec{Kind: domain.ServiceSRV, Port: 389, SRV: domain.SRVOptions{Name: "_ldap._tcp"}}}

	added, revision, err := e.ChangeServices(e.ctx, web, []domain.Service{http("app.example.org", 8080), tcp(0, 22), tcp(0, 23), srv}, nil)
	must(t, err)
	same(t, "first port", added[1].ExternalPort, domain.DefaultPortFirst)
	same(t, "second port", added[2].ExternalPort, domain.DefaultPortFirst+1)
	fresh, err := e.Site(e.ctx, s.ID)
	must(t, err)
	same(t, "revision", revision, fresh.Desired)

	// All or nothing: the port was free, the name is not.
	_, _, err = e.ChangeServices(e.ctx, other, []domain.Service{tcp(2500, 22), http("app.example.org", 80)}, nil)
	wantKind(t, err, domain.Conflict)
	for name, v := range map[string]domain.Service{
		"port": tcp(domain.DefaultPortFirst, 22), "port with TLS under another's name": {ServiceSpec: domain.ServiceSpec{
			Kind: domain.ServiceTCP, Port: 1, ExternalPort: 2600, Host: "app.example.org", Stream: domain.StreamOptions{TLS: true},
		}}, "srv": srv,
	} {
		if _, _, err := e.ChangeServices(e.ctx, other, []domain.Service{v}, nil); !domain.Is(err, domain.Conflict) {
			t.Errorf("another container takes the %s: %v", name, err)
		}
	}
	_, _, err = e.ChangeServices(e.ctx, other, []domain.Service{tcp(1999, 22)}, nil)
	wantKind(t, err, domain.Invalid)
	_, _, err = e.ChangeServices(e.ctx, web, []domain.Service{http("app.example.org", 81)}, nil)
	wantKind(t, err, domain.Conflict)
	_, _, err = e.ChangeServices(e.ctx, other, nil, []string{added[0].ID})
	wantKind(t, err, domain.NotFound)

	// In one change a name goes from one service of a container to another.
	changed, revision, err := e.ChangeServices(e.ctx, web, []domain.Service{http("app.example.org", 81)}, []string{added[0].ID, added[1].ID})
	must(t, err)
	snap, err := e.Snapshot(e.ctx, s.ID)
	must(t, err)
	same(t, "services in the snapshot", len(snap.Services), 3)
	same(t, "its container", snap.Services[0].Hostname, "web01")

	// What was given up is nobody's until it is dropped, and only what no edge is behind is.
	_, _, err = e.ChangeServices(e.ctx, other, []domain.Service{tcp(domain.DefaultPortFirst, 22)}, nil)
	wantKind(t, err, domain.Conflict)
	must(t, e.DropServices(e.ctx, web.ID, revision-1))
	waiting, err := e.ReleasingServices(e.ctx)
	must(t, err)
	same(t, "waits for revision", waiting[web.ID].Revision, revision)
	must(t, e.DropServices(e.ctx, web.ID, revision))
	_, _, err = e.ChangeServices(e.ctx, other, []domain.Service{tcp(domain.DefaultPortFirst, 22)}, nil)
	must(t, err)
	_, _, err = e.ChangeServices(e.ctx, other, []domain.Service{http("app.example.org", 80)}, nil)
	wantKind(t, err, domain.Conflict) // it is still web01's

	// Undone: what was added goes, what was removed is back.
	again, _, err := e.ChangeServices(e.ctx, web, []domain.Service{http("two.example.org", 80)}, []string{changed[0].ID})
	must(t, err)
	_, err = e.RestoreServices(e.ctx, web.ID, []string{again[0].ID}, []string{changed[0].ID})
	must(t, err)
	list, err := e.Services(e.ctx, web.ID)
	must(t, err)
	states := map[string]domain.ServiceState{}
	for _, v := range list {
		states[v.Title()] = v.State
	}
	same(t, "undone", states["https://two.example.org"], domain.ServiceRemoving)
	same(t, "back", states["https://app.example.org"], domain.ServiceRequested)
	_, _, err = e.Release(e.ctx, web.ID)
	must(t, err)
	wantKind(t, e.DeleteContainer(e.ctx, web.ID), domain.Conflict) // its services are held
}

func testServicesOfFailed(t *testing.T, e *env) {
	s := e.site(t, "demo")
	c := e.container(t, s, "web01")
	_, _, err := e.ChangeServices(e.ctx, c, []domain.Service{http("app.example.org", 8080)}, nil)
	must(t, err)
	revision, err := e.ReleaseServices(e.ctx, c.ID)
	must(t, err)
	must(t, e.ModifyContainer(e.ctx, c.ID, func(c *domain.Container) error {
		c.State = domain.ContainerFailed
		return nil
	}))
	must(t, e.DropServices(e.ctx, c.ID, revision))
	other := e.container(t, s, "web02")
	_, _, err = e.ChangeServices(e.ctx, other, []domain.Service{http("app.example.org", 80)}, nil)
	must(t, err) // a failed container holds nothing
	wantKind(t, e.ReviveServices(e.ctx, c.ID), domain.Conflict)
	mine, err := e.Services(e.ctx, c.ID)
	must(t, err)
	same(t, "of a failed container", mine[0].State, domain.ServiceParked)
	revision, err = e.ReleaseServices(e.ctx, other.ID)
	must(t, err)
	must(t, e.ModifyContainer(e.ctx, other.ID, func(c *domain.Container) error {
		c.State = domain.ContainerReady
		return nil
	}))
	must(t, e.DropServices(e.ctx, other.ID, revision))
	must(t, e.ReviveServices(e.ctx, c.ID))
	list, err := e.Services(e.ctx, c.ID)
	must(t, err)
	same(t, "back", list[0].State, domain.ServiceRequested)
}

func testServicesConcurrently(t *testing.T, e *env) {
	one, two := e.site(t, "one"), e.site(t, "two")
	containers := make([]domain.Container, 10)
	for i := range containers {
		home := one
		if i%2 == 1 {
			home = two
		}
		containers[i] = e.container(t, home, "web"+string(rune('a'+i)))
	}
	won := 0
	for _, err := range together(len(containers), func(i int) error {
		_, _, err := e.ChangeServices(e.ctx, containers[i], []domain.Service{tcp(0, 22), http("app.example.org", 80)}, nil)
		return err
	}) {
		if err == nil {
			won++
		} else {
			wantKind(t, err, domain.Conflict)
		}
	}
	same(t, "containers that got the name", won, 1)
}

func testServicesLive(t *testing.T, e *env) {
	s := e.site(t, "demo")
	c := e.container(t, s, "web01")
	edge := domain.Edge{Name: "edge1", SiteID: s.ID}
	must(t, e.CreateEdge(e.ctx, &edge))
	added, revision, err := e.ChangeServices(e.ctx, c, []domain.Service{http("app.example.org", 8080), tcp(0, 22)}, nil)
	must(t, err)
	state := func(i int) domain.ServiceState {
		t.Helper()
		list, err := e.Services(e.ctx, c.ID)
		must(t, err)
		return list[i].State
	}
	report := domain.EdgeReport{Address: "198.18.0.2", Applied: revision - 1}
	must(t, e.ReportEdge(e.ctx, edge.ID, report))
	same(t, "before", state(0), domain.ServiceRequested)
	report.Applied, report.LeftOut = revision, []domain.LeftOut{{ServiceID: added[1].ID, Reason: "bind() failed"}}
	must(t, e.ReportEdge(e.ctx, edge.ID, report))
	same(t, "served", state(0), domain.ServiceLive)
	same(t, "left out", state(1), domain.ServiceRequested)
	report.LeftOut = nil
	must(t, e.ReportEdge(e.ctx, edge.ID, report))
	same(t, "served at last", state(1), domain.ServiceLive)
	report.LeftOut = []domain.LeftOut{{ServiceID: added[1].ID, Reason: "bind() failed"}}
	must(t, e.ReportEdge(e.ctx, edge.ID, report))
	same(t, "left out again", state(1), domain.ServiceRequested)
}

func testExternalDomains(t *testing.T, e *env) {
	s := e.site(t, "demo")
	d := domain.ExternalDomain{Name: "example.org", SiteID: s.ID}
	must(t, e.CreateExternalDomain(e.ctx, &d))
	wantKind(t, e.CreateExternalDomain(e.ctx, &domain.ExternalDomain{Name: "example.org", SiteID: s.ID}), domain.Conflict)
	domains, _, err := e.ExternalDomains(e.ctx, store.Page{})
	must(t, err)
	same(t, "external domain", fmt.Sprintf("%+v", domains[0]), fmt.Sprintf("%+v", d))
	before, err := e.Site(e.ctx, s.ID)
	must(t, err)
	stale := d
	d.AuthServer = "https://auth.example.org"
	must(t, e.UpdateExternalDomain(e.ctx, &d))
	wantKind(t, e.UpdateExternalDomain(e.ctx, &stale), domain.Precondition)
	after, err := e.Site(e.ctx, s.ID)
	must(t, err)
	same(t, "revision", after.Desired, before.Desired+1)
	c := e.container(t, s, "web01")
	must(t, e.Reserve(e.ctx, s, &c))
	_, _, err = e.ChangeServices(e.ctx, c, []domain.Service{http("app.example.org", 8080)}, nil)
	must(t, err)
	snap, err := e.Snapshot(e.ctx, s.ID)
	must(t, err)
	same(t, "auth server", snap.Services[0].AuthServer, d.AuthServer)
	wantKind(t, e.DeleteExternalDomain(e.ctx, d.ID), domain.Conflict)
	revision, err := e.ReleaseServices(e.ctx, c.ID)
	must(t, err)
	must(t, e.DropServices(e.ctx, c.ID, revision)) // parked, which holds no name
	must(t, e.DeleteExternalDomain(e.ctx, d.ID))
}

func testCertificates(t *testing.T, e *env) {
	home, away := e.site(t, "home"), e.site(t, "away")
	must(t, e.CreateExternalDomain(e.ctx, &domain.ExternalDomain{Name: "example.org", SiteID: home.ID}))
	for _, s := range []domain.Site{home, away} {
		c := e.container(t, s, "web-"+s.Name)
		must(t, e.Reserve(e.ctx, s, &c))
		_, _, err := e.ChangeServices(e.ctx, c, []domain.Service{http(s.Name+".example.org", 80)}, nil)
		must(t, err)
	}
	before, err := e.Site(e.ctx, away.ID)
	must(t, err)
	wild := domain.Certificate{
		Names: []string{"*.example.org"}, Source: domain.CertificateUploaded, Chain: "chain", Key: "key of the wildcard", Issuer: "CA", Serial: "1f",
		NotBefore: e.clock.Now().Add(-time.Hour), NotAfter: e.clock.Now().Add(time.Hour),
	}
	unused := wild
	unused.Names, unused.Key = []string{"other.example.org"}, "key of another"
	must(t, e.CreateCertificate(e.ctx, &wild))
	must(t, e.CreateCertificate(e.ctx, &unused))
	after, err := e.Site(e.ctx, away.ID)
	must(t, err)
	same(t, "revision", after.Desired, before.Desired+2)
	list, _, err := e.Certificates(e.ctx, store.Page{})
	must(t, err)
	same(t, "certificates", len(list), 2)
	same(t, "key in a list", list[0].Key, domain.Secret(""))

	snap, err := e.Snapshot(e.ctx, home.ID)
	must(t, err)
	same(t, "certificates of the default site", len(snap.Certificates), 1)
	same(t, "its key", snap.Certificates[0].Key, "key of the wildcard")
	same(t, "its use", snap.Services[0].Certificate, wild.ID)
	snap, err = e.Snapshot(e.ctx, away.ID)
	must(t, err)
	same(t, "certificates of another site", len(snap.Certificates), 0)
	same(t, "their use", snap.Services[0].Certificate, "")
	must(t, e.DeleteCertificate(e.ctx, wild.ID))
	wantKind(t, e.DeleteCertificate(e.ctx, wild.ID), domain.NotFound)
}
