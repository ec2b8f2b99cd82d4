package process

import (
	"errors"
	"fmt"
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
