package guest_test

import (
	"archive/tar"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
	"berth/lab/guest"
)

func simulated(t *testing.T) (*guest.Simulated, guest.Spec, *time.Time) {
	t.Helper()
	now := time.Unix(1000, 0)
	s := guest.NewSimulated(guest.SimulatedConfig{
		LeaseAddress: func(mac string) (string, int, error) {
			if mac != "bc:24:11:00:00:01" {
				return "", 0, errors.New("no reservation")
			}
			return "198.18.0.21", 16, nil
		},
		Bridges: []string{"vmbr0"},
		Now:     func() time.Time { return now },
	})
	volume := filepath.Join(t.TempDir(), "volume")
	archive := save(t, tarOf(t, entry{name: "etc/", kind: tar.TypeDir}, entry{name: "big", size: 1 << 16}))
	if _, err := s.Unpack(t.Context(), volume, archive, roomy, t.Logf); err != nil {
		t.Fatal(err)
	}
	return s, guest.Spec{
		VMID: 100, Volume: volume, Limits: guest.Limits{MemoryMiB: 80}, NICs: []guest.NIC{{
			Name: "eth0", MAC: "bc:24:11:00:00:01", Bridge: "vmbr0", Address: "dhcp",
		}},
	}, &now
}

func addressesOf(t *testing.T, r guest.Runtime, name string) []guest.Address {
	t.Helper()
	all, err := r.Interfaces(t.Context(), 100)
	check(t, err)
	for _, i := range all {
		if i.Name == name {
			return i.Addresses
		}
	}
	t.Fatalf("no interface %s in %v", name, all)
	return nil
}

func TestSimulatedGuest(t *testing.T) {
	s, spec, now := simulated(t)
	check(t, s.Start(t.Context(), spec, t.Logf))
	want := []guest.Address{{IP: "198.18.0.21", Prefix: 16, Family: "inet"}}
	if diff := cmp.Diff(want, addressesOf(t, s, "eth0")); diff != "" {
		t.Errorf("eth0 (-want +got):\n%s", diff)
	}
	if got := addressesOf(t, s, "lo"); len(got) == 0 || got[0].IP != "127.0.0.1" {
		t.Errorf("lo has %v", got)
	}
	*now = now.Add(7 * time.Second)
	status, err := s.Status(t.Context(), 100)
	if err != nil || !status.Running || status.UptimeSec != 7 || status.MemBytes != 10<<20 || status.DiskBytes < 1<<16 {
		t.Errorf("status is %+v, %v", status, err)
	}
	if err := s.Start(t.Context(), spec, t.Logf); !domain.Is(err, domain.Conflict) {
		t.Errorf("a second start gives %v", err)
	}
	check(t, s.Apply(t.Context(), 100, guest.Limits{MemoryMiB: 160}))
	if status, err := s.Status(t.Context(), 100); err != nil || status.MemBytes != 20<<20 {
		t.Errorf("with other limits the status is %+v, %v", status, err)
	}
	check(t, s.Shutdown(t.Context(), 100))
	check(t, s.Stop(t.Context(), 100))
	if status, err := s.Status(t.Context(), 100); err != nil || status != (guest.Status{}) {
		t.Errorf("after the shutdown the status is %+v, %v", status, err)
	}
	if _, err := s.Interfaces(t.Context(), 100); !domain.Is(err, domain.Conflict) {
		t.Errorf("interfaces of a stopped guest give %v", err)
	}
	check(t, s.RemoveVolume(t.Context(), spec.Volume))
	if err := s.Start(t.Context(), spec, t.Logf); err == nil {
		t.Error("a guest starts without its volume")
	}
}

func TestSimulatedHostManagedLease(t *testing.T) {
	s, spec, _ := simulated(t)
	spec.NICs[0].HostManaged = true
	check(t, s.Start(t.Context(), spec, t.Logf))
	if got := addressesOf(t, s, "eth0"); len(got) != 0 {
		t.Errorf("before the lease eth0 has %v", got)
	}
	check(t, s.Lease(t.Context(), 100, "eth0", t.Logf))
	if got := addressesOf(t, s, "eth0"); len(got) != 1 || got[0].IP != "198.18.0.21" {
		t.Errorf("after the lease eth0 has %v", got)
	}
	check(t, s.Close(t.Context()))
	if err := s.Lease(t.Context(), 100, "eth0", t.Logf); !domain.Is(err, domain.Conflict) {
		t.Errorf("a lease for a stopped guest gives %v", err)
	}
}

func TestSimulatedTrouble(t *testing.T) {
	s, spec, _ := simulated(t)
	spec.NICs[0].MAC = "bc:24:11:00:00:02"
	check(t, s.Start(t.Context(), spec, t.Logf))
	if got := addressesOf(t, s, "eth0"); len(got) != 0 {
		t.Errorf("without a reservation eth0 has %v", got)
	}
	if err := s.Lease(t.Context(), 100, "eth0", t.Logf); !domain.Is(err, domain.Unavailable) {
		t.Errorf("Lease = %v, want it unavailable", err)
	}
	spec.VMID, spec.NICs[0].Bridge = 101, "vmbr9"
	if err := s.Start(t.Context(), spec, t.Logf); err == nil || err.Error() != "bridge 'vmbr9' does not exist" {
		t.Errorf("Start = %v", err)
	}
	check(t, s.Resize(t.Context(), spec.Volume, 2*roomy))
	if err := s.Resize(t.Context(), spec.Volume, 1); !domain.Is(err, domain.Invalid) {
		t.Errorf("Resize below what is used = %v", err)
	}
}

func TestDetect(t *testing.T) {
	found := guest.Detect(t.Context())
	t.Log(found.Reason)
	if found.Kind != "lxc" && found.Kind != "simulated" || found.Reason == "" {
		t.Errorf("Detect = %+v", found)
	}
	t.Setenv("PATH", t.TempDir())
	if found := guest.Detect(t.Context()); found.Kind != "simulated" {
		t.Errorf("without any program Detect = %+v", found)
	}
}
