package domain_test

import (
	"testing"
	"time"

	"berth/domain"
)

func TestCertificateFor(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	cert := func(id string, days int, names ...string) domain.Certificate {
		return domain.Certificate{ID: id, Names: names, NotAfter: now.AddDate(0, 0, days)}
	}
	all := []domain.Certificate{
		cert("wild-long", 90, "*.example.org", "example.org"), cert("wild-short", 30, "*.example.org"),
		cert("app-short", 10, "app.example.org"), cert("app-long", 20, "app.example.org", "two.example.org"),
		cert("old", -1, "gone.example.net"), cert("wild-sub", 90, "*.sub.example.org"),
	}
	domains := []domain.ExternalDomain{
		{ID: "d1", Name: "example.org", SiteID: "home"}, {ID: "d2", Name: "sub.example.org", SiteID: "away"}, {ID: "d3", Name: "example.net", SiteID: "home"},
	}
	for _, c := range []struct{ host, site, want string }{
		{"www.example.org", "home", "wild-long"},
		{"example.org", "home", "wild-long"},
		{"example.org", "away", ""}, // its key is good for the wildcard too
		{"www.example.org", "away", ""},
		{"app.example.org", "home", "app-long"},
		{"app.example.org", "away", "app-long"},
		{"a.b.example.org", "home", ""},
		{"a.sub.example.org", "home", ""},
		{"a.sub.example.org", "away", "wild-sub"},
		{"gone.example.net", "home", ""},
		{"other.example.com", "home", ""},
	} {
		for range 2 { // in either order
			if got := domain.CertificateFor(all, domains, c.host, c.site, now); got.ID != c.want {
				t.Errorf("%s at %s gets %q, want %q", c.host, c.site, got.ID, c.want)
			}
			for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
				all[i], all[j] = all[j], all[i]
			}
		}
	}
}

func TestCertificateForPrefersWhatWasBrought(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ordered := domain.Certificate{ID: "ordered", Names: []string{"app.example.org"}, Source: domain.CertificateACME, NotAfter: now.AddDate(0, 0, 90)}
	brought := domain.Certificate{ID: "brought", Names: []string{"app.example.org"}, Source: domain.CertificateUploaded, NotAfter: now.AddDate(0, 0, 30)}
	for _, all := range [][]domain.Certificate{{ordered, brought}, {brought, ordered}} {
		if got := domain.CertificateFor(all, nil, "app.example.org", "s", now); got.ID != "brought" {
			t.Errorf("served is %s", got.ID)
		}
		if got := domain.CertificateFor(all, nil, "app.example.org", "s", now.AddDate(0, 0, 31)); got.ID != "ordered" {
			t.Errorf("once it has expired served is %s", got.ID)
		}
	}
}

func TestCertificateWanted(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	domains := []domain.ExternalDomain{
		{ID: "d1", Name: "example.org", SiteID: "home", ACMEAccounts: []string{"a"}}, {ID: "d2", Name: "example.net", SiteID: "home"},
	}
	have := []domain.Certificate{
		{Names: []string{"own.example.org"}, Source: domain.CertificateUploaded, NotAfter: now.AddDate(0, 0, 1)},
		{Names: []string{"old.example.org"}, Source: domain.CertificateUploaded, NotAfter: now.AddDate(0, 0, -1)},
		{Names: []string{"on-its-way.example.org"}, Source: domain.CertificateACME, SiteID: "home"},
	}
	for name, want := range map[string]bool{
		"app.example.org": true, "example.org": true, "own.example.org": false, "old.example.org": true, "on-its-way.example.org": false,
		"app.example.net": false, "app.example.com": false,
	} {
		c, ok := domain.CertificateWanted(have, domains, name, "home", now)
		if ok != want || ok && (len(c.Names) != 1 || c.Names[0] != name || c.DomainID != "d1" || c.SiteID != "home" || c.Challenge != domain.HTTP01) {
			t.Errorf("for %s wanted is %v, %+v", name, ok, c)
		}
	}
	if _, ok := domain.CertificateWanted(have, domains, "on-its-way.example.org", "away", now); !ok {
		t.Error("another site needs a certificate of its own")
	}
}

func TestRenewal(t *testing.T) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	c := domain.Certificate{NotBefore: start, NotAfter: start.AddDate(0, 0, 90)}
	day := func(at time.Time) int { return int(at.Sub(start).Hours() / 24) }
	for _, r := range []struct {
		from, until int
		chance      float64
		want        int
	}{
		{0, 0, 0, 60}, {0, 0, 0.999, 55}, // no suggestion: two thirds, less up to a twentieth
		{50, 54, 0, 50}, {50, 54, 0.5, 52}, // the window of the CA
		{-2, -1, 0.5, -1}, // revoked: at once
		{54, 50, 0, 60},   // no window at all
		{91, 95, 0, 60},   // after the end
	} {
		if got := c.Renewal(start.AddDate(0, 0, r.from), start.AddDate(0, 0, r.until), r.chance); day(got) != r.want {
			t.Errorf("%+v: renewed on day %d", r, day(got))
		}
	}
}
