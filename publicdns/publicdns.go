// Package publicdns changes records of public DNS zones: addresses of published names, and what certificate authorities want to see.
// It stores nothing. Of a name's records it touches only those that it made itself, which a TXT record beside the name tells.
package publicdns

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"

	"berth/domain"
)

// Zone is a public zone that Berth may change. Every call can be repeated. Errors are domain.Unavailable when they heal by themselves,
// domain.Conflict when records of somebody else are in the way, and domain.Permanent when the provider refuses.
type Zone interface {
	// Check asks the provider whether the zone is there and may be changed.
	Check(ctx context.Context) error
	// Publish makes a name have these records, which are for it and of type A, AAAA or CNAME, and no others of these types. A name that
	// has just these from somebody else stays theirs.
	Publish(ctx context.Context, name string, records []domain.DNSRecord) error
	// Withdraw takes away the records that Publish made; those of somebody else stay.
	Withdraw(ctx context.Context, name string) error
	// AddText adds a TXT record beside those that the name has.
	AddText(ctx context.Context, name, value string) error
	// RemoveText takes away the TXT record with a value.
	RemoveText(ctx context.Context, name, value string) error
	// Lacking names the authoritative name servers of the zone that do not answer with a TXT record. Those that cannot be reached from
	// here do not count: they may well be from elsewhere.
	Lacking(ctx context.Context, name, value string) ([]string, error)
}

// Network is how providers are reached.
type Network struct {
	HTTP http.RoundTripper
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Open returns the zone of an external domain. owner tells installations apart that share a zone. Nothing is sent yet.
func Open(name string, p domain.DNSProvider, owner string, n Network) (Zone, error) {
	switch p.Kind {
	case domain.DNSCloudflare:
		return openCloudflare(name, p, owner, n), nil
	case domain.DNSRFC2136:
		return &dynamic{name: name, provider: p, owner: owner, network: n}, nil
	}
	return nil, domain.Errorf(domain.Permanent, "external domain %s has no DNS provider that Berth could change records with", name)
}

// TTLs of what is written, in seconds: short enough that a container that moves to another site is found there soon.
const (
	addressTTL = 300
	textTTL    = 60
)

// addressTypes are the types that Publish looks after.
var addressTypes = []string{"A", "AAAA", "CNAME"} //nolint:gochecknoglobals // data

// ownerName is the name of the TXT record that says whose the records of a name are. It is beside and not at the name, since nothing may
// be beside a CNAME.
func ownerName(name string) string { return "_berth." + name }

func ownerValue(owner string) string { return "heritage=berth,owner=" + owner }

// foreign is the error of a name that somebody else has records for.
func foreign(name string, have []domain.DNSRecord) error {
	found := make([]string, len(have))
	for i, r := range have {
		found[i] = r.String()
	}
	if len(found) == 0 {
		found = []string{"of other types"}
	}
	return domain.Errorf(domain.Conflict,
		"%s has DNS records that Berth did not make (%s). Remove them, or publish another name.", name, strings.Join(found, ", "))
}

// same reports whether two sets of records are equal.
func same(a, b []domain.DNSRecord) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(r domain.DNSRecord) bool { return !slices.Contains(b, r) })
}
