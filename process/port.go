package process

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
)

// PortTakenError says that somebody else listens on an address.
type PortTakenError struct {
	Address string
	Owner   Owner // zero when the system does not tell
}

// Owner is a process that listens somewhere.
type Owner struct {
	PID     int
	Program string // as in /proc/PID/comm
}

func (e *PortTakenError) Error() string {
	switch {
	case e.Owner.PID != 0:
		return fmt.Sprintf("%s is taken by %s (pid %d)", e.Address, e.Owner.Program, e.Owner.PID)
	default:
		return fmt.Sprintf("%s is taken by another program", e.Address)
	}
}

// Unwrap makes errors.Is(err, syscall.EADDRINUSE) true.
func (e *PortTakenError) Unwrap() error { return syscall.EADDRINUSE }

// CheckPort returns nil when a TCP listener can be opened on address (host:port) now, and a *PortTakenError that names who has
// it when it is taken. Nothing is reserved: whoever binds it afterwards must still expect to fail.
func CheckPort(address string) error {
	listener, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return &PortTakenError{Address: address, Owner: ownerOf(address)}
	}
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	return listener.Close()
}

// Ports for FreeAddresses: below those that the kernel gives to connections (net.ipv4.ip_local_port_range), one of which would
// otherwise take a port between the look and its use.
const (
	firstFreePort = 10000
	freePorts     = 22000
	portTries     = 100 // beyond as many as are asked for
)

// FreeAddresses finds n addresses on loopback (host:port), all different, that nobody listens on now, for children that cannot
// choose a port by themselves. As with CheckPort, nothing is reserved.
func FreeAddresses(n int) ([]string, error) {
	addresses := make([]string, 0, n)
	for tries := n + portTries; len(addresses) < n; tries-- {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", firstFreePort+rand.IntN(freePorts)))
		switch {
		case err == nil:
			defer func() { _ = listener.Close() }() // held until all are found
			addresses = append(addresses, listener.Addr().String())
		case tries == 0:
			return nil, fmt.Errorf("no free port: %w", err)
		}
	}
	return addresses, nil
}
