package domain_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/domain"
)

func TestCleanDNSProvider(t *testing.T) {
	rfc2136 := func(change func(*domain.DNSProvider)) domain.DNSProvider {
		p := domain.DNSProvider{Kind: domain.DNSRFC2136, Server: "ns1.example.com:53", KeyName: "berth", Secret: "c2VjcmV0"}
		change(&p)
		return p
	}
	for name, c := range map[string]struct {
		p      domain.DNSProvider
		before domain.DNSProvider
		want   string // fields that are refused
	}{
		"nothing":                      {domain.DNSProvider{}, domain.DNSProvider{}, ""},
		"manual with a secret":         {domain.DNSProvider{Kind: domain.DNSManual, Secret: "x"}, domain.DNSProvider{}, "dns.secret"},
		"unknown":                      {domain.DNSProvider{Kind: "route53"}, domain.DNSProvider{}, "dns.provider"},
		"cloudflare":                   {domain.DNSProvider{Kind: domain.DNSCloudflare, Secret: "token"}, domain.DNSProvider{}, ""},
		"cloudflare without a token":   {domain.DNSProvider{Kind: domain.DNSCloudflare}, domain.DNSProvider{}, "dns.secret"},
		"cloudflare keeps its token":   {domain.DNSProvider{Kind: domain.DNSCloudflare}, domain.DNSProvider{Kind: domain.DNSCloudflare, Secret: "token"}, ""},
		"cloudflare in the clear":      {domain.DNSProvider{Kind: domain.DNSCloudflare, Server: "http://api.example.com", Secret: "token"}, domain.DNSProvider{}, "dns.server"},
		"cloudflare on loopback":       {domain.DNSProvider{Kind: domain.DNSCloudflare, Server: "http://127.0.0.1:1", Secret: "token"}, domain.DNSProvider{}, ""},
		"cloudflare with a TSIG key":   {domain.DNSProvider{Kind: domain.DNSCloudflare, KeyName: "k", Secret: "token"}, domain.DNSProvider{}, "dns.keyName"},
		"token that breaks the header": {domain.DNSProvider{Kind: domain.DNSCloudflare, Secret: "to\r\nken"}, domain.DNSProvider{}, "dns.secret"},
		"rfc2136":                      {rfc2136(func(*domain.DNSProvider) {}), domain.DNSProvider{}, ""},
		"no server":                    {rfc2136(func(p *domain.DNSProvider) { p.Server = "" }), domain.DNSProvider{}, "dns.server"},
		"port 0":                       {rfc2136(func(p *domain.DNSProvider) { p.Server = "ns:0" }), domain.DNSProvider{}, "dns.server"},
		"no port":                      {rfc2136(func(p *domain.DNSProvider) { p.Server = "ns1.example.com" }), domain.DNSProvider{}, ""},
		"IPv6 without port":            {rfc2136(func(p *domain.DNSProvider) { p.Server = "2001:db8::1" }), domain.DNSProvider{}, ""},
		"no key":                       {rfc2136(func(p *domain.DNSProvider) { p.KeyName = "" }), domain.DNSProvider{}, "dns.keyName"},
		"weak algorithm":               {rfc2136(func(p *domain.DNSProvider) { p.KeyAlgorithm = "hmac-md5" }), domain.DNSProvider{}, "dns.keyAlgorithm"},
		"secret that is no base64":     {rfc2136(func(p *domain.DNSProvider) { p.Secret = "!" }), domain.DNSProvider{}, "dns.secret"},
	} {
		got, bad := domain.CleanDNSProvider(c.p, c.before)
		var fields []string
		for _, b := range bad {
			fields = append(fields, b.Field)
		}
		if strings.Join(fields, " ") != c.want {
			t.Errorf("%s: refused is %v, want %q", name, bad, c.want)
		}
		if len(bad) == 0 && got.Kind == domain.DNSRFC2136 && (!strings.HasSuffix(got.Server, ":53") || got.KeyAlgorithm != domain.DefaultTSIGAlgorithm) {
			t.Errorf("%s: kept is %+v", name, got)
		}
	}
}

func TestPublicRecords(t *testing.T) {
	for _, c := range []struct {
		addresses []string
		want      string // empty when the addresses are refused
	}{
		{nil, "[]"},
		{[]string{"192.0.2.7", "2001:db8::7"}, "[app.example.org A 192.0.2.7 app.example.org AAAA 2001:db8::7]"},
		{[]string{"edge.example.com"}, "[app.example.org CNAME edge.example.com]"},
		{[]string{"edge.example.com", "192.0.2.7"}, ""},
		{[]string{"a.example.com", "b.example.com"}, ""},
		{[]string{"Edge.example.com"}, ""},
		{[]string{"fe80::1%eth0"}, ""},
		{[]string{"2001:DB8::7"}, ""},
		{[]string{"192.0.2"}, ""},
		{[]string{""}, ""},
	} {
		site := domain.Site{
			Name: "demo", Domain: "demo.internal", CIDR: "198.18.0.0/24", Gateway: "198.18.0.1", RangeFirst: "198.18.0.50",
			RangeLast: "198.18.0.199", PublicAddresses: c.addresses,
		}
		bad := site.Validate()
		if refused := len(bad) == 1 && bad[0].Field == "publicAddresses"; refused != (c.want == "") {
			t.Errorf("%q: refused is %v", c.addresses, bad)
		}
		if got := fmt.Sprint(site.PublicRecords("app.example.org")); c.want != "" && got != c.want {
			t.Errorf("%q: the records are %s, want %s", c.addresses, got, c.want)
		}
	}
}

func TestWildcardsAreWantedWhereBerthMayChangeTheZone(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	zone := domain.ExternalDomain{
		ID: "d", Name: "example.org", SiteID: "home", ACMEAccounts: []string{"a"}, DNS: domain.DNSProvider{Kind: domain.DNSRFC2136},
	}
	domains := []domain.ExternalDomain{zone}
	wildcard := domain.Certificate{
		ID: "w", Names: []string{"*.example.org", "example.org"}, Source: domain.CertificateACME, SiteID: "home", Challenge: domain.DNS01,
		NotAfter: now.AddDate(0, 0, 60),
	}
	single := domain.Certificate{
		ID: "s", Names: []string{"app.example.org"}, Source: domain.CertificateACME, SiteID: "home", Challenge: domain.HTTP01, NotAfter: now.AddDate(0, 0, 60),
	}
	for _, c := range []struct{ host, site, want string }{
		{"app.example.org", "home", "*.example.org example.org"},
		{"example.org", "home", "*.example.org example.org"},
		{"a.b.example.org", "home", "a.b.example.org"},
		{"app.example.org", "away", "app.example.org"},
	} {
		got, ok := domain.CertificateWanted(nil, domains, c.host, c.site, now)
		if !ok || strings.Join(got.Names, " ") != c.want || (got.Challenge == domain.DNS01) != strings.HasPrefix(c.want, "*") {
			t.Errorf("for %s at %s wanted is %v %s", c.host, c.site, got.Names, got.Challenge)
		}
	}
	have := []domain.Certificate{wildcard}
	if _, ok := domain.CertificateWanted(have, domains, "app.example.org", "home", now); ok {
		t.Error("a name that the wildcard covers gets a certificate of its own")
	}
	if !domain.CertificateNeeded(wildcard, have, domains, "app.example.org") || domain.CertificateNeeded(single, append(have, single), domains, "app.example.org") {
		t.Error("a wildcard does not take the place of a certificate for one name")
	}
	for what, change := range map[string]func(*domain.ExternalDomain){
		"nobody may change the zone any more": func(d *domain.ExternalDomain) { d.DNS.Kind = domain.DNSManual },
		"another site is the default one":     func(d *domain.ExternalDomain) { d.SiteID = "away" },
	} {
		changed := zone
		change(&changed)
		now := []domain.ExternalDomain{changed}
		got, ok := domain.CertificateWanted(have, now, "app.example.org", "home", wildcard.NotAfter.AddDate(0, 0, -1))
		if !ok || len(got.Names) != 1 {
			t.Errorf("%s: wanted is %v %v", what, got.Names, ok)
		}
		if domain.CertificateNeeded(wildcard, have, now, "app.example.org") {
			t.Errorf("%s: the wildcard is renewed", what)
		}
	}
}
