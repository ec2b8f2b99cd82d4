package process

import (
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// stateListen is TCP_LISTEN in the fourth column of /proc/net/tcp (include/net/tcp_states.h).
const stateListen = "0A"

// ownerOf finds the process whose listener stands in the way of address. Processes of other users are seen by root only; the
// zero Owner means that nobody could be found.
func ownerOf(address string) Owner {
	wanted, err := netip.ParseAddrPort(address)
	if err != nil {
		return Owner{}
	}
	var sockets []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			// sl local_address rem_address st queues timer retransmits uid timeout inode (Documentation/networking/proc_net_tcp)
			column := strings.Fields(line)
			if len(column) < 10 || column[3] != stateListen {
				continue
			}
			if local, ok := parseLocal(column[1]); ok && clash(local, wanted) {
				sockets = append(sockets, "socket:["+column[9]+"]")
			}
		}
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || !slices.Contains(sockets, target) {
			continue
		}
		pid, err := strconv.Atoi(strings.Split(link, "/")[2])
		if err != nil {
			continue
		}
		if name, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm")); err == nil {
			return Owner{PID: pid, Program: strings.TrimSpace(string(name))}
		}
	}
	return Owner{}
}

// parseLocal reads an address such as 0100007F:1F90: words of 32 bits in the machine's byte order, which is little-endian on
// every architecture Go's Linux ports commonly run on, then the port.
func parseLocal(column string) (netip.AddrPort, bool) {
	words, port, found := strings.Cut(column, ":")
	raw, err := hex.DecodeString(words)
	if err != nil || !found || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	address, ok := netip.AddrFromSlice(raw)
	number, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(address.Unmap(), uint16(number)), ok && err == nil
}

// clash reports whether two listeners exclude each other: same port, and the same address or one that means all.
func clash(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() &&
		(a.Addr() == b.Addr().Unmap() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}
