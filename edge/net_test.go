package edge_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"berth/domain"
)

// network is a site's network for a test: a network namespace with a bridge, which this process reaches by a veth pair.
type network struct {
	t      *testing.T
	name   string
	prefix string // such as "198.19.7."
	guests int
}

// newNetwork makes a network that nobody else on this machine has, and takes it away after the test.
func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{t: t}
	for n.prefix == "" {
		third := rand.IntN(256)
		prefix := fmt.Sprintf("198.19.%d.", third)
		if routes := n.run("ip", "route", "show", "root", prefix+"0/24"); routes == "" {
			n.prefix, n.name = prefix, fmt.Sprintf("edge%d-%d", third, os.Getpid())
		}
	}
	host := fmt.Sprintf("e%s", strings.TrimPrefix(n.name, "edge"))
	n.run("ip", "netns", "add", n.name)
	t.Cleanup(func() { n.run("ip", "netns", "del", n.name) })
	n.in("ip", "link", "set", "lo", "up")
	// With a MAC of its own: a bridge without one takes that of a port, and its neighbours lose it when the port goes.
	n.in("ip", "link", "add", "vmbr0", "address", "02:00:00:00:00:02", "type", "bridge")
	n.in("ip", "addr", "add", n.prefix+"2/24", "dev", "vmbr0")
	n.in("ip", "link", "set", "vmbr0", "up")
	n.run("ip", "link", "add", host, "type", "veth", "peer", "name", "uplink", "netns", n.name)
	n.in("ip", "link", "set", "uplink", "master", "vmbr0", "up")
	n.run("ip", "addr", "add", n.prefix+"254/24", "dev", host)
	n.run("ip", "link", "set", host, "up")
	return n
}

// exec is the edge.Exec that puts programs into the namespace.
func (n *network) exec(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=/run/netns/" + n.name, name}, args...)...)
}

func (n *network) in(args ...string) string {
	return n.run(append([]string{"nsenter", "--net=/run/netns/" + n.name}, args...)...)
}

func (n *network) run(args ...string) string {
	n.t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// dhcp asks for an address as a guest with a MAC does, with a client identifier that nobody knows, and returns what it
// was given as NAME=VALUE lines; empty when nobody answered.
func (n *network) dhcp(mac string) string {
	n.t.Helper()
	n.guests++
	guest := fmt.Sprintf("%s-g%d", n.name, n.guests)
	n.run("ip", "netns", "add", guest)
	defer n.run("ip", "netns", "del", guest)
	n.in("ip", "link", "add", fmt.Sprintf("g%d", n.guests), "type", "veth", "peer", "name", "eth0", "netns", guest)
	n.in("ip", "link", "set", fmt.Sprintf("g%d", n.guests), "master", "vmbr0", "up")
	n.run("ip", "-n", guest, "link", "set", "eth0", "address", mac, "up")
	script := filepath.Join(n.t.TempDir(), "udhcpc.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ \"$1\" = bound ] && env >"+script+".out\ntrue\n"), 0o755); err != nil {
		n.t.Fatal(err)
	}
	id := fmt.Sprintf("0x3d:ff%012x", rand.Uint64N(1<<48))
	_ = exec.Command("nsenter", "--net=/run/netns/"+guest, "busybox", "udhcpc", // fails when nobody answers
		"-i", "eth0", "-n", "-q", "-f", "-t", "2", "-T", "1", "-s", script, "-x", id).Run()
	out, _ := os.ReadFile(script + ".out") // not there when nobody answered
	return string(out)
}

// dns asks the site's dnsmasq and returns the answers' values, sorted as given, and the response code.
func (n *network) dns(name string, qtype uint16) string {
	n.t.Helper()
	client := dns.Client{Timeout: 300 * time.Millisecond}
	var answer *dns.Msg
	var err error
	for range 5 { // as resolvers do
		if answer, _, err = client.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype), n.prefix+"2:53"); err == nil {
			break
		}
	}
	if err != nil {
		return err.Error()
	}
	values := []string{}
	for _, rr := range answer.Answer {
		values = append(values, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	if len(values) == 0 {
		return dns.RcodeToString[answer.Rcode]
	}
	return strings.Join(values, " ")
}

func (n *network) reverse(last int) string {
	name, err := dns.ReverseAddr(fmt.Sprintf("%s%d", n.prefix, last))
	if err != nil {
		n.t.Fatal(err)
	}
	return n.dns(name, dns.TypePTR)
}

// forwarder starts a DNS server that answers every question with 192.0.2.1 and returns its address as dnsmasq writes it.
func (n *network) forwarder() string {
	n.t.Helper()
	conn, err := net.ListenPacket("udp", n.prefix+"254:0")
	if err != nil {
		n.t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		rr, err := dns.NewRR(q.Question[0].Name + " 60 IN A 192.0.2.1")
		if err == nil {
			answer.Answer = append(answer.Answer, rr)
		}
		_ = w.WriteMsg(answer) // the test sees a missing answer
	})}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	n.t.Cleanup(func() {
		_ = server.Shutdown() // it may not have started, when the test failed at once
		_ = conn.Close()
		if err := <-done; err != nil {
			n.t.Log("DNS double:", err) // it is only closing
		}
	})
	host, port, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		n.t.Fatal(err)
	}
	return host + "#" + port
}

// snapshot returns a snapshot of the network's site with hosts web<n> at .n with MAC ending in n, for each given number.
func (n *network) snapshot(revision int64, numbers ...int) domain.Snapshot {
	s := domain.Snapshot{
		SiteID: "0195a000-0000-7000-8000-00000000ffff", Site: "demo", Revision: revision, Domain: "demo.internal",
		CIDR: n.prefix + "0/24", Gateway: n.prefix + "1", RangeFirst: n.prefix + "10", RangeLast: n.prefix + "250",
		LeaseSeconds: 600, Names: []domain.HostName{{Name: "edge1", Address: n.prefix + "2"}},
	}
	for _, i := range numbers {
		s.Hosts = append(s.Hosts, domain.Host{
			ID: id(i), Hostname: fmt.Sprintf("web%d", i), MAC: mac(i), Address: fmt.Sprintf("%s%d", n.prefix, i),
		})
	}
	return s
}

func id(i int) string  { return fmt.Sprintf("0195a000-0000-7000-8000-%012d", i) }
func mac(i int) string { return fmt.Sprintf("BC:24:11:00:00:%02X", i) }

// source is an edge.Source for tests.
type source struct {
	mu      sync.Mutex
	current *domain.Snapshot
	err     error // of every call, while set
	changed chan struct{}
	reports []domain.EdgeReport
}

func newSource() *source { return &source{changed: make(chan struct{})} }

func (s *source) publish(snapshot domain.Snapshot) { s.set(&snapshot, nil) }

func (s *source) set(snapshot *domain.Snapshot, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.err = snapshot, err
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *source) Snapshot(ctx context.Context, etag string, wait time.Duration) (domain.Snapshot, string, bool, error) {
	for end := time.After(wait); ; {
		s.mu.Lock()
		snapshot, err, changed := s.current, s.err, s.changed
		s.mu.Unlock()
		if err != nil {
			return domain.Snapshot{}, "", false, err
		}
		if snapshot != nil && fmt.Sprint(snapshot.Revision) != etag {
			return *snapshot, fmt.Sprint(snapshot.Revision), true, nil
		}
		select {
		case <-changed:
		case <-end:
			return domain.Snapshot{}, "", false, nil
		case <-ctx.Done():
			return domain.Snapshot{}, "", false, ctx.Err()
		}
	}
}

func (s *source) Report(_ context.Context, report domain.EdgeReport) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.reports = append(s.reports, report)
	return nil
}

func (s *source) last() domain.EdgeReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reports) == 0 {
		return domain.EdgeReport{}
	}
	return s.reports[len(s.reports)-1]
}

// eventually waits until what returns want.
func eventually[T comparable](t *testing.T, what string, want T, get func() T) {
	t.Helper()
	var got T
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); {
		if got = get(); got == want {
			return
		}
		tick := time.NewTimer(5 * time.Millisecond)
		<-tick.C
	}
	t.Fatalf("%s: got %v, want %v", what, got, want)
}

// buffer is a log that a failing test shows.
type buffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}
