package edge

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"berth/domain"
	"berth/templates"
)

// lease is a line of dnsmasq's lease file, "EXPIRY MAC IP NAME CLIENTID", with * for what is not known.
type lease struct {
	domain.Lease
	clientID string
}

// readLeases returns the IPv4 leases in a file, none when there is no file. Expires is zero for a lease without end.
func readLeases(path string) ([]lease, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read leases: %w", err)
	}
	var all []lease
	for line := range strings.Lines(string(content)) {
		f := strings.Fields(line)
		if len(f) < 5 { // such as the "duid" line, which starts the IPv6 part
			continue
		}
		expiry, err := strconv.ParseInt(f[0], 10, 64)
		addr, err2 := netip.ParseAddr(f[2])
		if err != nil || err2 != nil || !addr.Is4() {
			continue // dnsmasq may be writing this line just now: the next look will see it
		}
		l := lease{Lease: domain.Lease{Address: f[2], MAC: strings.ToLower(f[1])}}
		if expiry > 0 {
			l.Expires = time.Unix(expiry, 0).UTC()
		}
		if f[3] != "*" {
			l.Hostname = f[3]
		}
		if f[4] != "*" {
			l.clientID = f[4]
		}
		all = append(all, l)
	}
	return all, nil
}

// stale returns the leases that nobody may hold any more: neither reserved for that MAC nor out of the dynamic sub-range.
func stale(leases []lease, s domain.Snapshot) []lease {
	reserved := make(map[string]bool, len(s.Hosts))
	for _, h := range s.Hosts {
		reserved[h.Address+" "+strings.ToLower(h.MAC)] = templates.Reserved(s, h)
	}
	var gone []lease
	for _, l := range leases {
		if !reserved[l.Address+" "+l.MAC] && !dynamic(s, l.Address) {
			gone = append(gone, l)
		}
	}
	return gone
}

func dynamic(s domain.Snapshot, address string) bool {
	first, err1 := netip.ParseAddr(s.DynamicFirst)
	last, err2 := netip.ParseAddr(s.DynamicLast)
	addr, err3 := netip.ParseAddr(address)
	return err1 == nil && err2 == nil && err3 == nil && !addr.Less(first) && !last.Less(addr)
}
