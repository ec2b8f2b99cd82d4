package publicdns_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"berth/domain"
	"berth/lab/cloudflare"
	"berth/lab/nameserver"
	"berth/process"
	"berth/publicdns"
)

const zone = "demo.test"

// world is a zone that can be changed, and what an outsider sees of it and can do to it.
type world struct {
	provider domain.DNSProvider
	server   string // name server that answers for the zone
	foreign  func(t *testing.T, name, kind, value string)
}

func network() publicdns.Network {
	var d net.Dialer
	return publicdns.Network{HTTP: http.DefaultTransport, Dial: d.DialContext}
}

func (w world) open(t *testing.T, owner string) publicdns.Zone {
	t.Helper()
	z, err := publicdns.Open(zone, w.provider, owner, network())
	must(t, err)
	return z
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// look asks the name server itself.
func (w world) look(t *testing.T, name, kind string) (found []string) {
	t.Helper()
	m := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.StringToType[kind])
	answer, err := dns.ExchangeContext(t.Context(), m, w.server)
	must(t, err)
	for _, rr := range answer.Answer {
		found = append(found, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return found
}

func (w world) want(t *testing.T, name, kind string, want ...string) {
	t.Helper()
	if got := w.look(t, name, kind); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("%s %s is %q, want %q", name, kind, got, want)
	}
}

// knot starts the lab's name server.
func knot(t *testing.T) world {
	t.Helper()
	if _, err := exec.LookPath("knotd"); err != nil {
		t.Fatal("knotd is missing: make install")
	}
	addresses, err := process.FreeAddresses(1)
	must(t, err)
	s, err := nameserver.Start(t.Context(), nameserver.Config{
		Dir: t.TempDir(), Listen: addresses[0], Zones: []string{zone}, Address: netip.MustParseAddr("192.0.2.1"), Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	t.Cleanup(s.Stop)
	return world{
		provider: domain.DNSProvider{
			Kind: domain.DNSRFC2136, Server: addresses[0], KeyName: strings.TrimSuffix(nameserver.KeyName, "."),
			KeyAlgorithm: domain.DefaultTSIGAlgorithm, Secret: nameserver.KeySecret,
		},
		server: addresses[0],
		foreign: func(t *testing.T, name, kind, value string) {
			t.Helper()
			must(t, s.Update(t.Context(), zone, nil, []string{name + ". 60 IN " + kind + " " + value}))
		},
	}
}

// double starts the double of Cloudflare before the lab's name server.
func double(t *testing.T) (world, *cloudflare.Server) {
	t.Helper()
	w := knot(t)
	s := &nameserver.Client{Address: w.server}
	api, err := cloudflare.Start(cloudflare.Config{
		Listen: "127.0.0.1:0", Zone: zone, Nameservers: []string{"ns." + zone},
		Apply: func(remove, add []cloudflare.Record) error {
			return s.Update(context.WithoutCancel(t.Context()), zone, cloudflare.Lines(remove), cloudflare.Lines(add))
		},
	})
	must(t, err)
	t.Cleanup(func() { _ = api.Stop() })
	w.provider = domain.DNSProvider{Kind: domain.DNSCloudflare, Server: api.URL(), Secret: cloudflare.Token}
	w.foreign = func(t *testing.T, name, kind, value string) {
		t.Helper()
		must(t, api.Add(cloudflare.Record{Name: name, Type: kind, Content: strings.TrimSuffix(value, "."), TTL: 60}))
	}
	return w, api
}

func TestZones(t *testing.T) {
	t.Parallel()
	for kind, start := range map[domain.DNSProviderKind]func(*testing.T) world{
		domain.DNSRFC2136:    knot,
		domain.DNSCloudflare: func(t *testing.T) world { t.Helper(); w, _ := double(t); return w },
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := start(t)
			t.Run("addresses", func(t *testing.T) { addresses(t, w) })
			t.Run("names of others", func(t *testing.T) { others(t, w) })
			t.Run("texts", func(t *testing.T) { texts(t, w) })
		})
	}
}

func record(name, kind, value string) domain.DNSRecord {
	return domain.DNSRecord{Name: name, Type: kind, Value: value}
}

func addresses(t *testing.T, w world) {
	z, name := w.open(t, "one"), "app."+zone
	for range 2 { // it may be repeated
		must(t, z.Publish(t.Context(), name, []domain.DNSRecord{record(name, "A", "192.0.2.7"), record(name, "AAAA", "2001:db8::7")}))
		w.want(t, name, "A", "192.0.2.7")
		w.want(t, name, "AAAA", "2001:db8::7")
	}
	w.want(t, "_berth."+name, "TXT", `"heritage=berth,owner=one"`)
	must(t, z.Publish(t.Context(), name, []domain.DNSRecord{record(name, "A", "192.0.2.8")}))
	w.want(t, name, "A", "192.0.2.8")
	w.want(t, name, "AAAA")
	must(t, z.Publish(t.Context(), name, []domain.DNSRecord{record(name, "CNAME", "edge.example.net")}))
	w.want(t, name, "CNAME", "edge.example.net.")
	for range 2 {
		must(t, z.Withdraw(t.Context(), name))
		w.want(t, name, "CNAME")
		w.want(t, name, "A", "192.0.2.1") // the zone's wildcard again
		w.want(t, "_berth."+name, "TXT")
	}
}

func others(t *testing.T, w world) {
	z := w.open(t, "one")
	theirs := "theirs." + zone
	w.foreign(t, theirs, "A", "192.0.2.99")
	for _, kind := range []domain.DNSRecord{record(theirs, "A", "192.0.2.7"), record(theirs, "CNAME", "edge.example.net")} {
		err := z.Publish(t.Context(), theirs, []domain.DNSRecord{kind})
		if !domain.Is(err, domain.Conflict) || !strings.Contains(err.Error(), theirs+" A 192.0.2.99") {
			t.Errorf("a name of somebody else: %v", err)
		}
	}
	must(t, z.Publish(t.Context(), theirs, []domain.DNSRecord{record(theirs, "A", "192.0.2.99")})) // just what they have
	must(t, z.Withdraw(t.Context(), theirs))
	w.want(t, theirs, "A", "192.0.2.99")

	mail := "mail." + zone
	w.foreign(t, mail, "TXT", `"v=spf1 -all"`)
	must(t, z.Publish(t.Context(), mail, []domain.DNSRecord{record(mail, "A", "192.0.2.7")}))
	must(t, z.Withdraw(t.Context(), mail))
	w.want(t, mail, "TXT", `"v=spf1 -all"`)
	if err := z.Publish(t.Context(), mail, []domain.DNSRecord{record(mail, "CNAME", "edge.example.net")}); err == nil {
		t.Error("a CNAME beside records of others is taken as published")
	}
	w.want(t, mail, "TXT", `"v=spf1 -all"`)

	shared := "shared." + zone
	must(t, z.Publish(t.Context(), shared, []domain.DNSRecord{record(shared, "A", "192.0.2.7")}))
	other := w.open(t, "two")
	if err := other.Publish(t.Context(), shared, []domain.DNSRecord{record(shared, "A", "192.0.2.8")}); !domain.Is(err, domain.Conflict) {
		t.Errorf("a name of another installation: %v", err)
	}
	must(t, other.Withdraw(t.Context(), shared))
	w.want(t, shared, "A", "192.0.2.7")
}

func texts(t *testing.T, w world) {
	z, name := w.open(t, "one"), "_acme-challenge."+zone
	for _, value := range []string{"first", "second", "first"} {
		must(t, z.AddText(t.Context(), name, value))
	}
	w.want(t, name, "TXT", `"first"`, `"second"`)
	lacking, err := z.Lacking(t.Context(), name, "third")
	if w.provider.Kind == domain.DNSRFC2136 && (err != nil || strings.Join(lacking, "") != w.server) {
		t.Errorf("what is not there is lacking at %q: %v", lacking, err)
	}
	if lacking, err := z.Lacking(t.Context(), name, "first"); err != nil || len(lacking) > 0 {
		t.Errorf("what is there is lacking at %q: %v", lacking, err)
	}
	for range 2 {
		must(t, z.RemoveText(t.Context(), name, "first"))
		w.want(t, name, "TXT", `"second"`)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w, api := double(t)
	knot := knot(t)
	name := "app." + zone
	try := func(change func(*domain.DNSProvider), p domain.DNSProvider, domainName string) error {
		change(&p)
		z, err := publicdns.Open(domainName, p, "one", network())
		must(t, err)
		return z.Publish(t.Context(), "app."+domainName, []domain.DNSRecord{record("app."+domainName, "A", "192.0.2.7")})
	}
	same := func(*domain.DNSProvider) {}
	for _, c := range []struct {
		what string
		err  error
		kind domain.Kind
		says string
	}{
		{"wrong key", try(func(p *domain.DNSProvider) {
			p.Secret = domain.Secret(base64.StdEncoding.EncodeToString([]byte("wrong")))
		}, knot.provider, zone), domain.Permanent, "TSIG key berth-lab"},
		{"unknown key", try(func(p *domain.DNSProvider) { p.KeyName = "nobody" }, knot.provider, zone), domain.Permanent, "TSIG key nobody"},
		{"another zone", try(same, knot.provider, "example.com"), domain.Permanent, "refuses"},
		{"nobody listens", try(func(p *domain.DNSProvider) { p.Server = "127.0.0.9:1" }, knot.provider, zone), domain.Unavailable, "cannot be reached"},
		{"wrong token", try(func(p *domain.DNSProvider) { p.Secret = "wrong" }, w.provider, zone), domain.Permanent, "Authentication error (10000)"},
		{"no such zone", try(same, w.provider, "example.com"), domain.Permanent, "no zone for example.com"},
		{"no API", try(func(p *domain.DNSProvider) { p.Server = "http://127.0.0.9:1" }, w.provider, zone), domain.Unavailable, "cannot be reached"},
	} {
		if !domain.Is(c.err, c.kind) || !strings.Contains(domain.Words(c.err), c.says) {
			t.Errorf("%s: %v (%s), want %s with %q", c.what, c.err, domain.KindOf(c.err), c.kind, c.says)
		}
		if c.err != nil && strings.Contains(c.err.Error(), cloudflare.Token) {
			t.Errorf("%s: the error has the token", c.what)
		}
	}
	api.Break(cloudflare.Fault{Status: http.StatusTooManyRequests, Count: 1, RetryAfter: 7})
	var limited *domain.Error
	if err := try(same, w.provider, zone); !errors.As(err, &limited) || limited.Kind != domain.Unavailable || limited.RetryAfter.Seconds() != 7 {
		t.Errorf("a rate limit: %v", err)
	}
	api.Break(cloudflare.Fault{Status: http.StatusBadGateway, Count: 1})
	if err := try(same, w.provider, zone); !domain.Is(err, domain.Unavailable) {
		t.Errorf("a broken API: %v", err)
	}
	must(t, try(same, w.provider, zone)) // and the next time it works
	w.want(t, name, "A", "192.0.2.7")
	if _, err := publicdns.Open(zone, domain.DNSProvider{Kind: domain.DNSManual}, "one", network()); !domain.Is(err, domain.Permanent) {
		t.Errorf("a zone that nobody may change: %v", err)
	}
}
