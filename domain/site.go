package domain

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// Site is one layer 2 network with its DHCP range, domain and edges.
type Site struct {
	ID           string
	Name         string
	Domain       string // internal DNS domain, such as "demo.internal"
	CIDR         string // network, such as "198.18.0.0/24"
	Gateway      string // router given by DHCP
	RangeFirst   string // first address for containers, inclusive
	RangeLast    string // last address for containers, inclusive
	DynamicFirst string // optional sub-range for guests that Berth does not manage, inclusive
	DynamicLast  string
	Nameservers  []string // given by DHCP; empty means the edges' own addresses
	Forwarders   []string // upstream DNS servers, "ip" or "ip#port"; empty means none
	LeaseTime    time.Duration
	PortFirst    int // first external port for tcp and udp services, inclusive; 0 in both means the defaults
	PortLast     int // last external port, inclusive
	// PublicAddresses lead to the edges from outside: IP addresses, or one DNS name. Public records of services point there; with none
	// there are no records.
	PublicAddresses []string
	Desired         int64 // revision that the last change of the site's network made
	Published       int64 // revision that edges may fetch; trails Desired by the debounce
	CreatedAt       time.Time
	Version         int64
}

// DefaultLeaseTime is the DHCP lease time of a site that names none.
const DefaultLeaseTime = 12 * time.Hour

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ValidHostname reports whether s is one lower-case DNS label (RFC 1123), which is what a container may be called.
func ValidHostname(s string) bool { return label.MatchString(s) }

// ValidDomain reports whether s is a lower-case DNS name of at most 253 characters.
func ValidDomain(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for part := range strings.SplitSeq(s, ".") {
		if !label.MatchString(part) {
			return false
		}
	}
	return true
}

// Validate returns every field that breaks a rule.
func (s *Site) Validate() []FieldError {
	var bad []FieldError
	fail := func(field, rule string, args ...any) {
		bad = append(bad, FieldError{field, fmt.Sprintf(rule, args...)})
	}
	if !ValidHostname(s.Name) {
		fail("name", "must be 1 to 63 of a-z, 0-9 and -, and start and end with a letter or digit")
	}
	if !ValidDomain(s.Domain) {
		fail("domain", "must be a lower-case DNS name such as demo.internal")
	}
	network, err := netip.ParsePrefix(s.CIDR)
	if err != nil || !network.Addr().Is4() || network != network.Masked() || network.Bits() < 8 || network.Bits() > 30 {
		fail("cidr", "must be an IPv4 network such as 10.20.0.0/24, with host bits zero and 8 to 30 bits long")
		return bad
	}
	inside := func(field, value string) (netip.Addr, bool) {
		a, err := netip.ParseAddr(value)
		if err != nil || !a.Is4() || !network.Contains(a) || a == network.Addr() || a == lastAddr(network) {
			fail(field, "must be an IPv4 address inside %s, not its network or broadcast address", network)
			return a, false
		}
		return a, true
	}
	inside("gateway", s.Gateway)
	first, ok1 := inside("rangeFirst", s.RangeFirst)
	last, ok2 := inside("rangeLast", s.RangeLast)
	if ok1 && ok2 && last.Less(first) {
		fail("rangeLast", "must not be below rangeFirst")
	}
	if (s.DynamicFirst == "") != (s.DynamicLast == "") {
		fail("dynamicLast", "must be given together with dynamicFirst")
	} else if s.DynamicFirst != "" {
		df, ok3 := inside("dynamicFirst", s.DynamicFirst)
		dl, ok4 := inside("dynamicLast", s.DynamicLast)
		if ok3 && ok4 && dl.Less(df) {
			fail("dynamicLast", "must not be below dynamicFirst")
		}
	}
	for i, f := range s.Nameservers {
		if a, err := netip.ParseAddr(f); err != nil || !a.Is4() {
			fail(fmt.Sprintf("nameservers[%d]", i), "must be an IPv4 address")
		}
	}
	for i, f := range s.Forwarders {
		if !validForwarder(f) {
			fail(fmt.Sprintf("forwarders[%d]", i), "must be an IP address, optionally followed by #port")
		}
	}
	if s.LeaseTime != 0 && s.LeaseTime < 2*time.Minute {
		fail("leaseTime", "must be at least 2m, the shortest that dnsmasq accepts")
	}
	if rule, ok := validPublicAddresses(s.PublicAddresses); !ok {
		fail("publicAddresses", "%s", rule)
	}
	if s.PortFirst == 0 && s.PortLast == 0 {
		return bad // the defaults
	}
	if s.PortFirst < 1 || s.PortFirst > 65535 {
		fail("portFirst", "must be between 1 and 65535")
	}
	if s.PortLast < s.PortFirst || s.PortLast > 65535 {
		fail("portLast", "must be between portFirst and 65535")
	}
	return bad
}

func validForwarder(f string) bool {
	host, port, found := strings.Cut(f, "#")
	if found {
		var n int
		if _, err := fmt.Sscanf(port, "%d", &n); err != nil || fmt.Sprint(n) != port || n < 1 || n > 65535 {
			return false
		}
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

func lastAddr(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		a[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(a)
}

// Allocatable calls yield for each address that a container of the site may hold, lowest first, until yield returns
// false. The gateway and the dynamic sub-range are left out; what nodes and edges hold is for the caller to leave out.
func (s *Site) Allocatable(yield func(netip.Addr) bool) {
	p := s.pool()
	for a := p.first; a.IsValid() && !p.last.Less(a); a = a.Next() {
		if p.holds(a) && !yield(a) {
			return
		}
	}
}

// Contains reports whether addr belongs to the addresses that containers of the site may hold.
func (s *Site) Contains(addr string) bool {
	a, err := netip.ParseAddr(addr)
	return err == nil && s.pool().holds(a)
}

// pool is a site's range, parsed; the zero value holds nothing.
type pool struct{ first, last, gateway, dynamicFirst, dynamicLast netip.Addr }

func (s *Site) pool() pool {
	var p pool
	var err1, err2 error
	p.first, err1 = netip.ParseAddr(s.RangeFirst)
	p.last, err2 = netip.ParseAddr(s.RangeLast)
	if err1 != nil || err2 != nil {
		return pool{}
	}
	// What is not given stays the zero Addr, which equals no address.
	p.gateway, _ = netip.ParseAddr(s.Gateway)
	p.dynamicFirst, _ = netip.ParseAddr(s.DynamicFirst)
	p.dynamicLast, _ = netip.ParseAddr(s.DynamicLast)
	return p
}

func (p pool) holds(a netip.Addr) bool {
	if !p.first.IsValid() || a.Less(p.first) || p.last.Less(a) || a == p.gateway {
		return false
	}
	dynamic := p.dynamicFirst.IsValid() && !a.Less(p.dynamicFirst) && !p.dynamicLast.Less(a)
	return !dynamic
}

// PortRange returns the external ports of the site for people, such as "2000-2999".
func (s *Site) PortRange() string { return fmt.Sprintf("%d-%d", s.PortFirst, s.PortLast) }

// SameMAC reports whether two MAC addresses are the same, however they are written.
func SameMAC(a, b string) bool {
	x, err1 := net.ParseMAC(a)
	y, err2 := net.ParseMAC(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}
