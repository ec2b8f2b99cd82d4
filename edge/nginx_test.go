package edge_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"berth/domain"
	"berth/templates/nginxtest"
)

// backend is the number of the host that plays a container: the test's own end of the network.
const backend = 254

// app serves in place of a container and returns its port.
func (s *site) app(handler http.HandlerFunc) int {
	s.t.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("%s%d:0", s.prefix, backend))
	if err != nil {
		s.t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}}
	server.Start()
	s.t.Cleanup(server.Close)
	return listener.Addr().(*net.TCPAddr).Port
}

// published returns a snapshot with services of the backend.
func (s *site) published(revision int64, services ...domain.ServedService) domain.Snapshot {
	snapshot := s.snapshot(revision, backend)
	for i, v := range services {
		v.ID, v.Hostname = id(1000+i), fmt.Sprintf("web%d", backend)
		snapshot.Services = append(snapshot.Services, v)
	}
	return snapshot
}

func httpService(host string, port int) domain.ServedService {
	return domain.ServedService{ServiceSpec: domain.ServiceSpec{Kind: domain.ServiceHTTP, Host: host, Port: port}}
}

func streamService(kind domain.ServiceKind, external, port int) domain.ServedService {
	return domain.ServedService{ServiceSpec: domain.ServiceSpec{Kind: kind, ExternalPort: external, Port: port}}
}

// browser talks to the edge whatever the name, and takes any certificate.
func (s *site) browser() *http.Client {
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			ForceAttemptHTTP2: true, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // self-signed at first
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				_, port, _ := strings.Cut(address, ":")
				return (&net.Dialer{}).DialContext(ctx, "tcp", s.prefix+"2:"+port)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get returns what the edge answers: protocol, status, location if any, and the body's first line or a page's title.
func (s *site) get(method, url string, header ...string) (string, http.Header) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.browser().Do(req)
	if err != nil {
		return err.Error(), nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error(), nil
	}
	words := strings.TrimSpace(string(body))
	if _, page, found := strings.Cut(words, "<title>"); found {
		words, _, _ = strings.Cut(page, "</title>")
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d %s%s", resp.Proto, resp.StatusCode, resp.Header.Get("Location"), words)), resp.Header
}

func (s *site) nginxPID() int {
	content, err := os.ReadFile(filepath.Join(s.dir, "nginx", "nginx.pid"))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(content))) // 0 when it is none
	return pid
}

func TestNginxServes(t *testing.T) {
	s := newSite(t)
	port := s.app(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/own" {
			w.Header().Set("X-Frame-Options", "DENY")
		}
		fmt.Fprintf(w, "%s %s user=%q token=%q from=%s proto=%s", r.Host, r.URL, r.Header.Get("X-User"), r.Header.Get("X-Access-Token"),
			r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto"))
	})
	snapshot := s.published(1, httpService("app.example.com", port), httpService("down.example.com", 1))
	snapshot.Challenges = []domain.Challenge{{Token: "abc-DEF_1", KeyAuthorization: "abc-DEF_1.thumb"}}
	s.apply(snapshot)
	for _, c := range []struct{ name, method, url, want string }{
		{"app", "GET", "https://app.example.com/a?b=%20c", "HTTP/2.0 200 app.example.com /a?b=%20c user=\"\" token=\"\" from=" + s.prefix + "254 proto=https"},
		{"a path of the app's own", "GET", "https://app.example.com/pages/unavailable.html", "HTTP/2.0 200 app.example.com /pages/unavailable.html user=\"\" token=\"\" from=" + s.prefix + "254 proto=https"},
		{"a path of ours", "GET", "https://app.example.com/.berth/pages/unavailable.html", "HTTP/2.0 404 404 Not Found"},
		{"redirect", "GET", "http://app.example.com/a?b", "HTTP/1.1 301 https://app.example.com/a?b301 Moved Permanently"},
		{"redirect of a POST", "POST", "http://app.example.com/", "HTTP/1.1 308 https://app.example.com/308 Permanent Redirect"},
		{"challenge", "GET", "http://any.example.com/.well-known/acme-challenge/abc-DEF_1", "HTTP/1.1 200 abc-DEF_1.thumb"},
		{"unknown challenge", "GET", "http://any.example.com/.well-known/acme-challenge/abc", "HTTP/1.1 404 404 Not Found"},
		{"unknown host", "GET", "https://other.example.com/", "HTTP/2.0 404 There is nothing here"},
		{"unknown host by POST", "POST", "https://other.example.com/", "HTTP/2.0 404 There is nothing here"},
		{"down", "GET", "https://down.example.com/", "HTTP/2.0 502 This service does not answer"},
		{"down by POST", "POST", "https://down.example.com/", "HTTP/2.0 502 This service does not answer"},
	} {
		got, _ := s.get(c.method, c.url, "X-User", "root", "X-Access-Token", "stolen", "X-Forwarded-For", "192.0.2.1")
		got, _, _ = strings.Cut(got, "\r\n")
		s.expect(c.name, c.want, got)
	}
	_, header := s.get("GET", "https://app.example.com/")
	s.expect("frame options", "[SAMEORIGIN]", fmt.Sprint(header.Values("X-Frame-Options")))
	_, header = s.get("GET", "https://app.example.com/own")
	s.expect("the app's own frame options", "[DENY]", fmt.Sprint(header.Values("X-Frame-Options")))
	s.expect("server", "nginx", header.Get("Server"))
}

func TestNginxStreams(t *testing.T) {
	s := newSite(t)
	echo, err := net.Listen("tcp", fmt.Sprintf("%s%d:0", s.prefix, backend))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = echo.Close() })
	go func() {
		for {
			conn, err := echo.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn) // ends with the client
			}()
		}
	}()
	packets, err := net.ListenPacket("udp", fmt.Sprintf("%s%d:0", s.prefix, backend))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = packets.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := packets.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = packets.WriteTo(buf[:n], from) // a lost packet is asked for again
		}
	}()
	tcpPort, udpPort := echo.Addr().(*net.TCPAddr).Port, packets.LocalAddr().(*net.UDPAddr).Port
	secure, proxied := streamService(domain.ServiceTCP, 2002, tcpPort), streamService(domain.ServiceTCP, 2003, tcpPort)
	secure.Host, secure.Stream.TLS, proxied.Stream.ProxyProtocol = "db.example.com", true, true
	s.apply(s.published(1, streamService(domain.ServiceTCP, 2001, tcpPort), secure, proxied, streamService(domain.ServiceUDP, 2001, udpPort)))

	say := func(conn net.Conn, err error) string {
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(3 * time.Second)) // an open connection has one
		fmt.Fprint(conn, "hello\n")
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil {
			return err.Error()
		}
		return strings.TrimSpace(line)
	}
	s.expect("tcp", "hello", say(net.Dial("tcp", s.prefix+"2:2001")))
	s.expect("tcp with TLS", "hello", say(tls.Dial("tcp", s.prefix+"2:2002", &tls.Config{InsecureSkipVerify: true}))) //nolint:gosec // self-signed
	s.expect("udp", "hello", say(net.Dial("udp", s.prefix+"2:2001")))
	if got := say(net.Dial("tcp", s.prefix+"2:2003")); !strings.HasPrefix(got, "PROXY TCP4 "+s.prefix+"254 ") {
		t.Errorf("PROXY protocol: got %q", got)
	}
	s.apply(s.published(2))
	if got := say(net.Dial("tcp", s.prefix+"2:2001")); !strings.Contains(got, "refused") {
		t.Errorf("a removed service: got %q, want it refused", got)
	}
}

func TestNginxCertificates(t *testing.T) {
	s := newSite(t)
	port := s.app(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "app") })
	chain, key := nginxtest.Certificate(t, "app.example.com")
	_, otherKey := nginxtest.Certificate(t, "www.example.com")
	one, two := httpService("app.example.com", port), httpService("www.example.com", port)
	one.Certificate, two.Certificate = id(900), id(901)
	snapshot := s.published(1, one, two, httpService("new.example.com", port))
	snapshot.Certificates = []domain.EdgeCertificate{{ID: id(900), Chain: chain, Key: key}, {ID: id(901), Chain: chain, Key: otherKey}}
	s.publish(snapshot)
	eventually(t, "left out", id(1001)+" its certificate cannot be used: private key does not match public key", func() string {
		var all []string
		for _, l := range s.last().LeftOut {
			all = append(all, l.ServiceID+" "+l.Reason)
		}
		return strings.Join(all, "\n")
	})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(chain))
	conn, err := tls.Dial("tcp", s.prefix+"2:443", &tls.Config{RootCAs: pool, ServerName: "app.example.com", MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatalf("its own certificate: %v", err)
	}
	_ = conn.Close()
	got, _ := s.get("GET", "https://new.example.com/")
	s.expect("neighbour without certificate", "HTTP/2.0 200 app", got)
	info, err := os.Stat(filepath.Join(s.dir, "nginx", "current", "certificates", id(900)+".key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
}

func TestNginxLeavesOutPortsThatAreTaken(t *testing.T) {
	s := newSite(t)
	port := s.app(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "app") })
	s.apply(s.published(1, httpService("app.example.com", port)))
	holder := s.exec(context.Background(), "busybox", "httpd", "-f", "-p", s.prefix+"2:2222", "-h", t.TempDir())
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = holder.Process.Kill() // it may have ended
		_ = holder.Wait()
	})
	eventually(t, "the port is taken", "true", func() string {
		return fmt.Sprint(strings.Contains(s.in("ss", "-ltn"), ":2222 "))
	})
	s.publish(s.published(2, httpService("app.example.com", port), streamService(domain.ServiceTCP, 2222, port), streamService(domain.ServiceTCP, 2223, port)))
	eventually(t, "left out", fmt.Sprintf("2 [%s]", id(1001)), func() string {
		report := s.last()
		var ids []string
		for _, l := range report.LeftOut {
			ids = append(ids, l.ServiceID)
			if !strings.Contains(l.Reason, "Address already in use") {
				return l.Reason
			}
		}
		return fmt.Sprint(report.Applied, " ", ids)
	})
	got, _ := s.get("GET", "https://app.example.com/")
	s.expect("neighbour", "HTTP/2.0 200 app", got)
	got, _ = s.get("GET", "http://app.example.com:2223/")
	s.expect("another port", "HTTP/1.1 200 app", got)
}

func TestNginxIsHealed(t *testing.T) {
	s := newSite(t)
	port := s.app(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "app") })
	s.apply(s.published(1, httpService("app.example.com", port)))
	before := s.last().Reloads
	conf := filepath.Join(s.dir, "nginx", "current", "nginx.conf")
	app := func() string {
		got, _ := s.get("GET", "https://app.example.com/")
		return got
	}
	t.Run("a revision that changes nothing costs no reload", func(t *testing.T) {
		s.apply(s.published(2, httpService("app.example.com", port)))
		if after := s.last().Reloads; after != before {
			t.Errorf("%d reloads, want %d", after, before)
		}
	})
	t.Run("edited by hand", func(t *testing.T) {
		if err := os.WriteFile(conf, []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
		eventually(t, "put right", "true", func() string {
			content, err := os.ReadFile(conf)
			return fmt.Sprint(err == nil && strings.Contains(string(content), "app.example.com"))
		})
	})
	t.Run("killed", func(t *testing.T) {
		// The workers of a killed master serve on, so the whole group goes.
		pid := s.nginxPID()
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range append([]string{strconv.Itoa(pid)}, strings.Fields(string(children))...) {
			if one, err := strconv.Atoi(word); err == nil {
				_ = syscall.Kill(one, syscall.SIGKILL) // gone is fine
			}
		}
		eventually(t, "served", "HTTP/2.0 200 app", app)
	})
	t.Run("edge restarted", func(t *testing.T) {
		pid := s.nginxPID()
		s.end()
		s.expect("without an edge", "HTTP/2.0 200 app", app())
		s.start()
		s.apply(s.published(3, httpService("app.example.com", port)))
		if now := s.nginxPID(); now != pid {
			t.Errorf("nginx is process %d, want %d to serve on", now, pid)
		}
		if reloads := s.last().Reloads; reloads != 0 {
			t.Errorf("%d reloads by the new edge, want none", reloads)
		}
	})
	t.Run("new address of the container without reload", func(t *testing.T) {
		moved := s.published(4, httpService("app.example.com", port))
		moved.Hosts[0].Address = s.prefix + "253"
		s.run("ip", "addr", "add", s.prefix+"253/24", "dev", strings.Replace(s.name, "edge", "e", 1))
		listener, err := net.Listen("tcp", fmt.Sprintf("%s253:%d", s.prefix, port))
		if err != nil {
			t.Fatal(err)
		}
		server := &httptest.Server{Listener: listener, Config: &http.Server{
			Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "moved") }),
			ReadHeaderTimeout: time.Second,
		}}
		server.Start()
		t.Cleanup(server.Close)
		s.apply(moved)
		s.expect("name", s.prefix+"253", s.dns(fmt.Sprintf("web%d.demo.internal", backend), dns.TypeA))
		eventually(t, "served from there", "HTTP/2.0 200 moved", app)
	})
}
