package domain

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DNSProvider says who answers for the public zone of an external domain, and how Berth changes records there.
type DNSProvider struct {
	Kind DNSProviderKind
	// Server is, for rfc2136, host and port of the zone's primary name server; for cloudflare the URL of the API, empty for their own.
	Server       string
	KeyName      string // of the TSIG key (RFC 8945); rfc2136 only
	KeyAlgorithm string // of the TSIG key, such as "hmac-sha256"; rfc2136 only
	Secret       Secret // TSIG key in base64, or API token; empty in everything that is read but for Store.DNSProvider
}

// DNSProviderKind is how records of a public zone are changed.
type DNSProviderKind string

// The kinds of provider.
const (
	DNSManual     DNSProviderKind = "manual"     // by an administrator; Berth only says what is wanted
	DNSCloudflare DNSProviderKind = "cloudflare" // by Cloudflare's API
	DNSRFC2136    DNSProviderKind = "rfc2136"    // by dynamic updates (RFC 2136) signed with a TSIG key
)

// Writes reports whether Berth changes records itself.
func (p DNSProvider) Writes() bool { return p.Kind == DNSCloudflare || p.Kind == DNSRFC2136 }

// DefaultTSIGAlgorithm is that of a TSIG key whose algorithm is not given.
const DefaultTSIGAlgorithm = "hmac-sha256"

// TSIGAlgorithms are those that a TSIG key may have (RFC 8945, section 6; those on MD5 and SHA-1 are not offered).
func TSIGAlgorithms() []string {
	return []string{"hmac-sha224", DefaultTSIGAlgorithm, "hmac-sha384", "hmac-sha512"}
}

// CleanDNSProvider brings what a person gave into the one form that is kept, and returns every field that breaks a rule. A secret that is
// left out is the one from before, if it is not to go to somebody else.
func CleanDNSProvider(p, before DNSProvider) (DNSProvider, []FieldError) {
	var bad []FieldError
	fail := func(field, rule string, args ...any) {
		bad = append(bad, FieldError{"dns." + field, fmt.Sprintf(rule, args...)})
	}
	only := func(field, value, who string) {
		if value != "" {
			fail(field, "is for %s only", who)
		}
	}
	p.Kind = cmp.Or(p.Kind, DNSManual)
	if _, _, err := net.SplitHostPort(p.Server); p.Kind == DNSRFC2136 && err != nil && p.Server != "" {
		p.Server = net.JoinHostPort(strings.Trim(p.Server, "[]"), "53")
	}
	if p.Secret == "" && p.Writes() && p.Kind == before.Kind && p.Server == before.Server {
		p.Secret = before.Secret
	}
	switch p.Kind {
	case DNSManual:
		only("server", p.Server, "cloudflare and rfc2136")
		only("secret", p.Secret.Reveal(), "cloudflare and rfc2136")
	case DNSCloudflare:
		u, err := url.Parse(p.Server)
		if p.Server != "" && (err != nil || !httpsOrLoopback(u) || u.User != nil || u.RawQuery != "" || u.Fragment != "") {
			fail("server", "must be the https URL of the API, or empty for Cloudflare's own")
		}
		if p.Secret == "" {
			fail("secret", "must be an API token with Zone:Read and DNS:Edit for the zone")
		} else if strings.ContainsFunc(p.Secret.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
			fail("secret", "must be an API token: printable ASCII without spaces")
		}
	case DNSRFC2136:
		host, port, err := net.SplitHostPort(p.Server)
		if n, wrong := strconv.ParseUint(port, 10, 16); err != nil || wrong != nil || n == 0 || host == "" || strings.ContainsAny(host, "/ ") {
			fail("server", "must be host or host:port of the zone's primary name server")
		}
		p.KeyName = strings.TrimSuffix(strings.ToLower(p.KeyName), ".")
		if !ValidDomain(p.KeyName) {
			fail("keyName", "must be the name of the TSIG key, such as berth")
		}
		p.KeyAlgorithm = cmp.Or(p.KeyAlgorithm, DefaultTSIGAlgorithm)
		if !slices.Contains(TSIGAlgorithms(), p.KeyAlgorithm) {
			fail("keyAlgorithm", "must be one of %s", strings.Join(TSIGAlgorithms(), ", "))
		}
		raw, err := base64.StdEncoding.DecodeString(p.Secret.Reveal())
		if err != nil || len(raw) == 0 {
			fail("secret", "must be the TSIG key in base64, as the name server's configuration has it")
		}
	default:
		fail("provider", "must be %s, %s or %s", DNSManual, DNSCloudflare, DNSRFC2136)
	}
	if p.Kind != DNSRFC2136 {
		only("keyName", p.KeyName, "rfc2136")
		only("keyAlgorithm", p.KeyAlgorithm, "rfc2136")
	}
	return p, bad
}

// httpsOrLoopback reports whether a secret may be sent to a URL.
func httpsOrLoopback(u *url.URL) bool {
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() != "" && (u.Scheme == "https" || u.Scheme == "http" && err == nil && ip.IsLoopback())
}

// DNSRecord is a record of a public zone.
type DNSRecord struct {
	Name  string `json:"name"` // without a final dot
	Type  string `json:"type"` // A, AAAA or CNAME
	Value string `json:"value"`
}

// String shows the record as a zone file has it.
func (r DNSRecord) String() string { return r.Name + " " + r.Type + " " + r.Value }

// validPublicAddresses returns the rule that the public addresses of a site break.
func validPublicAddresses(all []string) (rule string, ok bool) {
	const want = "must be public IP addresses, or one DNS name that leads to the edges"
	for _, a := range all {
		if ip, err := netip.ParseAddr(a); err == nil && ip.Zone() == "" && ip.String() == a {
			continue
		}
		if name, err := PublicName(a); len(all) != 1 || err != nil || name != a {
			return want, false
		}
	}
	return "", true
}

// PublicRecords returns the records that lead a public name to the edges of a site: none when the site has no public addresses.
func (s *Site) PublicRecords(name string) []DNSRecord {
	var all []DNSRecord
	for _, a := range s.PublicAddresses {
		ip, err := netip.ParseAddr(a)
		switch {
		case err != nil:
			all = append(all, DNSRecord{name, "CNAME", a})
		case ip.Is4():
			all = append(all, DNSRecord{name, "A", a})
		default:
			all = append(all, DNSRecord{name, "AAAA", a})
		}
	}
	return all
}

// RecordsAt reports whether names of the domain that a site serves need records of their own: those of another site than the default
// one, or of all sites if the domain asks for it.
func (d ExternalDomain) RecordsAt(siteID string) bool {
	return d.ID != "" && (d.RecordsForAll || d.SiteID != siteID)
}

// PublishedName is a public name that Berth keeps records for, in a zone that it may change.
type PublishedName struct {
	Name        string
	DomainID    string // external domain
	ContainerID string
	Records     []DNSRecord // that the name is to have; empty when they are to be taken away
	Message     string      // why the provider refused them, in its words; empty once it has them
	TriedAt     time.Time   // when that was last tried
	CheckedAt   time.Time   // when the provider was last seen to have them; zero before it took them
}

// Written reports whether the provider has the records.
func (p PublishedName) Written() bool { return !p.CheckedAt.IsZero() }

// Has reports whether the provider is known to have the records that are wanted.
func (p PublishedName) Has(wanted PublishedName) bool {
	return p.Written() && p.DomainID == wanted.DomainID && p.ContainerID == wanted.ContainerID && slices.Equal(p.Records, wanted.Records)
}
