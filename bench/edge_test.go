//go:build e2e

package bench_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"berth/bench/report"
	"berth/domain"
	"berth/edge"
	"berth/templates"
	"berth/templates/nginxtest"
)

// What the edge's benchmark serves.
const (
	edgeAddress = "127.0.77.1" // of nginx, on loopback
	edgeBackend = "127.0.77.2" // that every container has
	optionSets  = 20
	singles     = 500 // names with a certificate of their own, of the largest number of services
	wildcardID  = "wildcard"
)

// TestEdge measures how long it takes from a new service in the edge's snapshot until the real nginx serves it, beside a configuration
// with a server block for each service.
func TestEdge(t *testing.T) {
	n := samples(t, 20)
	table := report.Table{
		Name: "5-edge", Title: "A new service at the edge, by the number of services",
		Note: fmt.Sprintf("From a snapshot with one more name to the first answer under that name over TLS, %d times: render, write, nginx -t, "+
			"reload, proof. The names have %d sets of options; of 10,000 of them %d have a certificate of their own. \"Block per service\" is a "+
			"configuration with two server blocks for each name, written, tested and reloaded by the same nginx, some three times at 10,000. Memory "+
			"is the resident set of the largest worker.", n, optionSets, singles),
	}
	for _, services := range []int{1, 100, 10_000} {
		t.Run(strconv.Itoa(services), func(t *testing.T) {
			var ours, peer measured
			t.Run("berth", func(t *testing.T) { ours = oneMore(t, services, n) })
			t.Run("block per service", func(t *testing.T) { peer = blockPerService(t, services, min(n, max(3, 2000/services))) })
			for _, r := range []struct {
				name string
				is   measured
				aim  float64
			}{{"berth", ours, 500}, {"block per service", peer, 0}} {
				name := fmt.Sprintf("%d services, %s", services, r.name)
				table.Rows = append(table.Rows,
					quantiles(name, measured{name: r.is["served"]}, nil, 0.95, 0, r.aim),
					report.Row{Name: name + ", worker", Unit: "MiB", Values: []report.Value{{
						Column: "p50", Is: report.Quantile(r.is["memory"], 1), Aim: r.aim * 32 / 500,
					}}})
			}
			t.Logf("%d services: a block for each takes %.1f times as long", services,
				report.Quantile(peer["served"], 0.5)/report.Quantile(ours["served"], 0.5))
		})
	}
	publish(t, table)
}

// crowdOf is a snapshot with so many services under one domain.
func crowdOf(t *testing.T, services int) domain.Snapshot {
	t.Helper()
	s := domain.Snapshot{
		SiteID: "bench", Site: "bench", Revision: 1, Domain: "bench.internal", CIDR: "198.19.0.0/24", Gateway: "198.19.0.1",
		RangeFirst: "198.19.0.50", RangeLast: "198.19.0.199", LeaseSeconds: 3600,
	}
	certificate := func(id string, names ...string) {
		chain, key := nginxtest.Certificate(t, names...)
		s.Certificates = append(s.Certificates, domain.EdgeCertificate{ID: id, Chain: chain, Key: key})
	}
	certificate(wildcardID, "*.bench.test")
	own := singles * services / 10_000
	for i := range services {
		v := service(i)
		if i < own {
			v.Certificate = "own" + strconv.Itoa(i)
			certificate(v.Certificate, v.Host)
		}
		s.Services = append(s.Services, v)
	}
	return s
}

func service(i int) domain.ServedService {
	return domain.ServedService{
		ID: fmt.Sprintf("service-%05d", i), Hostname: "web1", Certificate: wildcardID,
		ServiceSpec: domain.ServiceSpec{
			Kind: domain.ServiceHTTP, Host: fmt.Sprintf("app%d.bench.test", i), Port: edgePort, HTTP: domain.HTTPOptions{MaxBodyMiB: 1 + i%optionSets},
		},
	}
}

// edgePort is that of the backend.
const edgePort = 18080

// newNginx returns nginx as an edge runs it, with names that all lead to the backend.
func newNginx(t *testing.T) *edge.Nginx {
	t.Helper()
	resolver, err := net.ListenPacket("udp", edgeAddress+":0")
	if err != nil {
		t.Fatal(err)
	}
	names := &dns.Server{PacketConn: resolver, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		if r.Question[0].Qtype == dns.TypeA {
			rr, _ := dns.NewRR(r.Question[0].Name + " 60 IN A " + edgeBackend)
			m.Answer = append(m.Answer, rr)
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = names.ActivateAndServe() }()
	t.Cleanup(func() { _ = names.Shutdown() })
	n := edge.NewNginx(t.TempDir(), templates.NginxOptions{
		Listen: []string{edgeAddress}, Resolver: resolver.LocalAddr().String(), User: "root",
	}, nil)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = n.Stop(ctx)
	})
	return n
}

func oneMore(t *testing.T, services, n int) measured {
	backend(t)
	nginx, s, m := newNginx(t), crowdOf(t, services), measured{}
	apply := func() {
		if left, err := nginx.Apply(t.Context(), s); err != nil || len(left) > 0 {
			t.Fatalf("apply: %v, left out %+v", err, left)
		}
	}
	apply()
	for i := range n {
		s.Revision++
		s.Services = append(s.Services, service(services+i))
		began := time.Now()
		apply()
		answered(t, s.Services[len(s.Services)-1].Host)
		m.add("served", ms(time.Since(began)))
	}
	m.add("memory", worker(t, filepath.Join(nginx.Options.RunDir, templates.NginxPID)))
	return m
}

// blockPerService is the peer: two server blocks for each name.
func blockPerService(t *testing.T, services, n int) measured {
	backend(t)
	dir, m := t.TempDir(), measured{}
	chain, key := nginxtest.Certificate(t, "*.bench.test")
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("chain.pem", []byte(chain))
	write("key.pem", []byte(key))
	conf := func(services int) {
		var b bytes.Buffer
		fmt.Fprintf(&b, "pid %s/nginx.pid;\nerror_log %s/error.log;\nuser root;\nevents {}\nhttp {\naccess_log off;\nserver_names_hash_max_size 65536;\n", dir, dir)
		for i := range services {
			host := service(i).Host
			fmt.Fprintf(&b, "server { listen %s:80; server_name %s; return 301 https://$host$request_uri; }\n", edgeAddress, host)
			fmt.Fprintf(&b, `server { listen %s:443 ssl http2; server_name %s; ssl_certificate %s/chain.pem; ssl_certificate_key %s/key.pem;
	location / { proxy_pass http://%s:%d; proxy_set_header Host $host; proxy_http_version 1.1; client_max_body_size %dm; } }
`, edgeAddress, host, dir, dir, edgeBackend, edgePort, 1+i%optionSets)
		}
		b.WriteString("}\n")
		write("nginx.conf", b.Bytes())
	}
	file := filepath.Join(dir, "nginx.conf")
	conf(services)
	start := exec.CommandContext(t.Context(), "nginx", "-c", file)
	if out, err := start.CombinedOutput(); err != nil {
		t.Fatalf("the peer: %v %s", err, out)
	}
	pid := pidOf(t, filepath.Join(dir, "nginx.pid"))
	t.Cleanup(func() {
		_ = syscall.Kill(pid, syscall.SIGQUIT)
		for syscall.Kill(pid, 0) == nil {
			time.Sleep(10 * time.Millisecond)
		}
	})
	for i := range n {
		began := time.Now()
		conf(services + i + 1)
		if out, err := exec.CommandContext(t.Context(), "nginx", "-t", "-c", file).CombinedOutput(); err != nil {
			t.Fatalf("the peer: %v %s", err, out)
		}
		if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		answered(t, service(services+i).Host)
		m.add("served", ms(time.Since(began)))
	}
	m.add("memory", worker(t, filepath.Join(dir, "nginx.pid")))
	return m
}

// backend plays every container.
func backend(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", edgeBackend, edgePort))
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/slow" {
			_, _ = io.WriteString(w, "hello from "+r.Host)
			return
		}
		for r.Context().Err() == nil { // a download that takes as long as the client likes
			if _, err := w.Write(bytes.Repeat([]byte("."), 1<<10)); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	})}}
	server.Start()
	t.Cleanup(server.Close)
}

func edgeClient(host string) *http.Client {
	return &http.Client{Timeout: 10 * time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: host}, MaxIdleConnsPerHost: 16, //nolint:gosec // self-signed
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", edgeAddress+":443")
		},
	}}
}

// answered waits until a name is answered by the backend.
func answered(t *testing.T, host string) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; {
		client := edgeClient(host)
		answer, err := client.Get("https://" + host + "/")
		if err == nil {
			body, _ := io.ReadAll(answer.Body)
			_ = answer.Body.Close()
			if string(body) == "hello from "+host {
				client.CloseIdleConnections()
				return
			}
			err = fmt.Errorf("%s: %.80s", answer.Status, body)
		}
		client.CloseIdleConnections()
		if time.Now().After(deadline) {
			t.Fatalf("%s is not served: %v", host, err)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func pidOf(t *testing.T, file string) int {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// worker returns the resident set of the largest worker of an nginx, in MiB.
func worker(t *testing.T, pidFile string) (largest float64) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ps", "--ppid", strconv.Itoa(pidOf(t, pidFile)), "-o", "rss=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.FieldsSeq(string(out)) {
		kib, err := strconv.ParseFloat(line, 64)
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, kib/1024)
	}
	return largest
}

// TestReloads holds a slow download and 100,000 requests against 100 reloads.
func TestReloads(t *testing.T) {
	requests, reloads := int64(samples(t, 100_000)), samples(t, 100)
	backend(t)
	nginx, s := newNginx(t), crowdOf(t, 100)
	if _, err := nginx.Apply(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	host := s.Services[0].Host
	slow, err := edgeClient(host).Get("https://" + host + "/slow")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Body.Close() }()

	var asked, failed atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range 8 {
		all.Go(func() {
			client := edgeClient(host)
			for asked.Add(1) <= requests {
				answer, err := client.Get("https://" + host + "/")
				if err != nil {
					failed.Add(1)
					continue
				}
				body, err := io.ReadAll(answer.Body)
				_ = answer.Body.Close()
				if err != nil || string(body) != "hello from "+host {
					failed.Add(1)
				}
			}
		})
	}
	done := 0
	for ; done < reloads || asked.Load() < requests; done++ {
		s.Revision++
		s.Services = append(s.Services, service(100+done))
		if _, err := nginx.Apply(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	took := time.Since(began)
	if _, err := io.ReadFull(slow.Body, make([]byte, 64<<10)); err != nil {
		t.Errorf("the slow download broke: %v", err)
	}
	if failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), requests)
	}
	publish(t, report.Table{
		Name: "6-reloads", Title: "Requests while nginx reloads",
		Note: fmt.Sprintf("%d requests over HTTPS by 8 clients that keep their connections, while a service was added %d times; a download that began "+
			"before the first reload went on after the last.", requests, done),
		Rows: []report.Row{
			{Name: "failed requests", Unit: "requests", Values: []report.Value{{Column: "all", Is: float64(failed.Load())}}},
			{Name: "requests", Unit: "1/s", Values: []report.Value{{Column: "all", Is: float64(requests) / took.Seconds(), More: true}}},
		},
	})
}
