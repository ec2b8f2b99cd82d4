//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"berth/e2e/harness"
	"berth/lab/cloudflare"
	"berth/lab/nameserver"
)

// TestPublicDNS publishes names in zones that Berth changes itself, by dynamic updates and by Cloudflare's API, under wildcard
// certificates.
func TestPublicDNS(t *testing.T) {
	p := harness.Start(t, harness.Options{DeadlineScale: 0.1})
	p.Apart()
	edge := p.Gateway()
	p.BerthJSON(nil, "site", "update", "demo", "--public-address", edge)
	p.BerthJSON(nil, "container", "create", "web01", "--image", p.Image("tiny:1"), "--wait")

	for _, zone := range []struct {
		name    string
		change  func(p *harness.Platform, args ...string)
		foreign func(ctx context.Context, name, address string) error
	}{
		{publicDomain, func(p *harness.Platform, args ...string) {
			p.BerthInput(nameserver.KeySecret, append([]string{"domain", "update", publicDomain}, append(args, "--dns", "rfc2136", "--dns-server", p.LabDNS(),
				"--dns-key", strings.TrimSuffix(nameserver.KeyName, "."))...)...)
		}, func(ctx context.Context, name, address string) error {
			return nameserver.Client{Address: p.LabDNS()}.Update(ctx, publicDomain, nil, []string{name + ". 60 IN A " + address})
		}},
		{"cloud.test", func(p *harness.Platform, args ...string) {
			p.BerthInput(cloudflare.Token, append([]string{"domain", "create", "cloud.test", "--acme", "lab"}, append(args,
				"--dns", "cloudflare", "--dns-server", "http://"+p.LabCloudflare()+"/client/v4")...)...)
		}, func(ctx context.Context, name, address string) error {
			return cloudflare.Post(ctx, "http://"+p.LabCloudflare(), cloudflare.Record{Name: name, Type: "A", Content: address, TTL: 60})
		}},
	} {
		t.Run(zone.name, func(t *testing.T) {
			p := p.In(t)
			zone.change(p, "--records-for-all")
			dynamic(t, p, zone.name, edge, func(name, address string) {
				if err := zone.foreign(t.Context(), name, address); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
	t.Run("secrets are nowhere else", func(t *testing.T) {
		p := p.In(t)
		keysStay(t, p)
		walkData(t, p, func(path string, content []byte) {
			for _, secret := range []string{cloudflare.Token, nameserver.KeySecret} {
				if bytes.Contains(content, []byte(secret)) && !strings.Contains(path, "knot.conf") {
					t.Errorf("%s holds %s", path, secret)
				}
			}
		})
		for _, args := range [][]string{{"domain", "list", "-o", "json"}, {"audit", "list", "-o", "json"}} {
			if out, _ := p.Berth(args...); strings.Contains(out, cloudflare.Token) || strings.Contains(out, nameserver.KeySecret) {
				t.Errorf("berth %v shows a secret", args)
			}
		}
	})
	p.BerthJSON(nil, "container", "delete", "web01", "--yes", "--wait")
	clean(t, p)
}

// dynamic publishes names of a zone and looks at public DNS from outside.
func dynamic(t *testing.T, p *harness.Platform, zone, edge string, foreign func(name, address string)) {
	host, second, theirs := "app."+zone, "two."+zone, "theirs."+zone
	p.BerthJSON(nil, "service", "add", "web01", "--http", host, "--port", "80", "--wait")
	wantPublic(t, p, host, dns.TypeA, edge)
	if page, err := trusted(t.Context(), p, host); err != nil || !strings.Contains(page, "hello from web01") {
		t.Errorf("right after the operation %s answers %q: %v", host, page, err)
	}
	wildcard := certificate(t, p, "*."+zone)
	if !slices.Equal(wildcard.Names, []string{"*." + zone, zone}) {
		t.Errorf("the certificate is for %v", wildcard.Names)
	}
	wantPublic(t, p, "_acme-challenge."+zone, dns.TypeTXT)

	// A second name needs no certificate of its own.
	p.BerthJSON(nil, "service", "add", "web01", "--http", second, "--port", "80", "--wait")
	if _, err := trusted(t.Context(), p, second); err != nil {
		t.Errorf("%s: %v", second, err)
	}
	if now := certificate(t, p, "*."+zone); *now.Serial != *wildcard.Serial {
		t.Error("the second name cost another certificate")
	}

	// Records of somebody else are in the way of the first try.
	foreign(theirs, "192.0.2.99")
	_, code := p.Berth("service", "add", "web01", "--http", theirs, "--port", "80", "--wait")
	if out, _ := p.Berth("operation", "list", "-o", "json"); code == 0 || !strings.Contains(out, theirs+" has DNS records that Berth did not make") {
		t.Errorf("a name that somebody else has records for ends with %d: %s", code, out)
	}
	wantPublic(t, p, theirs, dns.TypeA, "192.0.2.99")

	stop := hammer(t, p, host)
	for range 3 {
		renewed(t, p, "*."+zone, func(id string) { p.BerthJSON(nil, "certificate", "renew", id) })
	}
	stop()
	renewed(t, p, "*."+zone, func(id string) {
		p.BerthJSON(nil, "certificate", "renew", id)
		harness.Await(t, 20*time.Second, "an order is open", func(context.Context) error {
			if orders(t, p) == "0" {
				return errors.New("there is none")
			}
			return nil
		})
		p.Restart("worker")
	})
	wantPublic(t, p, "_acme-challenge."+zone, dns.TypeTXT)

	p.BerthJSON(nil, "service", "remove", "web01", second, "--wait")
	wantPublic(t, p, "_berth."+second, dns.TypeTXT)
	wantPublic(t, p, host, dns.TypeA, edge)
}

// wantPublic asks the lab's public DNS.
func wantPublic(t *testing.T, p *harness.Platform, name string, kind uint16, want ...string) {
	t.Helper()
	answer, err := dns.ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(dns.Fqdn(name), kind), p.LabDNS())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, rr := range answer.Answer {
		got = append(got, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s is %q, want %q", name, got, want)
	}
}
