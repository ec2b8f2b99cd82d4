//go:build e2e

package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
)

// freeNetwork picks a network for the lab's guests that no interface of this host has.
func freeNetwork() (netip.Prefix, error) {
	taken, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("list the host's addresses: %w", err)
	}
	for _, third := range rand.Perm(254) {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 19, byte(third + 1), 0}), 24)
		free := true
		for _, a := range taken {
			other, err := netip.ParsePrefix(a.String())
			free = free && (err != nil || !p.Overlaps(other))
		}
		if free {
			return p, nil
		}
	}
	return netip.Prefix{}, errors.New("every network of 198.19.0.0/16 is in use on this host")
}

// repository finds the folder with go.mod above the test's own.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("no go.mod above the test's folder")
}
