//go:build e2e

package checker

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

type judgement struct {
	world World
	facts
	wrong []string
}

func (j *judgement) say(format string, args ...any) {
	j.wrong = append(j.wrong, fmt.Sprintf(format, args...))
}

// judge goes through the containers, takes what belongs to each off the facts, and calls all that remains left over.
func (j *judgement) judge(ctx context.Context) {
	for _, words := range j.books.open {
		j.say("an operation is open: %s", words)
	}
	for _, c := range j.containers {
		switch c.State {
		case "ready":
			j.ready(ctx, c)
		case "failed": // holds nothing, so all that is found of it is left over
			if c.VMID != 0 || c.Address != "" || c.MAC != "" {
				j.say("%s failed and still holds VMID %d, address %q, MAC %q", c.Name, c.VMID, c.Address, c.MAC)
			}
		case "needs_attention":
			j.quarantined(c)
		case "missing":
			j.missing(c)
		default:
			j.say("%s is %s", c.Name, c.State)
		}
	}
	j.leftovers()
	j.services()
}

// ready demands exactly one of everything, all in agreement.
func (j *judgement) ready(ctx context.Context, c Container) {
	mac := strings.ToLower(c.MAC)
	r := take(&j.books.reservations, func(r reservation) bool { return r.container == c.ID })
	if one(j, c, "reservation", r) &&
		(r[0].state != "held" || r[0].address != c.Address || !strings.EqualFold(r[0].mac, mac) || r[0].name != c.Name) {
		j.say("%s: its reservation is %+v, the API says %s %s", c.Name, r[0], c.Address, mac)
	}
	p := take(&j.books.placements, func(p placement) bool { return p.container == c.ID })
	if one(j, c, "VMID in the database", p) && (p[0].state != "held" || p[0].vmid != c.VMID) {
		j.say("%s: its VMID is %+v, the API says %d", c.Name, p[0], c.VMID)
	}
	cts := take(&j.cts, func(ct CT) bool { return ct.VMID == c.VMID || strings.Contains(ct.Tags, c.ID) })
	if one(j, c, "CT", cts) {
		j.agrees(c, cts[0])
	}
	one(j, c, "volume", take(&j.volumes, func(v volume) bool { return v.VMID == c.VMID && v.Node == c.Node.Name }))
	one(j, c, "volume on disk", take(&j.folders, func(v volume) bool { return v.VMID == c.VMID && v.Node == c.Node.Name }))
	if len(j.acls[c.VMID]) > 1 {
		j.say("%s: %v have permissions on it", c.Name, j.acls[c.VMID])
	}
	delete(j.acls, c.VMID)
	for i := range j.edges {
		j.names(ctx, c, j.world.Edges[i], &j.edges[i])
	}
	j.lease(c)
}

// lease demands that exactly one dnsmasq has leased the address to the guest. Only one that runs has to hold a lease.
func (j *judgement) lease(c Container) {
	var leases []line
	for i := range j.edges {
		leases = append(leases, take(&j.edges[i].leases, func(l line) bool { return l.mac == strings.ToLower(c.MAC) || l.address == c.Address })...)
	}
	if c.Unmanaged || c.Power != "running" && len(leases) == 0 {
		return
	}
	if one(j, c, "lease", leases) && (leases[0].address != c.Address || !strings.EqualFold(leases[0].mac, c.MAC)) {
		j.say("%s: its lease is %+v, the API says %s %s", c.Name, leases[0], c.Address, c.MAC)
	}
}

func (j *judgement) agrees(c Container, ct CT) {
	if ct.Node != c.Node.Name || ct.VMID != c.VMID || ct.Name != c.Name || ct.Status != c.Power || !strings.Contains(ct.Tags, c.ID) {
		j.say("%s: the node shows %+v, the API says CT %d on %s, %s", c.Name, ct, c.VMID, c.Node.Name, c.Power)
	}
	if !slices.Equal(ct.MACs, []string{strings.ToLower(c.MAC)}) {
		j.say("%s: the CT has the MACs %v, the API says %s", c.Name, ct.MACs, c.MAC)
	}
	if ct.Status == "running" && !slices.Equal(ct.Addresses, []string{c.Address}) {
		j.say("%s: the guest holds %v, the API says %s", c.Name, ct.Addresses, c.Address)
	}
}

func (j *judgement) names(ctx context.Context, c Container, e Edge, s *served) {
	fqdn := c.Name + "." + j.world.Domain
	hosts := take(&s.hosts, func(l line) bool { return l.address == c.Address || l.name == fqdn })
	if one(j, c, "name in dnsmasq's files", hosts) && (hosts[0].address != c.Address || hosts[0].name != fqdn) {
		j.say("%s: dnsmasq's file says %+v, the API %s", c.Name, hosts[0], c.Address)
	}
	reservations := take(&s.reservations, func(l line) bool { return l.address == c.Address || l.mac == strings.ToLower(c.MAC) })
	if !c.Unmanaged && one(j, c, "DHCP reservation in dnsmasq's files", reservations) &&
		(reservations[0].address != c.Address || !strings.EqualFold(reservations[0].mac, c.MAC) || reservations[0].name != c.Name) {
		j.say("%s: dnsmasq reserves %+v, the API says %s %s", c.Name, reservations[0], c.Address, c.MAC)
	}
	if !slices.Equal(s.names[c.Address], []string{fqdn}) {
		j.say("%s: dnsmasq calls %s %v", c.Name, c.Address, s.names[c.Address])
	}
	delete(s.names, c.Address)
	addresses, err := e.Address(ctx, fqdn)
	if err != nil || !slices.Equal(addresses, []string{c.Address}) {
		j.say("%s: dnsmasq says that %s is %v, the API %s (%v)", c.Name, fqdn, addresses, c.Address, err)
	}
}

// quarantined demands that VMID and address are out of use. What is left on the node is why somebody has to look.
func (j *judgement) quarantined(c Container) {
	r := take(&j.books.reservations, func(r reservation) bool { return r.container == c.ID })
	if one(j, c, "reservation", r) && r[0].state != "quarantined" {
		j.say("%s needs attention and its address %s is %s, not quarantined", c.Name, r[0].address, r[0].state)
	}
	p := take(&j.books.placements, func(p placement) bool { return p.container == c.ID })
	if !one(j, c, "VMID in the database", p) {
		return
	}
	if p[0].state != "quarantined" {
		j.say("%s needs attention and its VMID %d is %s, not quarantined", c.Name, p[0].vmid, p[0].state)
	}
	take(&j.cts, func(ct CT) bool { return ct.VMID == p[0].vmid })
	take(&j.volumes, func(v volume) bool { return v.VMID == p[0].vmid })
	take(&j.folders, func(v volume) bool { return v.VMID == p[0].vmid })
	delete(j.acls, p[0].vmid)
	for i := range j.edges { // its guest may still renew, and dnsmasq remembers until the lease ends
		take(&j.edges[i].leases, func(l line) bool { return len(r) > 0 && l.address == r[0].address })
	}
}

// missing demands that what is reserved stays so until somebody deletes the container, and that the CT is gone.
func (j *judgement) missing(c Container) {
	one(j, c, "reservation", take(&j.books.reservations, func(r reservation) bool { return r.container == c.ID && r.state == "held" }))
	one(j, c, "VMID in the database", take(&j.books.placements, func(p placement) bool { return p.container == c.ID && p.state == "held" }))
	fqdn := c.Name + "." + j.world.Domain
	for i := range j.edges {
		s := &j.edges[i]
		one(j, c, "name in dnsmasq's files", take(&s.hosts, func(l line) bool { return l.name == fqdn }))
		take(&s.reservations, func(l line) bool { return l.address == c.Address })
		take(&s.leases, func(l line) bool { return l.address == c.Address })
		delete(s.names, c.Address)
	}
}

// leftovers calls out what belongs to no container.
func (j *judgement) leftovers() {
	foreign := func(vmid int) bool { return slices.Contains(j.world.Foreign, vmid) }
	for _, r := range j.books.reservations {
		j.say("left over: reservation %+v", r)
	}
	for _, p := range j.books.placements {
		j.say("left over: VMID %+v in the database", p)
	}
	for _, ct := range j.cts {
		if !foreign(ct.VMID) {
			j.say("left over: CT %d %s on %s, %s", ct.VMID, ct.Name, ct.Node, ct.Status)
		}
	}
	for _, v := range append(j.volumes, j.folders...) {
		if !foreign(v.VMID) {
			j.say("left over: volume %s on %s", v.ID, v.Node)
		}
	}
	for vmid, who := range j.acls {
		if !foreign(vmid) {
			j.say("left over: permissions of %v on CT %d", who, vmid)
		}
	}
	for _, s := range j.edges {
		for _, l := range s.reservations {
			j.say("left over: DHCP reservation %+v", l)
		}
		for _, l := range s.leases {
			j.say("left over: lease %+v", l)
		}
		for _, l := range s.hosts {
			if !j.infrastructure(l.file) {
				j.say("left over: name %+v", l)
			}
		}
		j.strangers(s)
	}
}

// infrastructure tells whether a file holds names of nodes and edges, or dnsmasq's own markers.
func (j *judgement) infrastructure(file string) bool {
	return file == "hosts/names" || file == "hosts/revision"
}

// strangers calls out names that dnsmasq answers with although no file has them.
func (j *judgement) strangers(s served) {
	for address, names := range s.names {
		known := slices.ContainsFunc(s.hosts, func(l line) bool { return l.address == address && j.infrastructure(l.file) })
		if !known {
			j.say("left over: dnsmasq calls %s %v", address, names)
		}
	}
}

// one demands exactly one of something.
func one[T any](j *judgement, c Container, what string, found []T) bool {
	if len(found) != 1 {
		j.say("%s has %d of: %s %+v", c.Name, len(found), what, found)
	}
	return len(found) == 1
}

// take removes what belongs to somebody from a list, and returns it.
func take[T any](from *[]T, belongs func(T) bool) []T {
	var taken, rest []T
	for _, x := range *from {
		if belongs(x) {
			taken = append(taken, x)
		} else {
			rest = append(rest, x)
		}
	}
	*from = rest
	return taken
}
