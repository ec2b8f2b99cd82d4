package edge

import (
	"net/netip"
	"slices"
	"strings"

	"berth/domain"
)

// Address returns the one of a host's own addresses under which it is the edge of a snapshot's site: the one in the site's
// network. Of several it is the one that the site knows an edge by already. It is Invalid when none or several fit.
func Address(s domain.Snapshot, own []netip.Addr) (string, error) {
	network, err := netip.ParsePrefix(s.CIDR)
	if err != nil {
		return "", domain.Errorf(domain.Invalid, "the network of site %s is not one: %w", s.Site, err)
	}
	var fit, known []string
	for _, a := range own {
		if !network.Contains(a.Unmap()) || slices.Contains(fit, a.Unmap().String()) {
			continue
		}
		fit = append(fit, a.Unmap().String())
		if slices.Contains(s.Edges, a.Unmap().String()) {
			known = append(known, a.Unmap().String())
		}
	}
	switch {
	case len(fit) == 0:
		return "", domain.Errorf(domain.Invalid, "no network interface of this host has an address in %s, the network of site %s: "+
			"an edge is a host in that network", s.CIDR, s.Site)
	case len(fit) == 1:
		return fit[0], nil
	case len(known) == 1:
		return known[0], nil
	}
	return "", domain.Errorf(domain.Invalid, "this host has several addresses in %s, the network of site %s: choose one of %s with "+
		"--edge-address", s.CIDR, s.Site, strings.Join(fit, ", "))
}
