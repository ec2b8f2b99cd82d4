package network_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/lab/network"
)

// host is whatever a server can run on: a network's gateway or a machine.
type host interface {
	Command(ctx context.Context, name string, args ...string) *exec.Cmd
	Address() netip.Addr
}

// gateway is a network taken as the machine that its bridge is.
type gateway struct{ *network.Network }

func (g gateway) Address() netip.Addr { return g.Gateway().Addr() }

func up(t *testing.T, name, gateway string) *network.Network {
	t.Helper()
	n, err := network.New(network.Config{Name: name, Gateway: netip.MustParsePrefix(gateway)})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return n
}

// serve runs busybox's web server inside the namespace and returns when the host gets an answer from it.
func serve(t *testing.T, n host, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := n.Command(context.Background(), "busybox", "httpd", "-f", "-p", "80", "-h", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // fails when Down ended it already
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if got := get(t, n.Address()); got != "" {
			return got
		}
	}
	t.Fatal("no answer from inside the namespace within 5 s")
	return ""
}

func get(t *testing.T, addr netip.Addr) string {
	t.Helper()
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get(fmt.Sprintf("http://%s/", addr))
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	raw := make([]byte, 100)
	count, _ := answer.Body.Read(raw)
	return string(raw[:count])
}

func TestTwoLabsSideBySide(t *testing.T) {
	a, b := up(t, "berth-nettest-a", "198.18.201.1/24"), up(t, "berth-nettest-b", "198.18.202.1/24")
	if got := serve(t, gateway{a}, "lab a"); got != "lab a" {
		t.Errorf("lab a answers %q", got)
	}
	if got := serve(t, gateway{b}, "lab b"); got != "lab b" {
		t.Errorf("lab b answers %q", got)
	}
	if a.Host() != netip.MustParseAddr("198.18.201.254") {
		t.Errorf("the host has %s in lab a, want the last address", a.Host())
	}
}

func TestUpCompletesWhatAKilledRunLeft(t *testing.T) {
	n := up(t, "berth-nettest-c", "198.18.203.1/24")
	if out, err := n.Command(t.Context(), "ip", "link", "del", "vmbr0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := n.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := serve(t, gateway{n}, "again"); got != "again" {
		t.Errorf("after a second Up the answer is %q", got)
	}
}

func TestDownRemovesEverything(t *testing.T) {
	n := up(t, "berth-nettest-d", "198.18.204.1/24")
	serve(t, gateway{n}, "soon gone") // a server that nobody stops
	for range 2 {
		if err := n.Down(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(n.Path()); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", n.Path(), err)
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if addrs, _ := l.Addrs(); strings.Contains(fmt.Sprint(addrs), "198.18.204.") {
			t.Errorf("link %s is still there", l.Name)
		}
	}
}

func TestMachines(t *testing.T) {
	n := up(t, "berth-nettest-g", "198.18.206.1/24")
	var machines []*network.Machine
	for i, name := range []string{"edge1", "edge2"} {
		address := netip.AddrFrom4([4]byte{198, 18, 206, byte(2 + i)})
		for range 2 { // the second time it is there already
			m, err := n.Attach(t.Context(), name, address)
			if err != nil {
				t.Fatal(err)
			}
			machines = append(machines[:i], m)
		}
		if got := serve(t, machines[i], name); got != name {
			t.Errorf("%s answers %q", name, got)
		}
	}
	for _, address := range []string{"198.18.206.1", "198.18.206.254", "198.18.206.255", "198.18.207.5"} {
		if _, err := n.Attach(t.Context(), "x", netip.MustParseAddr(address)); !domain.Is(err, domain.Invalid) {
			t.Errorf("a machine at %s gives %v, want it refused", address, err)
		}
	}
	if err := machines[0].Remove(t.Context()); err != nil {
		t.Error(err)
	}
	if err := n.Down(t.Context()); err != nil {
		t.Error(err)
	}
	for _, m := range machines {
		if _, err := os.Stat(m.Path()); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", m.Path(), err)
		}
	}
}

func TestOverlappingLabIsRefused(t *testing.T) {
	up(t, "berth-nettest-e", "198.18.205.1/24")
	other, err := network.New(network.Config{Name: "berth-nettest-f", Gateway: netip.MustParsePrefix("198.18.204.1/23")})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Up(t.Context()); !domain.Is(err, domain.Conflict) {
		t.Errorf("Up = %v, want a conflict", err)
	}
}

func TestBadConfigurationIsRefused(t *testing.T) {
	for _, c := range []network.Config{
		{Name: "", Gateway: netip.MustParsePrefix("198.18.0.1/24")},
		{Name: "../x", Gateway: netip.MustParsePrefix("198.18.0.1/24")},
		{Name: "x", Gateway: netip.MustParsePrefix("192.168.0.1/24")},
		{Name: "x", Gateway: netip.MustParsePrefix("198.18.0.0/24")},
		{Name: "x", Gateway: netip.MustParsePrefix("198.18.0.255/24")},
		{Name: "x", Gateway: netip.MustParsePrefix("198.18.0.1/24"), Host: netip.MustParseAddr("198.18.0.1")},
		{Name: "x", Gateway: netip.MustParsePrefix("198.18.0.1/24"), Host: netip.MustParseAddr("198.18.1.1")},
		{Name: "x", Gateway: netip.MustParsePrefix("198.18.0.1/24"), Bridge: "a-name-that-is-too-long"},
		{Name: "x"},
	} {
		if _, err := network.New(c); !domain.Is(err, domain.Invalid) {
			t.Errorf("New(%+v) = %v, want it refused", c, err)
		}
	}
}
