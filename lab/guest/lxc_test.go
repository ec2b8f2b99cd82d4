package guest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/domain"
	"berth/lab/guest"
)

func TestTinyGuest(t *testing.T) {
	l := newLab(t, "berth-gt-tiny", 211)
	spec, addr := l.tiny(t, 21)
	began := time.Now()
	if err := l.runtime.Start(t.Context(), spec, t.Logf); err != nil {
		t.Fatal(err)
	}
	started := time.Since(began)
	if err := l.runtime.Lease(t.Context(), spec.VMID, "eth0", t.Logf); err != nil {
		t.Fatal(err)
	}
	t.Logf("started after %s, lease after %s", started, time.Since(began))
	if got := l.address(t, spec.VMID, "eth0"); got != addr.String() {
		t.Errorf("eth0 has %q, want %s", got, addr)
	}
	wait(t, 5*time.Second, "the page", func() bool { return page(addr) != "" })
	if got, want := page(addr), "hello from guest21 (tiny:1)\n"; got != want {
		t.Errorf("page is %q, want %q", got, want)
	}
	if !strings.HasSuffix(l.lease(t, addr), "guest21 *") {
		t.Errorf("dnsmasq's lease is %q", l.lease(t, addr))
	}
	if raw, err := os.ReadFile(filepath.Join(spec.Volume, "etc/resolv.conf")); err != nil ||
		string(raw) != "search lab.test\nnameserver 198.18.211.1\n" {
		t.Errorf("resolv.conf is %q, %v", raw, err)
	}
	status, err := l.runtime.Status(t.Context(), spec.VMID)
	if err != nil || !status.Running || status.PID == 0 || status.MemBytes == 0 || status.DiskBytes < 1<<20 ||
		status.NetIn == 0 || status.NetOut == 0 {
		t.Errorf("status is %+v, %v", status, err)
	}
	if err := l.runtime.Start(t.Context(), spec, t.Logf); !domain.Is(err, domain.Conflict) {
		t.Errorf("a second start gives %v, want a conflict", err)
	}
	check(t, l.runtime.Shutdown(t.Context(), spec.VMID))
	if status, err := l.runtime.Status(t.Context(), spec.VMID); err != nil || status.Running {
		t.Errorf("after the shutdown the status is %+v, %v", status, err)
	}
	check(t, l.runtime.Start(t.Context(), spec, t.Logf))
	check(t, l.runtime.Stop(t.Context(), spec.VMID))
	check(t, l.runtime.Stop(t.Context(), spec.VMID))
	check(t, l.runtime.RemoveVolume(t.Context(), spec.Volume))
	check(t, l.runtime.RemoveVolume(t.Context(), spec.Volume))
}

func TestGuestOutlivesItsCallerAndIsFoundAgain(t *testing.T) {
	l := newLab(t, "berth-gt-again", 212)
	spec, addr := l.tiny(t, 22)
	ctx, cancel := context.WithCancel(t.Context())
	check(t, l.runtime.Start(ctx, spec, t.Logf))
	check(t, l.runtime.Lease(ctx, spec.VMID, "eth0", t.Logf))
	cancel()
	second := l.open(t) // what a restarted process does
	before, err := l.runtime.Status(t.Context(), spec.VMID)
	check(t, err)
	after, err := second.Status(t.Context(), spec.VMID)
	if err != nil || !after.Running || after.PID != before.PID {
		t.Errorf("the second runtime sees %+v (%v), the first %+v", after, err, before)
	}
	wait(t, 5*time.Second, "the page", func() bool { return page(addr) != "" })
	check(t, second.Close(t.Context()))
	if status, err := l.runtime.Status(t.Context(), spec.VMID); err != nil || status.Running {
		t.Errorf("after Close the guest is %+v, %v", status, err)
	}
}

func TestLimitsOfARunningGuest(t *testing.T) {
	l := newLab(t, "berth-gt-limits", 213)
	spec, _ := l.tiny(t, 23)
	// More than it may have: the kernel ends what asks for it.
	spec.Entrypoint = []string{"/bin/busybox", "sh", "-c", `busybox dd if=/dev/zero of=/dev/null bs=48M count=1 && busybox touch /small
busybox dd if=/dev/zero of=/dev/null bs=96M count=1 && busybox touch /big; busybox touch /asked
while :; do [ -e /again ] && busybox dd if=/dev/zero of=/dev/null bs=96M count=1 && busybox touch /grown; busybox sleep 0.05; done`}
	spec.Limits = guest.Limits{MemoryMiB: 64, Cores: 1}
	check(t, l.runtime.Start(t.Context(), spec, t.Logf))
	in := func(name string) string { return filepath.Join(spec.Volume, name) }
	exists := func(name string) bool { _, err := os.Stat(in(name)); return err == nil }
	wait(t, 10*time.Second, "the guest to try", func() bool { return exists("asked") })
	if !exists("small") || exists("big") {
		t.Errorf("with 64 MiB: 48 MiB given %v, 96 MiB given %v", exists("small"), exists("big"))
	}
	check(t, l.runtime.Apply(t.Context(), spec.VMID, guest.Limits{MemoryMiB: 256, Cores: 1}))
	check(t, os.WriteFile(in("again"), nil, 0o644))
	wait(t, 10*time.Second, "the guest to get 96 MiB of 256", func() bool { return exists("grown") })
	check(t, l.runtime.Apply(t.Context(), spec.VMID, guest.Limits{MemoryMiB: 200, SwapMiB: 10}))
	if err := l.runtime.Apply(t.Context(), 999, guest.Limits{MemoryMiB: 64}); !domain.Is(err, domain.Conflict) {
		t.Errorf("limits of a guest that does not run give %v", err)
	}
}

func TestWhatStopsAStart(t *testing.T) {
	l := newLab(t, "berth-gt-refuse", 214)
	spec, _ := l.tiny(t, 24)
	cases := map[string]struct {
		change func(*guest.Spec)
		want   string
	}{
		"unknown bridge":  {func(s *guest.Spec) { s.NICs[0].Bridge = "vmbr9" }, "bridge 'vmbr9' does not exist"},
		"missing program": {func(s *guest.Spec) { s.Entrypoint = []string{"/no/such"} }, "CT 124"},
		"ends at once":    {func(s *guest.Spec) { s.Entrypoint = []string{"/bin/busybox", "true"} }, ""},
		"line break":      {func(s *guest.Spec) { s.Env = []string{"A=b\nlxc.mount.entry=x"} }, "control characters"},
		"bad MAC":         {func(s *guest.Spec) { s.NICs[0].MAC = "bc:24" }, "MAC address"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			changed := spec
			changed.NICs = append([]guest.NIC{}, spec.NICs...)
			c.change(&changed)
			err := l.runtime.Start(t.Context(), changed, t.Logf)
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) &&
				(name != "missing program" || err == nil) {
				t.Errorf("Start = %v, want %q in it", err, c.want)
			}
			wait(t, 5*time.Second, "the guest to be gone", func() bool {
				status, err := l.runtime.Status(t.Context(), spec.VMID)
				return err == nil && !status.Running
			})
		})
	}
	t.Run("then it starts", func(t *testing.T) { check(t, l.runtime.Start(t.Context(), spec, t.Logf)) })
}

func TestLeaseThatNeverComes(t *testing.T) {
	l := newLab(t, "berth-gt-nolease", 215)
	spec, _ := l.tiny(t, 25)
	spec.NICs[0].MAC = "bc:24:11:ff:ff:ff" // nobody reserved an address for it
	check(t, l.runtime.Start(t.Context(), spec, t.Logf))
	if err := l.runtime.Lease(t.Context(), spec.VMID, "eth0", t.Logf); !domain.Is(err, domain.Unavailable) {
		t.Errorf("Lease = %v, want it unavailable", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := l.runtime.Lease(ctx, spec.VMID, "eth0", t.Logf); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a cancelled Lease = %v", err)
	}
	if status, err := l.runtime.Status(t.Context(), spec.VMID); err != nil || !status.Running {
		t.Errorf("the guest is %+v, %v; want it running without an address", status, err)
	}
}

func TestShutdownThatIsIgnored(t *testing.T) {
	l := newLab(t, "berth-gt-stubborn", 216)
	spec, _ := l.tiny(t, 26)
	spec.Entrypoint = []string{"/bin/busybox", "sleep", "1000"} // the first process gets no signal it does not handle
	check(t, l.runtime.Start(t.Context(), spec, t.Logf))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := l.runtime.Shutdown(ctx, spec.VMID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown = %v, want its deadline", err)
	}
	check(t, l.runtime.Stop(t.Context(), spec.VMID))
}

func TestFixedAddressAndTwoLabs(t *testing.T) {
	a, b := newLab(t, "berth-gt-two-a", 217), newLab(t, "berth-gt-two-b", 218)
	for _, l := range []*lab{a, b} {
		spec, addr := l.tiny(t, 27) // the same VMID, MAC and name in both
		spec.NICs[0].Address = addr.String() + "/24"
		spec.NICs[0].Gateway = l.network.Gateway().Addr().String()
		spec.Unprivileged = l == a // and a privileged one beside it
		check(t, l.runtime.Start(t.Context(), spec, t.Logf))
		wait(t, 5*time.Second, "the page of "+l.name, func() bool { return page(addr) == "hello from guest27 (tiny:1)\n" })
	}
	check(t, a.runtime.Close(t.Context()))
	if status, err := b.runtime.Status(t.Context(), 127); err != nil || !status.Running {
		t.Errorf("when lab a is closed the guest of lab b is %+v, %v", status, err)
	}
}

func TestManyGuestsAtOnce(t *testing.T) {
	const many = 50
	l := newLab(t, "berth-gt-many", 219)
	archive := pull(t, "tiny:1")
	began := time.Now()
	var all sync.WaitGroup
	for n := 50; n < 50+many; n++ {
		mac, addr := l.reserve(t, n)
		all.Go(func() {
			volume := filepath.Join(l.dir, "many", addr.String())
			config, err := l.runtime.Unpack(t.Context(), volume, archive, 1<<30, t.Logf)
			if err != nil {
				t.Error(err)
				return
			}
			spec := guest.Spec{
				VMID: n, Hostname: "many", Volume: volume, Entrypoint: config.Entrypoint, Env: config.Env, Unprivileged: true,
				Limits: guest.Limits{MemoryMiB: 64},
				NICs:   []guest.NIC{{Name: "eth0", MAC: mac, Bridge: "vmbr0", Address: "dhcp", HostManaged: true}},
			}
			check(t, l.runtime.Start(t.Context(), spec, t.Logf))
			check(t, l.runtime.Lease(t.Context(), n, "eth0", func(string, ...any) {}))
			if got := l.address(t, n, "eth0"); got != addr.String() {
				t.Errorf("guest %d has %q, want %s", n, got, addr)
			}
		})
	}
	all.Wait()
	t.Logf("%d guests unpacked, started and leased in %s", many, time.Since(began))
}

func TestGuestEndsWithItsNetwork(t *testing.T) {
	l := newLab(t, "berth-gt-orphan", 221)
	spec, _ := l.tiny(t, 28)
	check(t, l.runtime.Start(t.Context(), spec, t.Logf))
	check(t, l.runtime.Lease(t.Context(), spec.VMID, "eth0", t.Logf))
	check(t, l.network.Down(t.Context())) // as the next run does after this one was killed
	wait(t, 5*time.Second, "the guest to end", func() bool {
		status, err := l.runtime.Status(t.Context(), spec.VMID)
		return err == nil && !status.Running
	})
}
