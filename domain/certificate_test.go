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
