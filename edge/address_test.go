package edge_test

import (
	"net/netip"
	"strings"
	"testing"

	"berth/domain"
	"berth/edge"
)

func TestAddress(t *testing.T) {
	for name, c := range map[string]struct {
		own, edges, want, refusal string
	}{
		"the one in the network":     {own: "127.0.0.1 192.0.2.9 10.20.0.2 fe80::1", want: "10.20.0.2"},
		"none":                       {own: "127.0.0.1 10.21.0.2", refusal: "no network interface"},
		"several, one known":         {own: "10.20.0.2 10.20.0.3", edges: "10.20.0.3 10.20.0.4", want: "10.20.0.3"},
		"several, none known":        {own: "10.20.0.2 10.20.0.3", refusal: "10.20.0.2, 10.20.0.3 with --edge-address"},
		"several, all of them known": {own: "10.20.0.2 10.20.0.3", edges: "10.20.0.2 10.20.0.3", refusal: "several addresses"},
		"the same twice":             {own: "10.20.0.2 10.20.0.2", want: "10.20.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			var own []netip.Addr
			for _, a := range strings.Fields(c.own) {
				own = append(own, netip.MustParseAddr(a))
			}
			got, err := edge.Address(domain.Snapshot{Site: "home", CIDR: "10.20.0.0/24", Edges: strings.Fields(c.edges)}, own)
			if got != c.want || (err != nil) != (c.refusal != "") || err != nil && !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("got %q and %v, want %q and %q", got, err, c.want, c.refusal)
			}
		})
	}
}
