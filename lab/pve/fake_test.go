package pve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"berth/lab/guest"
)

// fakeRuntime keeps guests in memory. Its fields let a test decide what happens to one of them.
type fakeRuntime struct {
	mu       sync.Mutex
	guests   map[int]guest.Spec
	leased   map[int]bool
	stubborn map[int]bool          // do not end when asked to
	noLease  map[int]bool          // get no address by DHCP
	gates    map[int]chan struct{} // Start waits until the guest's gate is closed
	unpacks  chan struct{}         // Unpack waits until it is closed; nil does not wait
	image    *guest.ImageConfig    // what an OCI archive says
}

func newFakeRuntime() *fakeRuntime {
	return &fakeRuntime{
		guests: map[int]guest.Spec{}, leased: map[int]bool{}, stubborn: map[int]bool{}, noLease: map[int]bool{},
		gates: map[int]chan struct{}{},
		image: &guest.ImageConfig{
			Entrypoint: []string{"/bin/sh", "-c", "sleep 9"}, Env: []string{"PATH=/bin", "A=b"}, WorkingDir: "/root",
		},
	}
}

func (r *fakeRuntime) Kind() string { return "simulated" }

func (r *fakeRuntime) Unpack(ctx context.Context, volume, archive string, _ int64, logf guest.Logf) (*guest.ImageConfig, error) {
	r.mu.Lock()
	gate := r.unpacks
	r.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	raw, err := os.ReadFile(archive)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(raw, []byte("broken")) {
		logf("tar: This does not look like a tar archive")
		return nil, errors.New("broken archive")
	}
	if err := os.WriteFile(filepath.Join(volume, "unpacked"), nil, 0o600); err != nil {
		return nil, err
	}
	if isOCI(archive) {
		return r.image, nil
	}
	return nil, nil
}

func (r *fakeRuntime) Resize(context.Context, string, int64) error { return nil }

func (r *fakeRuntime) RemoveVolume(_ context.Context, volume string) error {
	return os.RemoveAll(volume)
}

func (r *fakeRuntime) Start(ctx context.Context, spec guest.Spec, _ guest.Logf) error {
	r.mu.Lock()
	gate := r.gates[spec.VMID]
	r.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.guests[spec.VMID] = spec
	return nil
}

func (r *fakeRuntime) Stop(_ context.Context, vmid int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.guests, vmid)
	delete(r.leased, vmid)
	return nil
}

func (r *fakeRuntime) Shutdown(ctx context.Context, vmid int) error {
	r.mu.Lock()
	stubborn := r.stubborn[vmid]
	r.mu.Unlock()
	if stubborn {
		<-ctx.Done()
		return ctx.Err()
	}
	return r.Stop(ctx, vmid)
}

func (r *fakeRuntime) Lease(_ context.Context, vmid int, _ string, _ guest.Logf) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.noLease[vmid] {
		return errors.New("exit code 2")
	}
	r.leased[vmid] = true
	return nil
}

func (r *fakeRuntime) Apply(context.Context, int, guest.Limits) error { return nil }

func (r *fakeRuntime) Status(_ context.Context, vmid int) (guest.Status, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, running := r.guests[vmid]; !running {
		return guest.Status{}, nil
	}
	return guest.Status{Running: true, PID: 5000 + vmid, UptimeSec: 3, MemBytes: 1 << 20, NetIn: 100, NetOut: 100}, nil
}

func (r *fakeRuntime) Interfaces(_ context.Context, vmid int) ([]guest.Interface, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	spec, running := r.guests[vmid]
	if !running {
		return nil, nil
	}
	out := []guest.Interface{{Name: "lo", MAC: "00:00:00:00:00:00", Addresses: []guest.Address{
		{IP: "127.0.0.1", Prefix: 8, Family: "inet"}, {IP: "::1", Prefix: 128, Family: "inet6"},
	}}}
	for i, nic := range spec.NICs {
		iface := guest.Interface{Name: nic.Name, MAC: nic.MAC}
		if !nic.HostManaged || r.leased[vmid] {
			iface.Addresses = append(iface.Addresses,
				guest.Address{IP: fmt.Sprintf("10.99.0.%d", 150+i), Prefix: 24, Family: "inet"})
		}
		iface.Addresses = append(iface.Addresses, guest.Address{IP: "fe80::1", Prefix: 64, Family: "inet6"})
		out = append(out, iface)
	}
	return out, nil
}

func (r *fakeRuntime) Close(context.Context) error { return nil }

// fakePuller writes an OCI archive with the right members for every image but those that it is told to miss.
type fakePuller struct {
	mu      sync.Mutex
	missing map[string]bool
}

func (p *fakePuller) Pull(_ context.Context, reference, dstTar string, logf guest.Logf) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.missing[reference] {
		return errors.New("reading manifest: manifest unknown")
	}
	logf("Getting image source signatures")
	return os.WriteFile(dstTar, ociTar(), 0o600)
}

func (p *fakePuller) Tags(_ context.Context, repository string) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.missing[repository] {
		return nil, errors.New("repository unknown")
	}
	return []string{"1.0"}, nil
}

// eventually waits for a condition, with a deadline.
func eventually(condition func() bool) bool {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if condition() {
			return true
		}
		<-time.After(2 * time.Millisecond)
	}
	return false
}
