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

// freePorts finds TCP ports on loopback that nobody listens on, all different.
func freePorts(n int) ([]string, error) {
	addresses := make([]string, 0, n)
	for tries := 0; len(addresses) < n; tries++ {
		// Below the ports that the kernel gives to connections, one of which might take it before it is used.
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000)))
		if err != nil && tries < 100 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = l.Close() }() // held until all are found
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

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
