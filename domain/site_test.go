package domain_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
)

func demo() domain.Site {
	return domain.Site{
		Name: "demo", Domain: "demo.internal", CIDR: "10.20.0.0/24", Gateway: "10.20.0.1",
		RangeFirst: "10.20.0.10", RangeLast: "10.20.0.20", LeaseTime: domain.DefaultLeaseTime,
	}
}

func TestSiteValidate(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*domain.Site)
		want   []string
	}{
		{"good", func(*domain.Site) {}, nil},
		{"everything", func(s *domain.Site) {
			s.DynamicFirst, s.DynamicLast = "10.20.0.100", "10.20.0.199"
			s.Nameservers, s.Forwarders = []string{"10.20.0.2"}, []string{"9.9.9.9", "127.0.0.1#5353", "2620:fe::fe"}
		}, nil},
		{"range of one", func(s *domain.Site) { s.RangeLast = s.RangeFirst }, nil},
		{"shortest lease", func(s *domain.Site) { s.LeaseTime = 2 * time.Minute }, nil},
		{"default lease", func(s *domain.Site) { s.LeaseTime = 0 }, nil},
		{"lease too short", func(s *domain.Site) { s.LeaseTime = 119 * time.Second }, []string{"leaseTime"}},
		{"names", func(s *domain.Site) { s.Name, s.Domain = "De mo", "Demo.internal" }, []string{"domain", "name"}},
		{"no network", func(s *domain.Site) { s.CIDR = "" }, []string{"cidr"}},
		{"host bits", func(s *domain.Site) { s.CIDR = "10.20.0.1/24" }, []string{"cidr"}},
		{"IPv6", func(s *domain.Site) { s.CIDR = "fd00::/64" }, []string{"cidr"}},
		{"too small", func(s *domain.Site) { s.CIDR = "10.20.0.0/31" }, []string{"cidr"}},
		{"too large", func(s *domain.Site) { s.CIDR = "10.0.0.0/7" }, []string{"cidr"}},
		{"gateway elsewhere", func(s *domain.Site) { s.Gateway = "10.21.0.1" }, []string{"gateway"}},
		{"gateway is the network", func(s *domain.Site) { s.Gateway = "10.20.0.0" }, []string{"gateway"}},
		{"range ends with broadcast", func(s *domain.Site) { s.RangeLast = "10.20.0.255" }, []string{"rangeLast"}},
		{"broadcast of an odd network", func(s *domain.Site) {
			s.CIDR, s.RangeLast = "10.20.0.0/27", "10.20.0.31"
		}, []string{"rangeLast"}},
		{"range upside down", func(s *domain.Site) { s.RangeFirst, s.RangeLast = s.RangeLast, s.RangeFirst }, []string{"rangeLast"}},
		{"no range", func(s *domain.Site) { s.RangeFirst, s.RangeLast = "", "" }, []string{"rangeFirst", "rangeLast"}},
		{"half a dynamic range", func(s *domain.Site) { s.DynamicFirst = "10.20.0.100" }, []string{"dynamicLast"}},
		{"dynamic range upside down", func(s *domain.Site) {
			s.DynamicFirst, s.DynamicLast = "10.20.0.199", "10.20.0.100"
		}, []string{"dynamicLast"}},
		{"dynamic range elsewhere", func(s *domain.Site) {
			s.DynamicFirst, s.DynamicLast = "10.21.0.1", "10.21.0.9"
		}, []string{"dynamicFirst", "dynamicLast"}},
		{"nameservers", func(s *domain.Site) {
			s.Nameservers = []string{"10.20.0.2", "dns", "fd00::1"}
		}, []string{"nameservers[1]", "nameservers[2]"}},
		{"forwarders", func(s *domain.Site) {
			s.Forwarders = []string{"9.9.9.9#53", "9.9.9.9#0", "9.9.9.9#65536", "9.9.9.9#53x", "9.9.9.9#", "dns.example#53"}
		}, []string{"forwarders[1]", "forwarders[2]", "forwarders[3]", "forwarders[4]", "forwarders[5]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := demo()
			c.change(&s)
			if d := cmp.Diff(c.want, offending(s.Validate())); d != "" {
				t.Errorf("offending fields differ (-want +got):\n%s", d)
			}
		})
	}
}

func TestAllocatable(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*domain.Site)
		want   string // last bytes of the addresses
	}{
		{"range alone", func(*domain.Site) {}, "10 11 12 13 14 15 16 17 18 19 20"},
		{"gateway inside", func(s *domain.Site) { s.Gateway = "10.20.0.12" }, "10 11 13 14 15 16 17 18 19 20"},
		{"dynamic inside", func(s *domain.Site) { s.DynamicFirst, s.DynamicLast = "10.20.0.12", "10.20.0.18" }, "10 11 19 20"},
		{"dynamic across the end", func(s *domain.Site) { s.DynamicFirst, s.DynamicLast = "10.20.0.13", "10.20.0.99" }, "10 11 12"},
		{"dynamic takes all", func(s *domain.Site) { s.DynamicFirst, s.DynamicLast = "10.20.0.2", "10.20.0.99" }, ""},
		{"not a range", func(s *domain.Site) { s.RangeLast = "" }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := demo()
			c.change(&s)
			var got []string
			for a := range s.Allocatable {
				got = append(got, strings.TrimPrefix(a.String(), "10.20.0."))
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("offers %v, want %v", got, c.want)
			}
			for i := range 256 {
				a := netip.AddrFrom4([4]byte{10, 20, 0, byte(i)}).String()
				listed := strings.Contains(" "+c.want+" ", " "+strings.TrimPrefix(a, "10.20.0.")+" ")
				if s.Contains(a) != listed {
					t.Errorf("Contains(%s) is %v, want %v", a, !listed, listed)
				}
			}
		})
	}
}

func TestAllocatableStopsWhenAsked(t *testing.T) {
	s := demo()
	var seen int
	for range s.Allocatable {
		if seen++; seen == 3 {
			break
		}
	}
	if seen != 3 {
		t.Errorf("saw %d addresses, want 3", seen)
	}
}

func TestContainsRefusesWhatIsNoAddress(t *testing.T) {
	s := demo()
	for _, a := range []string{"", "web01", "10.20.0.10/24", "::ffff:10.20.0.10", "fd00::10", "10.21.0.10"} {
		if s.Contains(a) {
			t.Errorf("contains %q", a)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]struct{ hostname, domain bool }{
		"web01": {true, true}, "a": {true, true}, "0": {true, true}, "a-b": {true, true}, strings.Repeat("a", 63): {true, true},
		"demo.internal": {false, true}, "a.b.c": {false, true},
		"": {false, false}, "Web01": {false, false}, "-a": {false, false}, "a-": {false, false}, "a_b": {false, false},
		"ä": {false, false}, "a\n": {false, false}, "a b": {false, false}, strings.Repeat("a", 64): {false, false},
		"a..b": {false, false}, ".a": {false, false}, "a.": {false, false}, strings.Repeat("abcdefg.", 32) + "a": {false, false},
	} {
		if got := domain.ValidHostname(name); got != want.hostname {
			t.Errorf("ValidHostname(%q) is %v", name, got)
		}
		if got := domain.ValidDomain(name); got != want.domain {
			t.Errorf("ValidDomain(%q) is %v", name, got)
		}
	}
}

func TestSameMAC(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"BC:24:11:00:00:01", "bc:24:11:00:00:01", true},
		{"bc-24-11-00-00-01", "bc:24:11:00:00:01", true},
		{"bc:24:11:00:00:01", "bc:24:11:00:00:02", false},
		{"", "", false},
		{"bc:24:11", "bc:24:11", false},
	} {
		if got := domain.SameMAC(c.a, c.b); got != c.want {
			t.Errorf("SameMAC(%q, %q) is %v", c.a, c.b, got)
		}
	}
}
