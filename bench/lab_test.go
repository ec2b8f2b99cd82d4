//go:build e2e

package bench_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/lab/guest"
	"berth/lab/images"
	"berth/lab/pve"
	"berth/lab/registry"
)

const (
	labTokenID = "bench@pve!berth"
	labSecret  = "00000000-0000-4000-8000-00000000be4c" // no secret: it opens a lab on loopback
	tiny       = "tiny:1"
)

var labNodes = []string{"pve1", "pve2"}

// lab is a Proxmox VE cluster in this process, whose guests' work is timed.
type lab struct {
	url      string
	image    string // reference of the tiny image
	registry *registry.Registry
	work     *stopwatch
}

// startLab starts a lab with guests that are "lxc", so real, or "simulated", which takes no time.
func startLab(t *testing.T, w *world, guests string) *lab {
	t.Helper()
	var runtime guest.Runtime
	var err error
	switch guests {
	case "lxc":
		runtime, err = guest.NewLXC(guest.LXCConfig{Name: w.network.Name(), Namespace: w.network.Path()})
		w.must(err)
	default:
		runtime = guest.NewSimulated(guest.SimulatedConfig{LeaseAddress: reservations(filepath.Join(w.data, "edge", "dnsmasq", "dhcp"))})
	}
	l := &lab{work: &stopwatch{Runtime: runtime}}
	t.Cleanup(func() { _ = runtime.Close(context.Background()) })

	l.registry, err = registry.Start(registry.Config{Dir: filepath.Join(w.data, "registry")})
	w.must(err)
	t.Cleanup(func() { _ = l.registry.Close(context.Background()) })
	var wanted []images.Image
	for _, i := range images.List() {
		if i.Reference == tiny {
			wanted = append(wanted, i)
		}
	}
	cache := filepath.Join(repository(t), ".cache", "lab-images")
	w.must(images.BuildOnly(t.Context(), cache, wanted, t.Logf))
	w.must(images.PushOnly(t.Context(), cache, l.registry.Address(), wanted, t.Logf))
	l.image = l.registry.Address() + "/" + tiny
	l.serve(w)
	return l
}

func (l *lab) serve(w *world) {
	conf := pve.Config{
		Name: "bench", RootPassword: "bench", DataDir: filepath.Join(w.data, "pve"), Runtime: l.work, Puller: registry.Skopeo{},
		Timings: pve.RealTimings(), Log: slog.New(slog.DiscardHandler),
		Tokens: []pve.Token{{ID: labTokenID, Secret: labSecret, Grants: []pve.Grant{{Path: "/", Role: "Administrator"}}}},
	}
	address := w.network.Gateway().Addr()
	for _, name := range labNodes {
		address = address.Next()
		conf.Nodes = append(conf.Nodes, pve.Node{
			Name: name, Address: netip.PrefixFrom(address, w.network.Gateway().Bits()).String(), Bridges: []string{"vmbr0"},
			MemoryBytes: 1 << 40, CPUs: 256, DiskBytes: 1 << 44,
			Storages: []pve.Storage{{Name: "local", Content: []string{"vztmpl", "iso", "rootdir"}}},
		})
	}
	cluster, err := pve.New(conf)
	w.must(err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	go func() {
		_ = cluster.Serve(listener, &tls.Config{Certificates: certificates(), MinVersion: tls.VersionTLS12})
	}()
	w.t.Cleanup(func() { _ = cluster.Close(context.Background()) })
	l.url = "https://" + listener.Addr().String()
}

// certificates are those that httptest brings along.
func certificates() []tls.Certificate {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return s.TLS.Certificates
}

// stopwatch adds up what Proxmox VE's tasks and the guests' way to their lease take: time that is not Berth's. Proxmox's own
// task list would not do, as it knows whole seconds only.
type stopwatch struct {
	guest.Runtime
	mu   sync.Mutex
	took time.Duration
}

func (s *stopwatch) measure() func() {
	began := time.Now()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.took += time.Since(began)
	}
}

// read returns the time since the last read.
func (s *stopwatch) read() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	took := s.took
	s.took = 0
	return took
}

// Unpack implements guest.Runtime.
func (s *stopwatch) Unpack(ctx context.Context, volume, archive string, size int64, logf guest.Logf) (*guest.ImageConfig, error) {
	defer s.measure()()
	return s.Runtime.Unpack(ctx, volume, archive, size, logf)
}

// Start implements guest.Runtime.
func (s *stopwatch) Start(ctx context.Context, spec guest.Spec, logf guest.Logf) error {
	defer s.measure()()
	return s.Runtime.Start(ctx, spec, logf)
}

// Lease implements guest.Runtime.
func (s *stopwatch) Lease(ctx context.Context, vmid int, iface string, logf guest.Logf) error {
	defer s.measure()()
	return s.Runtime.Lease(ctx, vmid, iface, logf)
}

// reservations answers simulated guests with what the edge has its dnsmasq serve: one that is started before its reservation is
// there gets nothing, as on a real network.
func reservations(dir string) func(mac string) (string, int, error) {
	var mu sync.Mutex
	known, read := map[string]string{}, map[string]bool{}
	return func(mac string) (string, int, error) {
		mu.Lock()
		defer mu.Unlock()
		entries, err := os.ReadDir(dir)
		if err != nil {
			return "", 0, err
		}
		for _, e := range entries {
			if read[e.Name()] {
				continue
			}
			content, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				return "", 0, err
			}
			if f := strings.Split(string(content), ","); len(f) > 2 { // mac,id:*,address,name,seconds
				known[strings.ToLower(f[0])], read[e.Name()] = f[2], true
			}
		}
		if address := known[strings.ToLower(mac)]; address != "" {
			return address, 20, nil
		}
		return "", 0, fmt.Errorf("dnsmasq has no reservation for %s", mac)
	}
}
