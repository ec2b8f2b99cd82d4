package app_test

import (
	"strings"
	"testing"

	"berth/app"
	"berth/domain"
	"berth/lab/cloudflare"
)

func TestDNSProvidersAreAskedAndTheirSecretsStay(t *testing.T) {
	w := newWorld(t)
	api, err := cloudflare.Start(cloudflare.Config{Listen: "127.0.0.1:0", Zone: "example.org"})
	must(t, err)
	t.Cleanup(func() { _ = api.Stop() })
	provider := domain.DNSProvider{Kind: domain.DNSCloudflare, Server: api.URL(), Secret: "wrong"}
	_, err = w.ExternalDomains.Create(t.Context(), root, app.ExternalDomainInput{Name: "example.org", Site: "demo", DNS: provider})
	wantKind(t, err, domain.Permanent)
	if !strings.Contains(domain.Words(err), "does not accept the API token") {
		t.Errorf("a wrong token is told as %v", err)
	}
	provider.Secret = cloudflare.Token
	d, err := w.ExternalDomains.Create(t.Context(), root, app.ExternalDomainInput{Name: "example.org", Site: "demo", DNS: provider})
	must(t, err)
	if d.DNS.Secret != "" || d.DNS.Kind != domain.DNSCloudflare {
		t.Errorf("the answer is %+v", d.DNS)
	}
	provider.Secret = ""
	_, err = w.ExternalDomains.Update(t.Context(), root, "example.org", app.ExternalDomainPatch{DNS: &provider}, 0)
	must(t, err)
	kept, err := w.db.DNSProvider(t.Context(), d.ID)
	must(t, err)
	if kept.Secret != cloudflare.Token {
		t.Error("the secret did not stay")
	}
	elsewhere := domain.DNSProvider{Kind: domain.DNSCloudflare, Server: "https://somewhere.example.com"}
	_, err = w.ExternalDomains.Update(t.Context(), root, "example.org", app.ExternalDomainPatch{DNS: &elsewhere}, 0)
	wantKind(t, err, domain.Invalid) // it would be sent to somebody else
	_, err = w.ExternalDomains.Update(t.Context(), root, "example.org", app.ExternalDomainPatch{DNS: &domain.DNSProvider{}}, 0)
	must(t, err)
	if kept, err = w.db.DNSProvider(t.Context(), d.ID); err != nil || kept.Secret != "" || kept.Kind != domain.DNSManual {
		t.Errorf("after it was given up kept is %+v, %v", kept, err)
	}
}
