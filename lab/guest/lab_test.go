package guest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/lab/guest"
	"berth/lab/images"
	"berth/lab/network"
	"berth/lab/registry"
)

// lab is a network with a DHCP server and a runtime on it.
type lab struct {
	network *network.Network
	runtime *guest.LXC
	name    string
	dir     string
	dnsmasq string // folder of reservations
}

// newLab makes a lab on a /24 of its own.
func newLab(t *testing.T, name string, third int) *lab {
	t.Helper()
	gateway := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(third), 1}), 24)
	n, err := network.New(network.Config{Name: name, Gateway: gateway})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, n.Down(context.Background())) })
	l := &lab{network: n, name: name, dir: t.TempDir()}
	l.serveDHCP(t)
	l.runtime = l.open(t)
	t.Cleanup(func() { check(t, l.runtime.Close(context.Background())) })
	return l
}

// open makes a runtime, as a restarted process would.
func (l *lab) open(t *testing.T) *guest.LXC {
	t.Helper()
	r, err := guest.NewLXC(guest.LXCConfig{Name: l.name, Namespace: l.network.Path(), LeaseTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (l *lab) serveDHCP(t *testing.T) {
	t.Helper()
	l.dnsmasq = filepath.Join(l.dir, "hosts")
	check(t, os.MkdirAll(l.dnsmasq, 0o755))
	subnet := l.network.Gateway().Masked().Addr()
	ready := filepath.Join(l.dir, "pid")
	cmd := l.network.Command(context.Background(), "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--user=root",
		"--interface="+l.network.Bridge(), "--bind-interfaces", "--except-interface=lo", "--no-resolv", "--no-hosts",
		"--domain=lab.test", "--local=/lab.test/", "--dhcp-authoritative", "--pid-file="+ready,
		fmt.Sprintf("--dhcp-range=%s,static,255.255.255.0,1h", subnet),
		"--dhcp-hostsdir="+l.dnsmasq, "--dhcp-leasefile="+filepath.Join(l.dir, "leases"))
	cmd.Stderr = os.Stderr
	check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	wait(t, 5*time.Second, "dnsmasq to be ready", func() bool { _, err := os.Stat(ready); return err == nil })
}

// reserve gives guest n the address .n, and returns its MAC and address.
func (l *lab) reserve(t *testing.T, n int) (mac string, addr netip.Addr) {
	t.Helper()
	mac = fmt.Sprintf("bc:24:11:00:00:%02x", n)
	raw := l.network.Gateway().Addr().As4()
	raw[3] = byte(n)
	addr = netip.AddrFrom4(raw)
	// The name is written at once, and dnsmasq reads it at once (inotify).
	fresh := filepath.Join(l.dir, "reservation")
	check(t, os.WriteFile(fresh, fmt.Appendf(nil, "%s,id:*,%s,guest%d\n", mac, addr, n), 0o644))
	check(t, os.Rename(fresh, filepath.Join(l.dnsmasq, fmt.Sprintf("guest%d", n))))
	return mac, addr
}

// unpack makes a volume of an image for a guest.
func (l *lab) unpack(t *testing.T, vmid int, archive string) (string, *guest.ImageConfig) {
	t.Helper()
	volume := filepath.Join(l.dir, "volumes", fmt.Sprint(vmid))
	config, err := l.runtime.Unpack(t.Context(), volume, archive, 1<<30, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	return volume, config
}

// tiny is how to start guest n with the tiny image.
func (l *lab) tiny(t *testing.T, n int) (guest.Spec, netip.Addr) {
	t.Helper()
	mac, addr := l.reserve(t, n)
	volume, config := l.unpack(t, 100+n, pull(t, "tiny:1"))
	return guest.Spec{
		VMID: 100 + n, Hostname: fmt.Sprintf("guest%d", n), Volume: volume, Entrypoint: config.Entrypoint, Env: config.Env,
		WorkingDir: config.WorkingDir, UID: config.UID, GID: config.GID, HaltSignal: config.StopSignal, Unprivileged: true,
		Limits: guest.Limits{MemoryMiB: 64, Cores: 1},
		NICs:   []guest.NIC{{Name: "eth0", MAC: mac, Bridge: l.network.Bridge(), Address: "dhcp", HostManaged: true}},
	}, addr
}

// pull builds an image once per machine, and fetches it from a registry as a node does.
func pull(t *testing.T, reference string) string {
	t.Helper()
	cache := filepath.Join(os.TempDir(), "berth-test-images")
	var wanted []images.Image
	for _, i := range images.List() {
		if i.Reference == reference {
			wanted = append(wanted, i)
		}
	}
	check(t, images.BuildOnly(t.Context(), cache, wanted, t.Logf))
	r, err := registry.Start(registry.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { check(t, r.Close(context.Background())) }()
	check(t, images.PushOnly(t.Context(), cache, r.Address(), wanted, t.Logf))
	archive := filepath.Join(t.TempDir(), "image.tar")
	check(t, registry.Skopeo{}.Pull(t.Context(), r.Address()+"/"+reference, archive, t.Logf))
	return archive
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// wait polls until ok holds, and fails the test when it does not in time.
func wait(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s in vain for %s", limit, what)
		}
	}
}

// page asks a guest for its page from the host; "" when it does not answer.
func page(addr netip.Addr) string {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + addr.String() + "/")
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		return ""
	}
	return string(raw)
}

// address is the first IPv4 address of a guest's interface.
func (l *lab) address(t *testing.T, vmid int, name string) string {
	t.Helper()
	all, err := l.runtime.Interfaces(t.Context(), vmid)
	if err != nil {
		return ""
	}
	for _, i := range all {
		for _, a := range i.Addresses {
			if i.Name == name && a.Family == "inet" {
				return a.IP
			}
		}
	}
	return ""
}

func (l *lab) lease(t *testing.T, addr netip.Addr) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(l.dir, "leases"))
	check(t, err)
	for line := range strings.Lines(string(raw)) {
		if strings.Contains(line, " "+addr.String()+" ") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
