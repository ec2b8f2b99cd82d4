package edge

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns" // a resolver that asks exactly one server and shows what it said

	"berth/domain"
	"berth/templates"
)

// maxProved is how many changed hosts are asked for one by one, spread over all of them; the markers prove the rest.
const maxProved = 50

// newMarker returns an address that no marker had before: "fd62", 48 bits of the time in microseconds, the revision. It
// is a unique local address (RFC 4193), so nobody else's.
func newMarker(revision int64) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMicro()))
	b[0], b[1] = 0xfd, 0x62
	binary.BigEndian.PutUint64(b[8:], uint64(revision))
	return netip.AddrFrom16(b)
}

// lag says what it takes until a dnsmasq, perhaps one that an earlier edge process left, serves what is on disk. The
// error means that it runs and does not answer.
func (d *Dnsmasq) lag(ctx context.Context, next served) (effort, error) {
	zone := next.snapshot.Domain
	conf, err := d.ask(ctx, templates.MarkerConf+zone, dns.TypeTXT)
	if err != nil || conf != templates.ConfDigest(next.files[templates.DnsmasqConf]) {
		return restart, err
	}
	generation, err := d.ask(ctx, templates.MarkerGeneration+zone, dns.TypeAAAA)
	if err != nil || generation == "" || generation != d.onDisk(templates.DnsmasqGeneration) {
		return reload, err
	}
	revision, err := d.ask(ctx, templates.MarkerRevision+zone, dns.TypeAAAA)
	if err != nil || revision == "" || revision != d.onDisk(templates.DnsmasqRevision) {
		return touch, err
	}
	if low := netip.MustParseAddr(revision).As16(); int64(binary.BigEndian.Uint64(low[8:])) != next.snapshot.Revision {
		return touch, nil
	}
	return none, nil
}

// onDisk returns the address in a marker file, empty when there is none.
func (d *Dnsmasq) onDisk(path string) string {
	content, err := os.ReadFile(filepath.Join(d.Options.Dir, path))
	if err != nil {
		return ""
	}
	address, _, _ := strings.Cut(string(content), " ")
	return address
}

// prove waits until dnsmasq answers with the markers and with the changed hosts.
func (d *Dnsmasq) prove(ctx context.Context, done effort, mark netip.Addr, next served, c change) error {
	zone := next.snapshot.Domain
	err := d.until(ctx, templates.MarkerRevision+zone, dns.TypeAAAA, mark.String())
	if err == nil && done >= reload {
		err = d.until(ctx, templates.MarkerGeneration+zone, dns.TypeAAAA, mark.String())
	}
	if err == nil && done >= restart {
		err = d.until(ctx, templates.MarkerConf+zone, dns.TypeTXT, templates.ConfDigest(next.files[templates.DnsmasqConf]))
	}
	if err != nil {
		return fmt.Errorf("dnsmasq does not serve revision %d: %w", next.snapshot.Revision, err)
	}
	for _, h := range sample(changedHosts(next.snapshot, c)) {
		name := h.Hostname + "." + zone
		reverse, err := dns.ReverseAddr(h.Address)
		if err == nil {
			err = d.until(ctx, name, dns.TypeA, h.Address)
		}
		if err == nil {
			err = d.until(ctx, reverse, dns.TypePTR, name+".")
		}
		if err != nil {
			return fmt.Errorf("dnsmasq does not serve revision %d: %w", next.snapshot.Revision, err)
		}
	}
	return nil
}

// proveGone waits until the names that were taken away are no longer answered.
func (d *Dnsmasq) proveGone(ctx context.Context, before, now domain.Snapshot) error {
	kept := map[string]bool{}
	for _, h := range now.Hosts {
		kept[h.Hostname] = true
	}
	for _, n := range now.Names {
		kept[n.Name] = true
	}
	var gone []domain.Host
	for _, h := range before.Hosts {
		if !kept[h.Hostname] {
			gone = append(gone, h)
		}
	}
	for _, h := range sample(gone) {
		if err := d.until(ctx, h.Hostname+"."+now.Domain, dns.TypeA, ""); err != nil {
			return fmt.Errorf("dnsmasq serves what is gone: %w", err)
		}
	}
	return nil
}

func changedHosts(s domain.Snapshot, c change) []domain.Host {
	changed := map[string]bool{}
	for _, path := range append(append([]string{}, c.added...), c.rewritten...) {
		if id, found := strings.CutPrefix(path, templates.DnsmasqHosts+"/"); found {
			changed[id] = true
		}
	}
	var hosts []domain.Host
	for _, h := range s.Hosts {
		if changed[h.ID] {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

func sample(all []domain.Host) []domain.Host {
	if len(all) <= maxProved {
		return all
	}
	some := make([]domain.Host, maxProved)
	for i := range some {
		some[i] = all[i*len(all)/maxProved]
	}
	return some
}

// until asks until the answer is the wanted one.
func (d *Dnsmasq) until(ctx context.Context, name string, qtype uint16, want string) error {
	ctx, cancel := context.WithTimeout(ctx, proveTimeout)
	defer cancel()
	got := ""
	err := poll(ctx, func() (bool, error) {
		var err error
		got, err = d.ask(ctx, name, qtype)
		return err == nil && got == want, nil // an error is what a dnsmasq that is busy reading gives
	})
	if err != nil {
		return domain.Errorf(domain.Transient, "asked for %s %s, got %q instead of %q: %w",
			name, dns.TypeToString[qtype], got, want, err)
	}
	return nil
}

// ask returns dnsmasq's first answer, empty when the name does not exist.
func (d *Dnsmasq) ask(ctx context.Context, name string, qtype uint16) (string, error) {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	client := dns.Client{Timeout: 500 * time.Millisecond}
	server := cmp.Or(d.DNS, net.JoinHostPort(d.Options.ListenAddress, strconv.Itoa(d.Options.Port)))
	var answer *dns.Msg
	var err error
	for range 3 { // UDP may lose a packet
		if answer, _, err = client.ExchangeContext(ctx, query, server); err == nil {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("ask dnsmasq at %s: %w", server, err)
	}
	for _, rr := range answer.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			return rr.A.String(), nil
		case *dns.AAAA:
			return rr.AAAA.String(), nil
		case *dns.PTR:
			return rr.Ptr, nil
		case *dns.TXT:
			return strings.Join(rr.Txt, ""), nil
		}
	}
	return "", nil
}

// release gives back every lease that nobody may hold any more. Without it the address stays bound to the old MAC, and
// its name in DNS, until the lease expires.
func (d *Dnsmasq) release(ctx context.Context, s domain.Snapshot) error {
	leases, err := readLeases(d.Options.LeaseFile)
	if err != nil {
		return err
	}
	gone := stale(leases, s)
	for _, l := range gone {
		args := []string{d.Interface, l.Address, l.MAC}
		if l.clientID != "" {
			args = append(args, l.clientID)
		}
		if _, err := d.Exec.run(ctx, "dhcp_release", args...); err != nil {
			return fmt.Errorf("release the lease of %s (is dnsmasq-utils installed?): %w", l.Address, err)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, proveTimeout)
	defer cancel()
	err = poll(ctx, func() (bool, error) {
		leases, err := readLeases(d.Options.LeaseFile)
		gone = stale(leases, s)
		return len(gone) == 0, err
	})
	if err != nil {
		return domain.Errorf(domain.Transient, "%d leases, of %s first, are not released: %w", len(gone), gone[0].Address, err)
	}
	return nil
}

// poll calls done until it is true, more and more rarely.
func poll(ctx context.Context, done func() (bool, error)) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
