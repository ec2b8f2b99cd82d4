package store_test

import (
	"fmt"
	"strings"
	"testing"

	"berth/domain"
	"berth/store"
)

func testDNSProviders(t *testing.T, e *env) {
	home := e.site(t, "home")
	d := domain.ExternalDomain{Name: "example.org", SiteID: home.ID, DNS: domain.DNSProvider{
		Kind: domain.DNSRFC2136, Server: "192.0.2.53:53", KeyName: "berth", KeyAlgorithm: "hmac-sha256", Secret: "c2VjcmV0",
	}}
	must(t, e.CreateExternalDomain(e.ctx, &d))
	secret := func() domain.Secret {
		p, err := e.DNSProvider(e.ctx, d.ID)
		must(t, err)
		return p.Secret
	}
	same(t, "secret", secret(), "c2VjcmV0")
	list, _, err := e.ExternalDomains(e.ctx, store.Page{})
	must(t, err)
	same(t, "provider in lists", list[0].DNS, domain.DNSProvider{
		Kind: domain.DNSRFC2136, Server: "192.0.2.53:53", KeyName: "berth", KeyAlgorithm: "hmac-sha256",
	})
	d.AuthServer = "https://auth.example.org"
	must(t, e.UpdateExternalDomain(e.ctx, &d))
	same(t, "secret after another change", secret(), "c2VjcmV0")
	d.DNS = domain.DNSProvider{Kind: domain.DNSCloudflare, Secret: "token"}
	must(t, e.UpdateExternalDomain(e.ctx, &d))
	same(t, "new secret", secret(), "token")
	d.DNS = domain.DNSProvider{Kind: domain.DNSManual}
	must(t, e.UpdateExternalDomain(e.ctx, &d))
	same(t, "secret that nobody needs", secret(), "")

	first, err := e.InstallationID(e.ctx)
	must(t, err)
	again, err := e.InstallationID(e.ctx)
	must(t, err)
	if first != again || first == "" {
		t.Errorf("the installation is %q, and then %q", first, again)
	}
}

func testPublishedNames(t *testing.T, e *env) {
	home, far := e.site(t, "home"), e.site(t, "far")
	far.PublicAddresses = []string{"192.0.2.7", "2001:db8::7"}
	must(t, e.UpdateSite(e.ctx, &far))
	d := domain.ExternalDomain{Name: "example.org", SiteID: home.ID, DNS: domain.DNSProvider{Kind: domain.DNSCloudflare, Secret: "token"}}
	must(t, e.CreateExternalDomain(e.ctx, &d))
	must(t, e.CreateExternalDomain(e.ctx, &domain.ExternalDomain{Name: "example.net", SiteID: home.ID}))
	expose := func(site domain.Site, name, label string) domain.Container {
		c := e.container(t, site, name)
		must(t, e.Reserve(e.ctx, site, &c))
		_, _, err := e.ChangeServices(e.ctx, c, []domain.Service{http(label+".example.org", 80), http(label+".example.net", 80)}, nil)
		must(t, err)
		return c
	}
	near, away := expose(home, "web01", "near"), expose(far, "web02", "away")
	wanted := func(want ...string) (all []domain.PublishedName) {
		t.Helper()
		all, err := e.WantedNames(e.ctx, "")
		must(t, err)
		var names []string
		for _, n := range all {
			names = append(names, n.Name)
		}
		same(t, "wanted names", strings.Join(names, " "), strings.Join(want, " "))
		return all
	}
	name := wanted("away.example.org")[0]
	same(t, "records", fmt.Sprint(name.Records), fmt.Sprint([]domain.DNSRecord{
		{Name: "away.example.org", Type: "A", Value: "192.0.2.7"}, {Name: "away.example.org", Type: "AAAA", Value: "2001:db8::7"},
	}))
	d.RecordsForAll = true
	must(t, e.UpdateExternalDomain(e.ctx, &d))
	wanted("away.example.org") // the other site has no public addresses
	home.PublicAddresses = []string{"edge.example.com"}
	must(t, e.UpdateSite(e.ctx, &home))
	both := wanted("near.example.org", "away.example.org")
	same(t, "record of a site with a name", fmt.Sprint(both[0].Records), fmt.Sprint([]domain.DNSRecord{{Name: "near.example.org", Type: "CNAME", Value: "edge.example.com"}}))
	one, err := e.WantedNames(e.ctx, near.ID)
	must(t, err)
	same(t, "names of one container", len(one), 1)

	must(t, e.PutPublishedName(e.ctx, name))
	name.CheckedAt = e.clock.Now()
	must(t, e.PutPublishedName(e.ctx, name))
	kept, err := e.PublishedNames(e.ctx, away.ID)
	must(t, err)
	if len(kept) != 1 || !kept[0].Has(name) {
		t.Errorf("kept is %+v", kept)
	}
	wantKind(t, e.DeleteExternalDomain(e.ctx, d.ID), domain.Conflict)
	// Another container takes the name while the records of the former are taken away.
	taken := name
	taken.ContainerID = near.ID
	must(t, e.PutPublishedName(e.ctx, taken))
	must(t, e.DropPublishedName(e.ctx, name))
	kept, err = e.PublishedNames(e.ctx, "")
	must(t, err)
	if len(kept) != 1 || kept[0].Written() {
		t.Errorf("the new owner's records are not written again: %+v", kept)
	}
	taken.Records = nil // to be taken away
	must(t, e.PutPublishedName(e.ctx, taken))
	must(t, e.DropPublishedName(e.ctx, taken))
	kept, err = e.PublishedNames(e.ctx, "")
	must(t, err)
	same(t, "names left", len(kept), 0)
}
