package activities_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/lab/cloudflare"
)

// publicZone gives the world's site a public address, and its domain a zone at a double of Cloudflare.
func (w *world) publicZone() *cloudflare.Server {
	w.t.Helper()
	api, err := cloudflare.Start(cloudflare.Config{Listen: "127.0.0.1:0", Zone: "example.org"})
	w.must(err)
	w.t.Cleanup(func() { _ = api.Stop() })
	w.must(w.store.CreateExternalDomain(w.t.Context(), &domain.ExternalDomain{
		Name: "example.org", SiteID: w.site.ID, RecordsForAll: true,
		DNS: domain.DNSProvider{Kind: domain.DNSCloudflare, Server: api.URL(), Secret: cloudflare.Token},
	}))
	w.moveSite("192.0.2.7")
	return api
}

// moveSite changes where the site's edges are reached.
func (w *world) moveSite(address string) {
	w.t.Helper()
	site, err := w.store.Site(w.t.Context(), w.site.ID)
	w.must(err)
	site.PublicAddresses = []string{address}
	w.must(w.store.UpdateSite(w.t.Context(), &site))
}

// wantRecords holds what a zone has against what it should have.
func wantRecords(t *testing.T, api *cloudflare.Server, want ...string) {
	t.Helper()
	var got []string
	for _, r := range api.Records() {
		if r.Type != "TXT" {
			got = append(got, r.Name+" "+r.Type+" "+r.Content)
		}
	}
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		t.Errorf("the zone has %q, want %q", got, want)
	}
	if len(want) == 0 && len(api.Records()) > 0 {
		t.Errorf("the zone still has %+v", api.Records())
	}
}

func TestNamesGetRecordsAndLoseThem(t *testing.T) {
	w := newWorld(t)
	api := w.publicZone()
	container := w.ready("web01")
	in, change := w.expose(container)
	if begun := step(t, w.set.Records.Begin, in); begun.Names != 1 {
		t.Errorf("the operation has %d names with records", begun.Names)
	}
	step(t, w.set.PublicDNS.PublishNames, in)
	wantRecords(t, api, "app.example.org A 192.0.2.7")
	asked := api.Asked()
	step(t, w.set.PublicDNS.PublishNames, in)
	step(t, w.set.PublicDNS.WithdrawNames, in) // it is wanted
	if api.Asked() != asked {
		t.Error("what is known to be there is written again")
	}
	_, err := w.store.RestoreServices(t.Context(), in.ContainerID, change.Added, nil)
	w.must(err)
	if begun := step(t, w.set.Records.Begin, in); begun.Names != 1 {
		t.Error("an operation that takes the last name away does not see its records")
	}
	api.Break(cloudflare.Fault{Status: http.StatusServiceUnavailable, Count: 1})
	if _, err := perform(t, w.set.PublicDNS.WithdrawNames, in); !domain.Is(err, domain.Unavailable) {
		t.Errorf("a provider that is away: %v", err)
	}
	step(t, w.set.PublicDNS.WithdrawNames, in)
	wantRecords(t, api)
}

func TestReconcilerMendsPublicDNS(t *testing.T) {
	w := newWorld(t)
	api := w.publicZone()
	in, change := w.expose(w.ready("web01"))
	w.reconcile(false)
	wantRecords(t, api) // the operation sees to it
	w.finish(in)
	w.wait(time.Minute)
	w.reconcile(false)
	wantRecords(t, api, "app.example.org A 192.0.2.7")

	w.moveSite("192.0.2.8")
	w.wait(10 * time.Minute)
	w.reconcile(true)
	wantRecords(t, api, "app.example.org A 192.0.2.7") // a dry run
	w.reconcile(false)
	wantRecords(t, api, "app.example.org A 192.0.2.8")

	for _, r := range api.Records() { // by hand
		w.must(api.Remove(r.ID))
	}
	w.wait(2 * time.Hour)
	w.reconcile(false)
	wantRecords(t, api, "app.example.org A 192.0.2.8")

	_, err := w.store.RestoreServices(t.Context(), in.ContainerID, change.Added, nil)
	w.must(err)
	api.Break(cloudflare.Fault{Status: http.StatusServiceUnavailable, Count: 1})
	report := w.reconcile(false)
	found := false
	for _, r := range report.Repairs {
		found = found || strings.HasPrefix(r.Action, "could not take its records away") && strings.Contains(r.Detail, "Cloudflare")
	}
	if !found {
		t.Errorf("a provider that is away is not told: %+v", report.Repairs)
	}
	asked := api.Asked()
	w.reconcile(false) // not yet again
	if api.Asked() != asked {
		t.Error("a provider that refused is asked again at once")
	}
	w.wait(10 * time.Minute)
	w.reconcile(false)
	wantRecords(t, api)
}

func TestNamesOfOthersAreRefused(t *testing.T) {
	w := newWorld(t)
	api := w.publicZone()
	w.must(api.Add(cloudflare.Record{Name: "app.example.org", Type: "A", Content: "192.0.2.99", TTL: 300}))
	in, change := w.expose(w.ready("web01"))
	if _, err := perform(t, w.set.PublicDNS.PublishNames, in); !domain.Is(err, domain.Conflict) || !strings.Contains(err.Error(), "192.0.2.99") {
		t.Errorf("a name that somebody else has records for: %v", err)
	}
	names, err := w.store.PublishedNames(t.Context(), in.ContainerID)
	w.must(err)
	if len(names) != 1 || !strings.Contains(names[0].Message, "192.0.2.99") {
		t.Errorf("what is wrong is not kept: %+v", names)
	}
	_, err = w.store.RestoreServices(t.Context(), in.ContainerID, change.Added, nil)
	w.must(err)
	step(t, w.set.PublicDNS.WithdrawNames, in)
	wantRecords(t, api, "app.example.org A 192.0.2.99")
}
