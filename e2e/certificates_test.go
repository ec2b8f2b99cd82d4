//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
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

	"berth/client"
	"berth/e2e/harness"
	"berth/lab/nameserver"
)

// TestCertificates has certificates issued, renewed and revoked by a real authority, with everything going wrong in between.
func TestCertificates(t *testing.T) {
	p := harness.Start(t, harness.Options{DeadlineScale: 0.1})
	p.Apart()
	host := "app." + publicDomain
	p.BerthJSON(nil, "container", "create", "web01", "--image", p.Image("tiny:1"), "--wait")
	p.BerthJSON(nil, "service", "add", "web01", "--http", host, "--port", "80", "--wait")
	if page, err := trusted(t.Context(), p, host); err != nil || !strings.Contains(page, "hello from web01 (tiny:1)") {
		t.Fatalf("right after the operation the name answers %q: %v", page, err)
	}

	t.Run("renewed", func(t *testing.T) {
		p := p.In(t)
		stop := hammer(t, p, host)
		for range 3 {
			renewed(t, p, host, func(id string) { p.BerthJSON(nil, "certificate", "renew", id) })
		}
		stop()
	})
	t.Run("worker killed in the middle", func(t *testing.T) {
		p := p.In(t)
		renewed(t, p, host, func(id string) {
			p.BerthJSON(nil, "certificate", "renew", id)
			harness.Await(t, 20*time.Second, "an order is open", func(context.Context) error {
				if orders(t, p) == "0" {
					return errors.New("there is none")
				}
				return nil
			})
			p.Restart("worker")
		})
	})
	t.Run("revoked", func(t *testing.T) {
		p := p.In(t)
		renewed(t, p, host, func(id string) { p.BerthJSON(nil, "certificate", "revoke", id, "--yes") })
		if page, err := trusted(t.Context(), p, host); err != nil {
			t.Errorf("the name answers %q under the new certificate: %v", page, err)
		}
	})
	t.Run("authority down", func(t *testing.T) {
		p := p.In(t)
		pid := pebble(t, p)
		signal(t, pid, syscall.SIGSTOP)
		before := certificate(t, p, host)
		p.BerthJSON(nil, "certificate", "renew", before.ID)
		failing := awaitState(t, p, host, client.CertificateStateFailing)
		if failing.Message == nil || !strings.Contains(*failing.Message, "could not be reached") || *failing.Serial != *before.Serial {
			t.Errorf("while the authority is away the certificate is told as %+v", failing)
		}
		if _, err := trusted(t.Context(), p, host); err != nil {
			t.Errorf("while the authority is away the name is not served: %v", err)
		}
		signal(t, pid, syscall.SIGCONT)
		renewed(t, p, host, func(id string) { p.BerthJSON(nil, "certificate", "renew", id) })
	})
	t.Run("validation fails, then heals", func(t *testing.T) {
		p := p.In(t)
		lost := "lost." + publicDomain
		update(t, p, true, lost+". 5 IN A 127.0.0.9") // where nothing listens
		p.BerthJSON(nil, "service", "add", "web01", "--http", lost, "--port", "80", "--wait")
		if page, err := public(t.Context(), p, lost); err != nil || !strings.Contains(page, "hello from web01") {
			t.Errorf("without a certificate the name answers %q: %v", page, err)
		}
		failing := awaitState(t, p, lost, client.CertificateStateFailing)
		if failing.Message == nil || !strings.Contains(*failing.Message, lost+" could not be validated") || failing.RetryAt == nil {
			t.Errorf("the certificate is told as %+v", failing)
		}
		if out, _ := p.Berth("service", "list", "web01"); !strings.Contains(out, lost+" could not be validated") {
			t.Errorf("the services do not tell why: %s", out)
		}
		update(t, p, false, lost+". 5 IN A 127.0.0.9")
		p.BerthJSON(nil, "certificate", "renew", failing.ID)
		awaitState(t, p, lost, client.CertificateStateIssued)
		harness.Await(t, 20*time.Second, lost+" is trusted", func(ctx context.Context) error {
			_, err := trusted(ctx, p, lost)
			return err
		})
	})
	t.Run("keys are nowhere else", func(t *testing.T) { keysStay(t, p.In(t)) })
	t.Run("removed", func(t *testing.T) {
		p := p.In(t)
		p.BerthJSON(nil, "container", "delete", "web01", "--yes", "--wait")
		clean(t, p)
	})
}

// trusted returns what a public name answers under a certificate of the lab's authority.
func trusted(ctx context.Context, p *harness.Platform, host string) (string, error) {
	conf, err := trustingLab(p, host)
	if err != nil {
		return "", err
	}
	page, status, err := ask443(ctx, p, host, conf)
	if err == nil && status != http.StatusOK {
		err = errors.New(http.StatusText(status))
	}
	return page, err
}

func trustingLab(p *harness.Platform, host string) (*tls.Config, error) {
	pem, err := os.ReadFile(filepath.Join(p.Data, "lab", "roots.pem"))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12}, err
}

// hammer asks for a page again and again, and fails the test at the end when any request failed.
func hammer(t *testing.T, p *harness.Platform, host string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var asked, failed atomic.Int64
	var last atomic.Value
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				_, err := trusted(context.WithoutCancel(ctx), p, host)
				asked.Add(1)
				if err != nil {
					failed.Add(1)
					last.Store(err.Error())
				}
			}
		})
	}
	return func() {
		t.Helper()
		cancel()
		all.Wait()
		t.Logf("%d requests", asked.Load())
		if failed.Load() > 0 || asked.Load() < 10 {
			t.Errorf("%d of %d requests failed: %v", failed.Load(), asked.Load(), last.Load())
		}
	}
}

// renewed waits until a name is served under another certificate after something was done with the one it has.
func renewed(t *testing.T, p *harness.Platform, host string, do func(id string)) {
	t.Helper()
	before := certificate(t, p, host)
	do(before.ID)
	harness.Await(t, time.Minute, host+" is served under another certificate", func(ctx context.Context) error {
		now := certificate(t, p, host)
		if now.State != client.CertificateStateIssued || now.Serial == nil || *now.Serial == *before.Serial {
			return fmt.Errorf("it is %s, %s", now.State, deref(now.Message))
		}
		conf, err := trustingLab(p, strings.Replace(host, "*.", "app.", 1))
		if err != nil {
			return err
		}
		conn, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", net.JoinHostPort(p.Gateway(), "443"))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if served := conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Text(16); served != *now.Serial {
			return fmt.Errorf("served is %s, not %s", served, *now.Serial)
		}
		return nil
	})
}

func certificate(t *testing.T, p *harness.Platform, host string) client.Certificate {
	t.Helper()
	answer, err := p.Client.ListCertificatesWithResponse(t.Context(), &client.ListCertificatesParams{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range answer.JSON200.Items {
		if c.Names[0] == host {
			return c
		}
	}
	t.Fatalf("there is no certificate for %s", host)
	return client.Certificate{}
}

func awaitState(t *testing.T, p *harness.Platform, host string, want client.CertificateState) (c client.Certificate) {
	t.Helper()
	harness.Await(t, time.Minute, "the certificate for "+host+" is "+string(want), func(context.Context) error {
		if c = certificate(t, p, host); c.State != want {
			return fmt.Errorf("it is %s: %s", c.State, deref(c.Message))
		}
		return nil
	})
	return c
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// orders is how many orders are open.
func orders(t *testing.T, p *harness.Platform) string {
	t.Helper()
	return p.SQL("SELECT COUNT(*) FROM certificate_orders WHERE url <> ''")
}

// pebble is the process of the lab's authority.
func pebble(t *testing.T, p *harness.Platform) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "pgrep", "-f", filepath.Join(p.Data, "lab", "ca", "pebble.json")).Output()
	if err != nil {
		t.Fatalf("find the authority: %v", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatalf("find the authority: %v", err)
	}
	return pid
}

func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// update changes a record of the lab's public DNS.
func update(t *testing.T, p *harness.Platform, add bool, record string) {
	t.Helper()
	var removed, added []string
	if add {
		added = append(added, record)
	} else {
		removed = append(removed, record)
	}
	if err := (nameserver.Client{Address: p.LabDNS()}).Update(t.Context(), publicDomain, removed, added); err != nil {
		t.Fatalf("update %s: %v", record, err)
	}
}

// keysStay searches logs, histories, the database and answers for the keys that the edge serves with.
func keysStay(t *testing.T, p *harness.Platform) {
	var keys [][]byte
	edge := filepath.Join(p.Data, "edge")
	walk := func(each func(path string, content []byte)) { walkData(t, p, each) }
	walk(func(path string, content []byte) {
		_, after, found := bytes.Cut(content, []byte("PRIVATE KEY-----\n"))
		if found && strings.HasPrefix(path, edge) {
			keys = append(keys, after[:40])
		}
	})
	if len(keys) == 0 {
		t.Fatal("no key was found where one has to be, at the edge")
	}
	places := 0
	walk(func(path string, content []byte) {
		if strings.HasPrefix(path, edge) {
			return
		}
		places++
		for _, key := range keys {
			if bytes.Contains(content, key) {
				t.Errorf("%s holds a private key", path)
			}
		}
	})
	t.Logf("%d keys, %d files", len(keys), places)
	for _, args := range [][]string{{"certificate", "list", "-o", "json"}, {"acme", "list", "-o", "json"}, {"operation", "list", "-o", "json"}} {
		if out, _ := p.Berth(args...); strings.Contains(out, "PRIVATE KEY") {
			t.Errorf("berth %v shows a private key", args)
		}
	}
}

// walkData shows every file that the platform keeps, but for those of guests.
func walkData(t *testing.T, p *harness.Platform, each func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(p.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, filepath.Join("lab", "pve")) {
			return nil //nolint:nilerr // files come and go
		}
		content, err := os.ReadFile(path)
		if err == nil {
			each(path, content)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
