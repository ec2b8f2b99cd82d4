package process_test

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"berth/process"
)

func TestCheckPortNamesWhoListens(t *testing.T) {
	cases := map[string]struct{ listen, check string }{
		"same address":           {"127.0.0.1:0", "127.0.0.1"},
		"all addresses":          {"0.0.0.0:0", "127.0.0.1"},
		"one against all":        {"127.0.0.1:0", "0.0.0.0"},
		"IPv6":                   {"[::1]:0", "::1"},
		"all of both protocols":  {":0", "127.0.0.1"},
		"one against both alike": {"127.0.0.1:0", "::"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", c.listen)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			_, port, err := net.SplitHostPort(listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			address := net.JoinHostPort(c.check, port)

			err = process.CheckPort(address)
			var taken *process.PortTakenError
			if !errors.As(err, &taken) || !errors.Is(err, syscall.EADDRINUSE) {
				t.Fatalf("CheckPort(%s) = %v, want a PortTakenError", address, err)
			}
			if taken.Owner.PID != os.Getpid() || taken.Owner.Program != "process.test" {
				t.Errorf("owner = %+v, want this test, pid %d", taken.Owner, os.Getpid())
			}
			if !strings.Contains(err.Error(), address+" is taken by process.test (pid ") {
				t.Errorf("message = %q", err)
			}
		})
	}
}

func TestCheckPortOfAFreeAddress(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := process.CheckPort(address); err != nil {
		t.Errorf("CheckPort(%s) = %v", address, err)
	}
}

func TestCheckPortOfAForeignAddress(t *testing.T) {
	// 192.0.2.0/24 is for documentation (RFC 5737), so no machine has it.
	err := process.CheckPort("192.0.2.1:80")
	var taken *process.PortTakenError
	if err == nil || errors.As(err, &taken) || !strings.Contains(err.Error(), "cannot listen on 192.0.2.1:80") {
		t.Errorf("CheckPort = %v", err)
	}
}

func TestFreeAddressesAreFreeAndDifferent(t *testing.T) {
	addresses, err := process.FreeAddresses(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range addresses {
		if err := process.CheckPort(a); err != nil || seen[a] {
			t.Errorf("%s was found, before: %v, and now: %v", a, seen[a], err)
		}
		seen[a] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d addresses were found, want 20", len(seen))
	}
}
