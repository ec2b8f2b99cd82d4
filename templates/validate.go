package templates

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"berth/domain"
)

// Problem is a host that is left out because it cannot be served.
type Problem struct {
	ID     string // container, or empty for the name of a node or edge
	Name   string
	Reason string
}

// String returns the problem in one line, for people. What the snapshot said is quoted, so it cannot forge lines.
func (p Problem) String() string {
	return fmt.Sprintf("%q is left out: %s", p.Name, p.Reason)
}

var (
	hostID     = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`) // as domain.NewID makes them; it is a file name here
	macAddress = regexp.MustCompile(`^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$`)       // unicast
)

// ValidateSnapshot returns what of a snapshot can be served, sorted and in canonical spelling, and the hosts that are
// left out. dnsmasq never checks its hosts files, so this is the only guard against a line that means something else.
// Of two hosts that claim the same thing the one with the lower ID, which is the older, keeps it; nodes and edges come
// before containers. The error is of kind Invalid, when the site's own data cannot be served at all.
func ValidateSnapshot(s domain.Snapshot) (good domain.Snapshot, left []Problem, err error) {
	site := domain.Site{
		Name: s.Site, Domain: s.Domain, CIDR: s.CIDR, Gateway: s.Gateway, RangeFirst: s.RangeFirst, RangeLast: s.RangeLast,
		DynamicFirst: s.DynamicFirst, DynamicLast: s.DynamicLast, Nameservers: s.Nameservers, Forwarders: s.Forwarders,
		LeaseTime: time.Duration(s.LeaseSeconds) * time.Second,
	}
	bad := site.Validate()
	for i, f := range s.Forwarders {
		if strings.Contains(f, "%") {
			bad = append(bad, domain.FieldError{Field: fmt.Sprintf("forwarders[%d]", i), Rule: "must not name a zone"})
		}
	}
	if err := domain.InvalidFields("site "+fmt.Sprintf("%q", s.Site), bad); err != nil {
		return domain.Snapshot{}, nil, err
	}
	good = s
	seen := claims{gateway: s.Gateway, network: netip.MustParsePrefix(s.CIDR), by: map[string]string{}}
	good.Names, left = seen.names(s.Names)
	hosts, more := seen.hosts(s.Hosts)
	good.Hosts = hosts
	return good, append(left, more...), nil
}

// claims remembers who holds a name, address, MAC or ID.
type claims struct {
	gateway string
	network netip.Prefix
	by      map[string]string // "kind value" -> name of the holder
}

// take claims a value, or says who has it.
func (c *claims) take(kind, value, name string) string {
	if holder, taken := c.by[kind+" "+value]; taken {
		return fmt.Sprintf("%s %s is held by %q", kind, value, holder)
	}
	c.by[kind+" "+value] = name
	return ""
}

func (c *claims) names(all []domain.HostName) (good []domain.HostName, left []Problem) {
	all = slices.Clone(all)
	for i := range all {
		all[i].Name = strings.ToLower(all[i].Name) // Proxmox VE allows capitals in the names of nodes
	}
	slices.SortStableFunc(all, func(a, b domain.HostName) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address))
	})
	for _, n := range slices.Compact(all) {
		var reason string
		switch {
		case !domain.ValidHostname(n.Name):
			reason = "it is no host name"
		case !isIPv4(n.Address):
			reason = fmt.Sprintf("%q is no IPv4 address", n.Address)
		default:
			reason = c.take("name", n.Name, n.Name)
		}
		if reason != "" {
			left = append(left, Problem{Name: n.Name, Reason: reason})
			continue
		}
		c.by["address "+n.Address] = n.Name // a node may well be an edge too: both names stand
		good = append(good, n)
	}
	return good, left
}

func (c *claims) hosts(all []domain.Host) (good []domain.Host, left []Problem) {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b domain.Host) int { return cmp.Compare(a.ID, b.ID) })
	for _, h := range all {
		h.MAC = strings.ToLower(h.MAC)
		reason := c.wrong(h)
		if reason == "" {
			reason = c.claim(h)
		}
		if reason != "" {
			left = append(left, Problem{ID: h.ID, Name: h.Hostname, Reason: reason})
			continue
		}
		good = append(good, h)
	}
	return good, left
}

// wrong says what is wrong with a host taken by itself.
func (c *claims) wrong(h domain.Host) string {
	switch {
	case !hostID.MatchString(h.ID):
		return fmt.Sprintf("%q is no ID of a container", h.ID)
	case !domain.ValidHostname(h.Hostname):
		return "it is no host name"
	case !isIPv4(h.Address):
		return fmt.Sprintf("%q is no IPv4 address", h.Address)
	case h.MAC != "" && (!macAddress.MatchString(h.MAC) || h.MAC == "00:00:00:00:00:00"):
		return fmt.Sprintf("%q is no MAC address of a host", h.MAC)
	case h.Address == c.gateway:
		return "address " + h.Address + " is the gateway's"
	case h.Address == c.network.Addr().String() || h.Address == broadcast(c.network):
		return "address " + h.Address + " is the network's own"
	}
	return ""
}

// claim takes everything a host needs, or nothing.
func (c *claims) claim(h domain.Host) string {
	wants := [][2]string{{"ID", h.ID}, {"name", h.Hostname}, {"address", h.Address}}
	if h.MAC != "" {
		wants = append(wants, [2]string{"MAC", h.MAC})
	}
	for i, w := range wants {
		if reason := c.take(w[0], w[1], h.Hostname); reason != "" {
			for _, taken := range wants[:i] {
				delete(c.by, taken[0]+" "+taken[1])
			}
			return reason
		}
	}
	return ""
}

func isIPv4(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is4()
}

func between(addr, first, last string) bool {
	a, err1 := netip.ParseAddr(addr)
	lo, err2 := netip.ParseAddr(first)
	hi, err3 := netip.ParseAddr(last)
	return err1 == nil && err2 == nil && err3 == nil && !a.Less(lo) && !hi.Less(a)
}

func broadcast(p netip.Prefix) string {
	a := p.Addr().As4()
	for i := p.Bits(); i < 32; i++ {
		a[i/8] |= 1 << (7 - i%8)
	}
	return netip.AddrFrom4(a).String()
}
