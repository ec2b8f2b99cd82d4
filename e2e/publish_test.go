//go:build e2e

package e2e

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"berth/e2e/harness"
	"berth/templates/nginxtest"
)

// publicDomain is the external domain that the lab starts with.
const publicDomain = "demo.test"

// conflict is the exit code of the client for what is taken.
const conflict = 4

// TestPublish publishes services of containers and takes them away again.
func TestPublish(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	p.BerthJSON(nil, "container", "create", "web01", "--image", p.Image("tiny:1"), "--publish", "http=one."+publicDomain+":80", "--wait")
	wantPage(t, p, "one."+publicDomain, "hello from web01 (tiny:1)")
	p.BerthJSON(nil, "service", "add", "web01", "--http", "app."+publicDomain, "--port", "80", "--wait")
	p.BerthJSON(nil, "service", "add", "web01", "--tcp=2022", "--port", "80", "--wait")
	p.BerthJSON(nil, "service", "add", "web01", "--srv", "_http._tcp", "--port", "80", "--wait")
	wantPage(t, p, "app."+publicDomain, "hello from web01 (tiny:1)")
	port := net.JoinHostPort(p.Gateway(), "2022")
	if page, err := fetch(t.Context(), "http://"+port+"/"); err != nil || !strings.Contains(page, "hello from web01") {
		t.Errorf("the TCP port answers %q: %v", page, err)
	}
	if got := srvRecord(t, p, "_http._tcp.demo.internal"); got != "web01.demo.internal.:80" {
		t.Errorf("the SRV record is %q", got)
	}
	clean(t, p)

	t.Run("taken", func(t *testing.T) {
		p := p.In(t)
		p.BerthJSON(nil, "container", "create", "web02", "--image", p.Image("tiny:1"), "--wait")
		for _, service := range [][]string{{"--http", "APP." + publicDomain + "."}, {"--tcp=2022"}, {"--srv", "_http._tcp"}} {
			if _, code := p.Berth(append([]string{"service", "add", "web02", "--port", "80"}, service...)...); code != conflict {
				t.Errorf("service add %v ends with %d, want %d", service, code, conflict)
			}
		}
		p.BerthJSON(nil, "container", "delete", "web02", "--yes", "--wait")
	})
	t.Run("certificate of one's own", func(t *testing.T) { ownCertificate(t, p.In(t)) })
	t.Run("edge's nginx killed", func(t *testing.T) {
		killNginx(t, p)
		wantPage(t, p.In(t), "app."+publicDomain, "hello from web01 (tiny:1)")
	})
	t.Run("all of Berth killed", func(t *testing.T) {
		p := p.In(t)
		p.Process("standalone").Kill()
		wantPage(t, p, "app."+publicDomain, "hello from web01 (tiny:1)") // nginx and dnsmasq serve on
		p.RestartAll()
		wantPage(t, p, "app."+publicDomain, "hello from web01 (tiny:1)")
	})
	t.Run("removed", func(t *testing.T) {
		p := p.In(t)
		p.BerthJSON(nil, "service", "remove", "web01", "app."+publicDomain, "tcp/2022", "_http._tcp", "--yes", "--wait")
		if page, _ := public(t.Context(), p, "app."+publicDomain); !strings.Contains(page, "There is nothing here") {
			t.Errorf("a removed name answers %q", page)
		}
		if _, err := fetch(t.Context(), "http://"+port+"/"); err == nil {
			t.Error("a removed port answers")
		}
		if got := srvRecord(t, p, "_http._tcp.demo.internal"); got != "" {
			t.Errorf("a removed SRV record is %q", got)
		}
		wantPage(t, p, "one."+publicDomain, "hello from web01 (tiny:1)")
		clean(t, p)
	})
	t.Run("deleted", func(t *testing.T) {
		p := p.In(t)
		p.BerthJSON(nil, "container", "delete", "web01", "--yes", "--wait")
		if page, _ := public(t.Context(), p, "one."+publicDomain); !strings.Contains(page, "There is nothing here") {
			t.Errorf("the name of a deleted container answers %q", page)
		}
		clean(t, p)
		p.BerthJSON(nil, "container", "create", "web03", "--image", p.Image("tiny:1"), "--publish", "http=one."+publicDomain+":80", "--wait")
		wantPage(t, p, "one."+publicDomain, "hello from web03 (tiny:1)")
		clean(t, p)
	})
}

// public returns what a public name answers through the edge over HTTP/2, under whatever certificate.
func public(ctx context.Context, p *harness.Platform, host string) (string, error) {
	page, _, err := ask443(ctx, p, host, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the first certificate is self-signed
	return page, err
}

// ask443 returns what a public name answers through the edge, which has to be over HTTP/2, with the status.
func ask443(ctx context.Context, p *harness.Platform, host string, conf *tls.Config) (page string, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/", nil)
	if err != nil {
		return "", 0, err
	}
	transport := &http.Transport{
		ForceAttemptHTTP2: true, DisableKeepAlives: true, TLSClientConfig: conf,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(p.Gateway(), "443"))
		},
	}
	res, err := (&http.Client{Timeout: 10 * time.Second, Transport: transport}).Do(req)
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if res.ProtoMajor != 2 {
		return string(text), res.StatusCode, fmt.Errorf("answered over %s", res.Proto)
	}
	return string(text), res.StatusCode, err
}

func wantPage(t *testing.T, p *harness.Platform, host, words string) {
	t.Helper()
	harness.Await(t, time.Minute, "https://"+host+" answers", func(ctx context.Context) error {
		page, err := public(ctx, p, host)
		if err == nil && !strings.Contains(page, words) {
			err = fmt.Errorf("it says %q", page)
		}
		return err
	})
}

// srvRecord returns target and port of an SRV record, empty when there is none.
func srvRecord(t *testing.T, p *harness.Platform, name string) string {
	t.Helper()
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeSRV)
	answer, _, err := (&dns.Client{Timeout: 2 * time.Second}).ExchangeContext(t.Context(), question, net.JoinHostPort(p.Gateway(), "53"))
	if err != nil {
		t.Fatal(err)
	}
	for _, rr := range answer.Answer {
		if srv, ok := rr.(*dns.SRV); ok {
			return fmt.Sprintf("%s:%d", srv.Target, srv.Port)
		}
	}
	return ""
}

// killNginx kills the edge's nginx, its workers included.
func killNginx(t *testing.T, p *harness.Platform) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(p.Data, "edge", "nginx", "nginx.pid"))
	if err != nil {
		t.Fatal(err)
	}
	master := strings.TrimSpace(string(content))
	children, err := os.ReadFile(filepath.Join("/proc", master, "task", master, "children"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range append([]string{master}, strings.Fields(string(children))...) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
}

// ownCertificate brings a certificate for one of two names: that one is served with it, and again without it once it is deleted.
func ownCertificate(t *testing.T, p *harness.Platform) {
	host := "app." + publicDomain
	chain, key := nginxtest.Certificate(t, host)
	files := []string{filepath.Join(t.TempDir(), "chain.pem"), filepath.Join(t.TempDir(), "key.pem")}
	for i, content := range []string{chain, key} {
		if err := os.WriteFile(files[i], []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var made struct{ ID string }
	p.BerthJSON(&made, "certificate", "upload", "--chain", files[0], "--key", files[1])
	trusted := func(host string, want bool) {
		t.Helper()
		harness.Await(t, 15*time.Second, fmt.Sprintf("%s is trusted: %v", host, want), func(ctx context.Context) error {
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM([]byte(chain))
			dialer := tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12}}
			conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(p.Gateway(), "443"))
			if err == nil {
				err = conn.Close()
			}
			if (err == nil) != want {
				return fmt.Errorf("the handshake ended otherwise: %w", cmp.Or(err, errors.New("well")))
			}
			return nil
		})
	}
	trusted(host, true)
	trusted("one."+publicDomain, false)
	services, err := p.Client.ListServicesWithResponse(t.Context(), "web01", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range services.JSON200.Items {
		if is := v.CertificateID != nil && *v.CertificateID == made.ID; is != (v.Host != nil && *v.Host == host) {
			t.Errorf("that %s is served with the certificate is told to be %v", v.Title, is)
		}
	}
	p.BerthJSON(nil, "certificate", "delete", made.ID, "--yes")
	trusted(host, false)
	wantPage(t, p, host, "hello from web01 (tiny:1)")
}
