package proxmox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/proxmox"
)

const (
	tokenID = "berth@pve!worker"
	secret  = "11111111-2222-3333-4444-555555555555"
	upid    = "UPID:pve1:00000D4A:0006BD05:6B044957:vzcreate:101:berth@pve!worker:"
)

// answer is what the double says; the status line is written raw, as net/http cannot set a reason phrase.
type answer struct {
	status string // such as "500 CT is locked (backup)"; empty: 200 OK
	body   string // sent as it is
	drop   bool   // close the connection without a word
	before func() // runs before the answer
}

func ok(data string) answer { return answer{body: `{"data":` + data + `}`} }

func refuse(status string) answer {
	_, reason, _ := strings.Cut(status, " ")
	return answer{status: status, body: fmt.Sprintf(`{"data":null,"message":%q}`, reason+"\n")}
}

type seen struct {
	method, path, query, body string
	header                    http.Header
}

// double plays a node by script: for "METHOD path" a list of answers, of which the last repeats.
type double struct {
	*httptest.Server
	t      *testing.T
	mu     sync.Mutex
	script map[string][]answer
	seen   []seen
}

func newDouble(t *testing.T, script map[string][]answer) *double {
	d := &double{t: t, script: script}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *double) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/api2/json")
	d.mu.Lock()
	d.seen = append(d.seen, seen{r.Method, path, r.URL.RawQuery, string(raw), r.Header.Clone()})
	key := r.Method + " " + path
	list := d.script[key]
	if len(list) > 1 {
		d.script[key] = list[1:]
	}
	d.mu.Unlock()
	if len(list) == 0 {
		list = []answer{refuse("501 Method '" + key + "' not implemented")}
	}
	a := list[0]
	if a.before != nil {
		a.before()
	}
	conn, buf, err := w.(http.Hijacker).Hijack()
	if err != nil {
		d.t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	if a.drop {
		return
	}
	if a.status == "" {
		a.status = "200 OK"
	}
	_, _ = fmt.Fprintf(buf, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		a.status, len(a.body), a.body)
	_ = buf.Flush()
}

func (d *double) calls(key string) (found []seen) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.seen {
		if key == "" || s.method+" "+s.path == key {
			found = append(found, s)
		}
	}
	return found
}

// clock stands still but for those who sleep.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (k *clock) Now() time.Time { k.mu.Lock(); defer k.mu.Unlock(); return k.now }

func (k *clock) Sleep(ctx context.Context, d time.Duration) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now = k.now.Add(d)
	return ctx.Err()
}

var start = time.Unix(0x6B044957, 0)

func config(urls ...string) proxmox.Config {
	k := &clock{now: start}
	return proxmox.Config{
		Endpoints: urls, TokenID: tokenID, Secret: secret, Timeout: 5 * time.Second,
		Now: k.Now, Sleep: k.Sleep, Random: func() float64 { return 1 },
	}
}

func client(t *testing.T, cfg proxmox.Config) *proxmox.Client {
	t.Helper()
	c, err := proxmox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// deadEndpoint is an address where nothing listens.
func deadEndpoint(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String()
}

func apiError(t *testing.T, err error) *proxmox.APIError {
	t.Helper()
	var api *proxmox.APIError
	if !errors.As(err, &api) {
		t.Fatalf("%v holds no *APIError", err)
	}
	return api
}
