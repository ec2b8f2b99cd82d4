package pve

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestServe covers the listener of its own: two nodes answer, one that is away does not, and Close ends both.
func TestServe(t *testing.T) {
	l := newLab(t, nil)
	client := l.server.Client()
	ended := make(chan error, 2)
	address := map[string]string{}
	for _, node := range []string{"n1", "n2"} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address[node] = listener.Addr().String()
		go func() {
			ended <- l.ServeAt(node, listener, &tls.Config{Certificates: l.server.TLS.Certificates, MinVersion: tls.VersionTLS12})
		}()
	}
	version := func(node string) (string, error) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet,
			"https://"+address[node]+"/api2/json/version", nil)
		if err != nil {
			return "", err
		}
		req.Header.Set("Authorization", "PVEAPIToken="+l.token)
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		return string(raw), err
	}
	for _, node := range []string{"n1", "n2"} {
		if body, err := version(node); err != nil || !strings.Contains(body, pveVersion) {
			t.Errorf("%s answers %q %v", node, body, err)
		}
	}
	if err := l.SetNodeOnline(context.Background(), "n2", false); err != nil {
		t.Fatal(err)
	}
	if body, err := version("n2"); err == nil {
		t.Errorf("a node that is away answers %q", body)
	}
	if err := l.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	for range address {
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a server does not end")
		}
	}
}

// TestManyAtOnce makes guests with the same and with different VMIDs at the same time.
func TestManyAtOnce(t *testing.T) {
	l := newLab(t, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	upids := []string{}
	refusals := 0
	for i := range 20 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			vmid := []string{"101", "102", "103", "104"}[i%4]
			r, err := l.call("POST", "/nodes/n1/lxc", "vmid", vmid, "ostemplate", "local:vztmpl/app.tar", "rootfs", "disks:1")
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				t.Error(err)
			case r.status == 200:
				upid, _ := r.data.(string)
				upids = append(upids, upid)
			case strings.Contains(r.reason, "CT "+vmid+" already exists on node 'n1'"):
				refusals++
			default:
				t.Errorf("%d %s", r.status, r.reason)
			}
		}()
	}
	wg.Wait()
	if len(upids) != 4 || refusals != 16 {
		t.Errorf("%d creations, %d refusals", len(upids), refusals)
	}
	for _, upid := range upids {
		if exit := l.exit(upid); exit != "OK" {
			t.Errorf("a creation ends %q", exit)
		}
	}
}
