package edge_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"berth/domain"
	"berth/edge"
	"berth/templates"
)

// site is a running edge on a network of its own, with a real dnsmasq and a real nginx.
type site struct {
	*network
	*source
	dir    string
	runner *edge.Runner
	end    func()
	spoil  atomic.Int32 // this many of the next starts of dnsmasq get an option it does not know
	test   atomic.Bool  // spoil its checks, not its starts
}

func newSite(t *testing.T) *site { return newSiteIn(t, t.TempDir()) }

func newSiteIn(t *testing.T, dir string) *site {
	t.Helper()
	s := &site{network: newNetwork(t), source: newSource(), dir: dir}
	s.start()
	t.Cleanup(func() {
		s.end()
		if err := s.runner.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log, _ := os.ReadFile(s.path("log")) // for the reader of the failure only
			t.Logf("dnsmasq's log:\n%s", log)
		}
	})
	return s
}

// start starts an edge process, so to speak, which sees what the one before has left.
func (s *site) start() {
	log := &buffer{}
	options := templates.DnsmasqOptions{
		Dir: s.path(""), ListenAddress: s.prefix + "2", User: "root", LogFile: s.path("log"),
	}
	s.runner = &edge.Runner{
		Source: s.source, Dir: s.dir, Address: s.prefix + "2", Versions: map[string]string{"berth": "test"},
		Daemons: []edge.Daemon{
			edge.NewDnsmasq(options, "vmbr0", s.spoiled),
			edge.NewNginx(filepath.Join(s.dir, "nginx"), templates.NginxOptions{
				Listen: []string{s.prefix + "2"}, Resolver: s.prefix + "2", User: "root",
			}, s.spoiled),
		},
		Interval: 200 * time.Millisecond, Wait: time.Second, Retry: 20 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.runner.Run(ctx) }()
	s.end = func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
		done <- nil // ending twice is fine
		if s.t.Failed() {
			s.t.Logf("the edge's log:\n%s", log.String())
		}
	}
}

func (s *site) spoiled(ctx context.Context, name string, args ...string) *exec.Cmd {
	test := slices.Contains(args, "--test")
	if name == "dnsmasq" && !slices.Contains(args, "--version") && test == s.test.Load() && s.spoil.Add(-1) >= 0 {
		args = append(args, "--no-such-option")
	}
	return s.exec(ctx, name, args...)
}

func (s *site) path(name string) string { return filepath.Join(s.dir, "dnsmasq", name) }

// apply publishes a snapshot and waits until the edge reports that it is applied.
func (s *site) apply(snapshot domain.Snapshot) {
	s.t.Helper()
	s.publish(snapshot)
	eventually(s.t, "applied revision", fmt.Sprintf("%d: ", snapshot.Revision), func() string {
		report := s.last()
		return fmt.Sprintf("%d: %s", report.Applied, report.Message)
	})
}

func (s *site) pid() int {
	content, err := os.ReadFile(s.path("dnsmasq.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0
	}
	return pid
}

func (s *site) expect(what, want, got string) {
	s.t.Helper()
	if got != want {
		s.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestServes(t *testing.T) {
	s := newSite(t)
	first := s.snapshot(1, 11, 12)
	first.Forwarders = []string{s.forwarder()}
	s.apply(first)

	s.expect("A", s.prefix+"11", s.dns("web11.demo.internal", dns.TypeA))
	s.expect("PTR", "web12.demo.internal.", s.reverse(12))
	s.expect("name of the edge", s.prefix+"2", s.dns("edge1.demo.internal", dns.TypeA))
	s.expect("unknown name of the domain", "NXDOMAIN", s.dns("nobody.demo.internal", dns.TypeA))
	s.expect("unknown address of the network", "NXDOMAIN", s.reverse(99))
	s.expect("name of the world", "192.0.2.1", s.dns("example.org", dns.TypeA))

	given := s.dhcp(mac(11))
	for _, want := range []string{
		"ip=" + s.prefix + "11", "router=" + s.prefix + "1", "dns=" + s.prefix + "2", "domain=demo.internal", "lease=600", "mask=24",
	} {
		if !strings.Contains(given, want+"\n") {
			t.Errorf("DHCP did not give %s, but\n%s", want, given)
		}
	}
	s.expect("answer to an unknown MAC", "", s.dhcp("bc:24:11:00:00:99"))
	eventually(t, "reported leases", s.prefix+"11 bc:24:11:00:00:0b web11", func() string {
		leases := s.last().Leases
		if len(leases) != 1 {
			return fmt.Sprint(leases)
		}
		return leases[0].Address + " " + leases[0].MAC + " " + leases[0].Hostname
	})
	if v := s.last().Versions; v["berth"] != "test" || !strings.HasPrefix(v["dnsmasq"], "2.") {
		t.Errorf("reported versions: %v", v)
	}

	second := s.snapshot(2, 12)
	second.Forwarders = first.Forwarders
	s.apply(second)
	s.expect("deleted name", "NXDOMAIN", s.dns("web11.demo.internal", dns.TypeA))
	s.expect("deleted address", "NXDOMAIN", s.reverse(11))
	s.expect("answer to the MAC of the deleted host", "", s.dhcp(mac(11)))
	if leases := s.last().Leases; len(leases) != 0 {
		t.Errorf("the lease is still there: %v", leases)
	}

	third := s.snapshot(3, 12)
	third.Forwarders = first.Forwarders
	third.Hosts = append(third.Hosts, domain.Host{ID: id(20), Hostname: "heir", MAC: mac(20), Address: s.prefix + "11"})
	s.apply(third)
	if given := s.dhcp(mac(20)); !strings.Contains(given, "ip="+s.prefix+"11\n") {
		t.Errorf("the freed address was not given to its heir, but\n%s", given)
	}
}

func TestAdditionsCostNoReload(t *testing.T) {
	s := newSite(t)
	s.apply(s.snapshot(1))
	numbers := []int{}
	var took []time.Duration
	for i := 11; i <= 20; i++ {
		numbers = append(numbers, i)
		begin := time.Now()
		s.apply(s.snapshot(int64(i), numbers...))
		took = append(took, time.Since(begin).Round(time.Millisecond))
	}
	for i := 21; i <= 120; i++ {
		numbers = append(numbers, i)
	}
	begin := time.Now()
	s.apply(s.snapshot(1000, numbers...))
	t.Logf("one host each: %v; 100 hosts at once: %v", took, time.Since(begin).Round(time.Millisecond))
	if n := s.last().Reloads; n != 0 {
		t.Errorf("%d reloads for additions", n)
	}
	if given := s.dhcp(mac(77)); !strings.Contains(given, "ip="+s.prefix+"77\n") {
		t.Errorf("a host that was added without a reload got\n%s", given)
	}
	s.apply(s.snapshot(1001, numbers[:50]...))
	if n := s.last().Reloads; n != 1 {
		t.Errorf("%d reloads for 60 deletions, want 1", n)
	}
}

func TestBadHostIsLeftOut(t *testing.T) {
	s := newSite(t)
	snapshot := s.snapshot(1, 11, 12)
	snapshot.Hosts[0].Hostname = "web11\nevil"
	s.publish(snapshot)
	eventually(t, "applied revision", 1, func() int64 { return s.last().Applied })
	s.expect("message", `"web11\nevil" is left out: it is no host name`, s.last().Message)
	s.expect("the neighbour", s.prefix+"12", s.dns("web12.demo.internal", dns.TypeA))
}

func TestRefusedConfigurationRollsBack(t *testing.T) {
	for _, test := range []bool{true, false} {
		t.Run(fmt.Sprintf("test=%v", test), func(t *testing.T) {
			s := newSite(t)
			s.apply(s.snapshot(1, 11))
			pid := s.pid()
			s.test.Store(test)
			s.spoil.Store(1)
			next := s.snapshot(2, 12)
			next.LeaseSeconds = 1200 // the main configuration changes, so dnsmasq must be started anew
			s.publish(next)
			var report domain.EdgeReport
			eventually(t, "dnsmasq's own words are reported", true, func() bool {
				for _, r := range s.all() {
					if strings.Contains(r.Message, "try --help") {
						report = r
						return true
					}
				}
				return false
			})
			if report.Applied != 1 || report.Fetched != 2 {
				t.Errorf("applied %d and fetched %d, want 1 and 2", report.Applied, report.Fetched)
			}
			if test {
				// Nothing was touched, and as the trouble is over the next interval succeeds.
				eventually(t, "applied revision", 2, func() int64 { return s.last().Applied })
				return
			}
			s.expect("the old name", s.prefix+"11", s.dns("web11.demo.internal", dns.TypeA))
			s.expect("the new name", "NXDOMAIN", s.dns("web12.demo.internal", dns.TypeA))
			if s.pid() == pid {
				t.Error("dnsmasq was not even started anew")
			}
			s.apply(s.snapshot(3, 12)) // something else gets through at once
		})
	}
}

func (s *source) all() []domain.EdgeReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reports)
}

func TestKilledDnsmasqComesBack(t *testing.T) {
	s := newSite(t)
	s.apply(s.snapshot(1, 11))
	pid := s.pid()
	begin := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "A", s.prefix+"11", func() string { return s.dns("web11.demo.internal", dns.TypeA) })
	t.Logf("back after %v", time.Since(begin).Round(time.Millisecond))
	if s.pid() == pid {
		t.Error("the process that was killed answers")
	}
	eventually(t, "counted restarts", 1, func() int64 { return s.last().Reloads })
}

func TestRestartOfTheEdgeAdopts(t *testing.T) {
	s := newSite(t)
	s.apply(s.snapshot(1, 11))
	pid := s.pid()
	s.end()
	s.expect("without an edge", s.prefix+"11", s.dns("web11.demo.internal", dns.TypeA))
	s.set(nil, domain.Errorf(domain.Unavailable, "cut off"))
	if err := os.Remove(s.path("dnsmasq.pid")); err != nil { // a hint only
		t.Fatal(err)
	}
	s.start()
	eventually(t, "applied from disk", "1 serving on without news: cut off", func() string {
		status := s.runner.Status(context.Background())
		return fmt.Sprintf("%d %s", status.Applied, status.Message)
	})
	status := s.runner.Status(context.Background())
	if status.Reloads != 0 {
		t.Errorf("%d reloads for nothing", status.Reloads)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the dnsmasq that was there is gone: %v", err)
	}
	s.apply(s.snapshot(2, 12))
	s.expect("after the connection is back", s.prefix+"12", s.dns("web12.demo.internal", dns.TypeA))
}

func TestCutOffEdgeStartsDnsmasqFromDisk(t *testing.T) {
	s := newSite(t)
	s.apply(s.snapshot(1, 11))
	s.end()
	if err := s.runner.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.set(nil, domain.Errorf(domain.Forbidden, "the edge is retired"))
	s.start()
	eventually(t, "A", s.prefix+"11", func() string { return s.dns("web11.demo.internal", dns.TypeA) })
	if given := s.dhcp(mac(11)); !strings.Contains(given, "ip="+s.prefix+"11\n") {
		t.Errorf("DHCP gave\n%s", given)
	}
}

func TestHandsAreHealed(t *testing.T) {
	s := newSite(t)
	s.apply(s.snapshot(1, 11, 12))
	present := func(path string) bool { _, err := os.Stat(s.path(path)); return err == nil }
	intact := func() bool {
		content, err := os.ReadFile(s.path("hosts/" + id(11)))
		return err == nil && string(content) == s.prefix+"11 web11.demo.internal\n" &&
			s.dns("web11.demo.internal", dns.TypeA) == s.prefix+"11"
	}
	damage := map[string]struct {
		do   func() error
		well func() bool
	}{
		"hosts file lost": {
			func() error { return os.Remove(s.path("hosts/" + id(11))) },
			func() bool {
				return s.dns("web11.demo.internal", dns.TypeA) == s.prefix+"11" && present("hosts/"+id(11))
			},
		},
		"hosts file edited": {
			func() error {
				return os.WriteFile(s.path("hosts/"+id(11)), []byte("192.0.2.9 web11.demo.internal\n"), 0o644)
			},
			intact,
		},
		"reservation lost": {
			func() error { return os.Remove(s.path("dhcp/" + id(12))) },
			func() bool { return present("dhcp/" + id(12)) },
		},
		"unknown file": {
			func() error {
				return os.WriteFile(s.path("hosts/evil"), []byte("192.0.2.9 bank.demo.internal\n"), 0o644)
			},
			func() bool { return s.dns("bank.demo.internal", dns.TypeA) == "NXDOMAIN" && !present("hosts/evil") },
		},
		"folder in the way": {
			func() error {
				return errors.Join(os.Remove(s.path("hosts/"+id(11))), os.MkdirAll(s.path("hosts/"+id(11)+"/x"), 0o755))
			},
			intact,
		},
		"markers lost": {
			func() error { return os.Remove(s.path("generation")) },
			func() bool { return present("generation") },
		},
		"configuration lost": {
			func() error { return os.Remove(s.path("dnsmasq.conf")) },
			func() bool { return present("dnsmasq.conf") },
		},
		"everything lost": {
			func() error { return os.RemoveAll(s.path("")) },
			func() bool {
				return s.dns("web12.demo.internal", dns.TypeA) == s.prefix+"12" && present("dhcp/"+id(12))
			},
		},
	}
	for name, d := range damage {
		begin := time.Now()
		if err := d.do(); err != nil {
			t.Fatal(err)
		}
		eventually(t, name, true, d.well)
		eventually(t, name+": message", "", func() string { return s.last().Message })
		t.Logf("%s: healed after %v", name, time.Since(begin).Round(time.Millisecond))
	}
	if given := s.dhcp(mac(12)); !strings.Contains(given, "ip="+s.prefix+"12\n") {
		t.Errorf("after everything DHCP gave\n%s", given)
	}
}

func TestFullDiskChangesNothing(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	s := newSiteIn(t, dir)
	s.apply(s.snapshot(1, 11))
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	s.publish(s.snapshot(2, 12))
	eventually(t, "report", "1/2 true", func() string {
		r := s.last()
		return fmt.Sprintf("%d/%d %v", r.Applied, r.Fetched, strings.Contains(r.Message, "no space left on device"))
	})
	s.expect("the old name", s.prefix+"11", s.dns("web11.demo.internal", dns.TypeA))
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "applied once there is space", "2 ", func() string {
		return fmt.Sprintf("%d %s", s.last().Applied, s.last().Message)
	})
	s.expect("the new name", s.prefix+"12", s.dns("web12.demo.internal", dns.TypeA))
}

func TestHungDnsmasqIsReplaced(t *testing.T) {
	s := newSite(t)
	s.apply(s.snapshot(1, 11))
	pid := s.pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "A", s.prefix+"11", func() string { return s.dns("web11.demo.internal", dns.TypeA) })
	if s.pid() == pid {
		t.Error("the process that hung answers")
	}
}
