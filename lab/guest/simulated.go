package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"berth/domain"
)

// SimulatedConfig says how simulated guests behave.
type SimulatedConfig struct {
	// LeaseAddress answers a guest's DHCP client. nil means that there is no DHCP server.
	LeaseAddress func(mac string) (ip string, prefix int, err error)
	Bridges      []string         // that exist; empty means that every bridge does
	Now          func() time.Time // nil means time.Now
}

// Simulated keeps guests in memory: they have state, interfaces and addresses, but no processes. Volumes are folders that
// hold one small file. Everything happens at once.
type Simulated struct {
	cfg   SimulatedConfig
	scans scans

	mu     sync.Mutex
	guests map[int]*simulatedGuest
}

type simulatedGuest struct {
	spec       Spec
	started    time.Time
	interfaces []Interface
}

// simulatedVolume is the file in a volume's folder.
type simulatedVolume struct {
	Size, Used int64
}

const simulatedFile = "simulated.json"

// NewSimulated makes a runtime without guests.
func NewSimulated(cfg SimulatedConfig) *Simulated {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Simulated{cfg: cfg, scans: scans{known: map[string]scan{}}, guests: map[int]*simulatedGuest{}}
}

// Kind implements Runtime.
func (s *Simulated) Kind() string { return "simulated" }

// Unpack implements Runtime. It reads the archive as a real runtime would, but writes only down how much that would be.
func (s *Simulated) Unpack(ctx context.Context, volume, archive string, size int64, logf Logf) (*ImageConfig, error) {
	if names, err := os.ReadDir(volume); err == nil && len(names) > 0 {
		return nil, domain.Errorf(domain.Conflict, "the volume is not empty: it holds %s", names[0].Name())
	}
	found, err := s.scans.of(ctx, archive)
	if err != nil {
		return nil, err
	}
	if found.config != nil {
		logf("Detected OCI archive")
	}
	if found.bytes > size {
		return nil, extractError(found.config != nil, errFull)
	}
	if found.config != nil {
		for _, v := range found.config.Volumes {
			logf("creating base directory for volume at %s", v)
		}
	}
	if err := os.MkdirAll(volume, 0o755); err != nil {
		return nil, fmt.Errorf("make volume: %w", err)
	}
	return found.config, writeVolume(volume, simulatedVolume{Size: size, Used: found.bytes})
}

// Resize implements Runtime.
func (s *Simulated) Resize(_ context.Context, volume string, size int64) error {
	v, err := readVolume(volume)
	if err != nil {
		return fmt.Errorf("resize volume: %w", err)
	}
	if v.Used > size {
		return domain.Errorf(domain.Invalid, "volume holds %d bytes, more than the new size of %d", v.Used, size)
	}
	v.Size = size
	return writeVolume(volume, v)
}

// RemoveVolume implements Runtime.
func (s *Simulated) RemoveVolume(_ context.Context, volume string) error {
	if err := os.RemoveAll(volume); err != nil {
		return fmt.Errorf("remove volume: %w", err)
	}
	return nil
}

// Start implements Runtime.
func (s *Simulated) Start(ctx context.Context, spec Spec, _ Logf) error {
	if err := errors.Join(ctx.Err(), spec.check()); err != nil {
		return err
	}
	if _, err := os.Stat(spec.Volume); err != nil {
		return fmt.Errorf("look at volume: %w", err)
	}
	g := &simulatedGuest{spec: spec, started: s.cfg.Now(), interfaces: []Interface{{
		Name: "lo", MAC: "00:00:00:00:00:00", Addresses: []Address{{"127.0.0.1", 8, "inet"}, {"::1", 128, "inet6"}},
	}}}
	for _, nic := range spec.NICs {
		if len(s.cfg.Bridges) > 0 && nic.Bridge != "" && !slices.Contains(s.cfg.Bridges, nic.Bridge) {
			return domain.Errorf(domain.Permanent, "bridge '%s' does not exist", nic.Bridge)
		}
		g.interfaces = append(g.interfaces, s.plug(nic))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guests[spec.VMID] != nil {
		return domain.Errorf(domain.Conflict, "CT %d already running", spec.VMID)
	}
	s.guests[spec.VMID] = g
	return nil
}

// plug gives an interface what it has when the guest has booted. A guest's own DHCP client that gets no answer goes on
// asking without a word.
func (s *Simulated) plug(nic NIC) Interface {
	i := Interface{Name: nic.Name, MAC: nic.MAC}
	if nic.static() {
		if p, err := netip.ParsePrefix(nic.Address); err == nil {
			i.Addresses = []Address{{p.Addr().String(), p.Bits(), "inet"}}
		}
	}
	if nic.Address == "dhcp" && !nic.HostManaged {
		if a, err := s.lease(nic.MAC); err == nil {
			i.Addresses = []Address{a}
		}
	}
	return i
}

func (s *Simulated) lease(mac string) (Address, error) {
	if s.cfg.LeaseAddress == nil {
		return Address{}, domain.Errorf(domain.Unavailable, "there is no DHCP server")
	}
	ip, prefix, err := s.cfg.LeaseAddress(mac)
	return Address{ip, prefix, "inet"}, err
}

// Lease implements Runtime.
func (s *Simulated) Lease(ctx context.Context, vmid int, iface string, logf Logf) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	g := s.guests[vmid]
	s.mu.Unlock()
	if g == nil {
		return domain.Errorf(domain.Conflict, "CT %d not running", vmid)
	}
	at := slices.IndexFunc(g.interfaces, func(i Interface) bool { return i.Name == iface })
	if at < 0 {
		return domain.Errorf(domain.Unavailable, "no DHCP lease on %s: no such interface", iface)
	}
	a, err := s.lease(g.interfaces[at].MAC)
	if err != nil {
		return domain.Errorf(domain.Unavailable, "no DHCP lease on %s: %w", iface, err)
	}
	logf("lease of %s obtained", a.IP)
	s.mu.Lock()
	defer s.mu.Unlock()
	g.interfaces[at].Addresses = []Address{a}
	return nil
}

// Stop implements Runtime.
func (s *Simulated) Stop(_ context.Context, vmid int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.guests, vmid)
	return nil
}

// Shutdown implements Runtime: a simulated guest always obeys.
func (s *Simulated) Shutdown(ctx context.Context, vmid int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.Stop(ctx, vmid)
}

// Apply implements Runtime.
func (s *Simulated) Apply(_ context.Context, vmid int, limits Limits) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.guests[vmid]
	if g == nil {
		return domain.Errorf(domain.Conflict, "CT %d not running", vmid)
	}
	g.spec.Limits = limits
	return nil
}

// Status implements Runtime. A simulated guest uses an eighth of its memory and no processor.
func (s *Simulated) Status(_ context.Context, vmid int) (Status, error) {
	s.mu.Lock()
	g := s.guests[vmid]
	s.mu.Unlock()
	if g == nil {
		return Status{}, nil
	}
	status := Status{
		Running: true, PID: vmid, UptimeSec: int64(s.cfg.Now().Sub(g.started) / time.Second),
		MemBytes: int64(g.spec.Limits.MemoryMiB) << 20 / 8,
	}
	if v, err := readVolume(g.spec.Volume); err == nil {
		status.DiskBytes = v.Used
	}
	return status, nil
}

// Interfaces implements Runtime.
func (s *Simulated) Interfaces(_ context.Context, vmid int) ([]Interface, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.guests[vmid]
	if g == nil {
		return nil, domain.Errorf(domain.Conflict, "CT %d not running", vmid)
	}
	return slices.Clone(g.interfaces), nil
}

// Close implements Runtime.
func (s *Simulated) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.guests)
	return nil
}

func readVolume(dir string) (v simulatedVolume, err error) {
	raw, err := os.ReadFile(filepath.Join(dir, simulatedFile))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(dir) // an empty volume, as it is before Unpack
		return v, err
	}
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(raw, &v)
}

func writeVolume(dir string, v simulatedVolume) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write volume: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, simulatedFile), raw, 0o600); err != nil {
		return fmt.Errorf("write volume: %w", err)
	}
	return nil
}
