package proxmox_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/domain"
	"berth/proxmox"
)

// The library takes most of these for success or loses their text.
func TestEveryRefusalIsAnError(t *testing.T) {
	for _, tc := range []struct {
		status string
		read   domain.Kind
		change domain.Kind
	}{
		{"301 Moved Permanently", domain.Permanent, domain.Permanent},
		{"400 Parameter verification failed.", domain.Invalid, domain.Invalid},
		{"401 Authentication failed!", domain.Unauthenticated, domain.Unauthenticated},
		{"403 Permission check failed (/vms/101, VM.PowerMgmt)", domain.Forbidden, domain.Forbidden},
		{"404 Not Found", domain.NotFound, domain.NotFound},
		{"423 Locked", domain.Busy, domain.Busy},
		{"500 CT is locked (backup)", domain.Busy, domain.Busy},
		{"501 Method 'X' not implemented", domain.Permanent, domain.Permanent},
		{"502 Bad Gateway", domain.Unavailable, domain.UnknownOutcome},
		{"503 Service Unavailable", domain.Unavailable, domain.UnknownOutcome},
		{"504 Gateway Timeout", domain.Unavailable, domain.UnknownOutcome},
		{"595 No route to host", domain.Unavailable, domain.UnknownOutcome},
		{"596 Connection timed out", domain.Unavailable, domain.UnknownOutcome},
		{"599 Too many redirections", domain.Unavailable, domain.UnknownOutcome},
	} {
		for _, body := range []string{"", `{"data":null}`, "<html>no</html>"} {
			d := newDouble(t, map[string][]answer{
				"GET /nodes/pve1/lxc/101/config":        {{status: tc.status, body: body}},
				"POST /nodes/pve1/lxc/101/status/start": {{status: tc.status, body: body}},
				"PUT /nodes/pve1/lxc/101/config":        {{status: tc.status, body: body}},
			})
			c := client(t, config(d.URL))
			_, err := c.Config(t.Context(), "pve1", 101)
			if !domain.Is(err, tc.read) {
				t.Errorf("read %s %q: %v, kind %s", tc.status, body, err, domain.KindOf(err))
			}
			if got := apiError(t, err); tc.status != strings.TrimSpace(strings.Join([]string{tc.status[:3], got.Reason}, " ")) {
				t.Errorf("reason %q of %s got lost", got.Reason, tc.status)
			}
			if ref, err := c.Start(t.Context(), "pve1", 101); !domain.Is(err, tc.change) || !ref.IsZero() {
				t.Errorf("change %s %q: %v, kind %s", tc.status, body, err, domain.KindOf(err))
			}
			name := "x"
			if err := c.Configure(t.Context(), "pve1", 101, proxmox.ConfigChange{Hostname: &name}); !domain.Is(err, tc.change) {
				t.Errorf("configure %s %q: %v", tc.status, body, err)
			}
			if n := len(d.calls("POST /nodes/pve1/lxc/101/status/start")); n != 1 {
				t.Errorf("%s: a change was sent %d times", tc.status, n)
			}
		}
	}
}

func TestMessageKeepsTheCauseBelowTheFirstLine(t *testing.T) {
	d := newDouble(t, map[string][]answer{"GET /version": {{
		status: "400 Parameter verification failed.",
		body:   `{"data":null,"message":"first\nresources: second\n","errors":{"net0":"invalid format - format error\nnet0.tag: too big\n"}}`,
	}}})
	_, err := client(t, config(d.URL)).Version(t.Context())
	got := apiError(t, err)
	var e *domain.Error
	if !errors.As(err, &e) || len(e.Fields) != 1 || e.Fields[0].Field != "net0" || !strings.Contains(e.Fields[0].Rule, "net0.tag: too big") {
		t.Errorf("fields of %#v", err)
	}
	if got.Message != "first\nresources: second" || got.Path != "/version" || got.Method != http.MethodGet {
		t.Errorf("got %+v", got)
	}
}

func TestReadsAreRepeatedAndChangesAreNot(t *testing.T) {
	d := newDouble(t, map[string][]answer{
		"GET /version": {
			{drop: true}, {status: "595 No route to host"}, refuse("500 can't lock file '/x' - got timeout"), ok(`{"version":"9.2.11"}`),
		},
		"POST /nodes/pve1/lxc/101/status/start": {{drop: true}, ok(`"` + upid + `"`)},
	})
	c := client(t, config(d.URL))
	v, err := c.Version(t.Context())
	if err != nil || !v.AtLeast(9, 1) || v.AtLeast(9, 3) || v.AtLeast(10, 0) {
		t.Errorf("version %+v, %v", v, err)
	}
	if _, err := c.Start(t.Context(), "pve1", 101); !domain.Is(err, domain.UnknownOutcome) {
		t.Errorf("a dropped change: %v", err)
	}
	if n := len(d.calls("POST /nodes/pve1/lxc/101/status/start")); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

func TestFailoverOnDialErrors(t *testing.T) {
	d := newDouble(t, map[string][]answer{
		"GET /version":                          {ok(`{"version":"9.1"}`)},
		"POST /nodes/pve1/lxc/101/status/start": {ok(`"` + upid + `"`)},
	})
	c := client(t, config(deadEndpoint(t), d.URL))
	if _, err := c.Start(t.Context(), "pve1", 101); err != nil {
		t.Errorf("a change that could not be sent to the first endpoint: %v", err)
	}
	if _, err := c.Version(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := client(t, config(deadEndpoint(t))).Start(t.Context(), "pve1", 101)
	if !domain.Is(err, domain.Unavailable) {
		t.Errorf("nothing was sent, so the outcome is known: %v (%s)", err, domain.KindOf(err))
	}
	if !proxmox.TripsBreaker(err) {
		t.Error("a dead API does not count towards the breaker")
	}
}

func TestTimeoutOfAChangeIsUnknown(t *testing.T) {
	release := make(chan struct{})
	d := newDouble(t, map[string][]answer{"POST /nodes/pve1/lxc/101/status/start": {{before: func() { <-release }, drop: true}}})
	defer close(release)
	cfg := config(d.URL)
	cfg.Timeout = 50 * time.Millisecond
	if _, err := client(t, cfg).Start(t.Context(), "pve1", 101); !domain.Is(err, domain.UnknownOutcome) {
		t.Errorf("got %v", err)
	}
}

func TestBrokenAnswersOfAChangeAreUnknown(t *testing.T) {
	for _, body := range []string{"", "<html>", `{"data":`, `{}`, `{"data":null}`, `{"data":"UPID:short"}`, `{"data":"UPID:a:b:c:d:e:f"}`} {
		d := newDouble(t, map[string][]answer{"POST /nodes/pve1/lxc/101/status/start": {{body: body}}})
		if _, err := client(t, config(d.URL)).Start(t.Context(), "pve1", 101); !domain.Is(err, domain.UnknownOutcome) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestTicketLogin(t *testing.T) {
	d := newDouble(t, map[string][]answer{
		"POST /access/ticket": {
			ok(`{"ticket":"PVE:u@pve:AAAA::sig+/=","CSRFPreventionToken":"c1"}`),
			ok(`{"ticket":"PVE:u@pve:BBBB::sig","CSRFPreventionToken":"c2"}`),
		},
		"GET /version":                          {ok(`{"version":"9.2"}`)},
		"POST /nodes/pve1/lxc/101/status/start": {{status: "401 Permission denied - invalid csrf token"}, ok(`"` + upid + `"`)},
	})
	cfg := config(d.URL)
	cfg.TokenID, cfg.Secret, cfg.Username, cfg.Password = "", "", "u@pve", "very secret"
	c := client(t, cfg)
	var all sync.WaitGroup
	for range 20 { // with the library 19 of them fail
		all.Go(func() {
			if _, err := c.Version(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(d.calls("POST /access/ticket")); n != 1 {
		t.Errorf("%d logins", n)
	}
	if got := d.calls("GET /version")[0].header.Get("Cookie"); got != "PVEAuthCookie=PVE%3Au%40pve%3AAAAA%3A%3Asig%2B%2F%3D" {
		t.Errorf("cookie %q", got)
	}
	if ref, err := c.Start(t.Context(), "pve1", 101); err != nil || ref.UPID != upid {
		t.Errorf("after a refused ticket: %v", err)
	}
	starts := d.calls("POST /nodes/pve1/lxc/101/status/start")
	if len(starts) != 2 || starts[0].header.Get("CSRFPreventionToken") != "c1" || starts[1].header.Get("CSRFPreventionToken") != "c2" {
		t.Errorf("starts %+v", starts)
	}
	_ = cfg.Sleep(t.Context(), 100*time.Minute)
	if _, err := c.Version(t.Context()); err != nil {
		t.Error(err)
	}
	logins := d.calls("POST /access/ticket")
	if last := logins[len(logins)-1]; len(logins) != 3 || !strings.Contains(last.body, "PVE:u@pve:BBBB::sig") {
		t.Errorf("the ticket was not renewed by itself: %+v", logins)
	}
}

func TestFailedLoginIsNoUnknownOutcome(t *testing.T) {
	for _, tc := range []struct {
		answer answer
		kind   domain.Kind
	}{
		{refuse("401 authentication failure"), domain.Unauthenticated},
		{ok(`{"ticket":"PVE:!tfa!x","CSRFPreventionToken":"c","NeedTFA":1}`), domain.Unauthenticated},
		{answer{drop: true}, domain.Unavailable},
		{answer{status: "595 No route to host"}, domain.Unavailable},
	} {
		d := newDouble(t, map[string][]answer{"POST /access/ticket": {tc.answer}})
		cfg := config(d.URL)
		cfg.TokenID, cfg.Secret, cfg.Username, cfg.Password = "", "", "u@pve", "very secret"
		if _, err := client(t, cfg).Start(t.Context(), "pve1", 101); !domain.Is(err, tc.kind) {
			t.Errorf("%+v: %v (%s)", tc.answer, err, domain.KindOf(err))
		}
	}
}

func TestSecretsStayInside(t *testing.T) {
	var lines bytes.Buffer
	d := newDouble(t, map[string][]answer{
		"GET /version": {{status: "500 bad token " + secret, body: `{"message":"` + secret + `","errors":{"a":"` + secret + `"}}`}},
	})
	cfg := config(d.URL)
	cfg.Logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := client(t, cfg)
	_, err := c.Version(t.Context())
	_ = c.Configure(t.Context(), "pve1", 101, proxmox.ConfigChange{Env: []string{"PASSWORD=hunter2"}})
	if err == nil || strings.Contains(err.Error()+lines.String(), secret) || strings.Contains(lines.String(), "hunter2") {
		t.Errorf("error %v, log %s", err, lines.String())
	}
	if !strings.Contains(lines.String(), "/version") {
		t.Errorf("no call in the log: %s", lines.String())
	}
}

func TestOnlyTheTableOfCallsIsSent(t *testing.T) {
	d := newDouble(t, nil)
	c := client(t, config(d.URL))
	for _, call := range [][2]string{
		{"GET", "/cluster/options"},
		{"DELETE", "/nodes/pve1/lxc"},
		{"POST", "/nodes/pve1/lxc/101/status/suspend"},
		{"PUT", "/access/password"},
		{"GET", "/nodes/pve1/lxc//config"},
		{"PATCH", "/version"},
	} {
		if err := proxmox.SendRaw(c, t.Context(), call[0], call[1]); !domain.Is(err, domain.Internal) {
			t.Errorf("%s %s: %v", call[0], call[1], err)
		}
	}
	if len(d.calls("")) != 0 {
		t.Errorf("sent %+v", d.calls(""))
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]proxmox.Config{
		"no endpoint":    {TokenID: tokenID, Secret: secret},
		"odd endpoint":   {Endpoints: []string{"pve1:8006"}, TokenID: tokenID, Secret: secret},
		"plain http":     {Endpoints: []string{"http://pve1:8006"}, TokenID: tokenID, Secret: secret},
		"no credentials": {Endpoints: []string{"https://pve1:8006"}},
		"both":           {Endpoints: []string{"https://pve1:8006"}, TokenID: tokenID, Secret: secret, Username: "u@pve", Password: "x"},
		"no token name":  {Endpoints: []string{"https://pve1:8006"}, TokenID: "u@pve", Secret: secret},
		"bad CA":         {Endpoints: []string{"https://pve1:8006"}, TokenID: tokenID, Secret: secret, CA: []byte("x")},
	} {
		if _, err := proxmox.New(cfg); !domain.Is(err, domain.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCancelledContextEndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := newDouble(t, map[string][]answer{"GET /version": {{before: cancel, drop: true}}})
	if _, err := client(t, config(d.URL)).Version(ctx); err == nil || len(d.calls("GET /version")) != 1 {
		t.Errorf("got %v after %d calls", err, len(d.calls("GET /version")))
	}
}

func TestUntrustedCertificate(t *testing.T) {
	node := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"data":{"version":"9.2"}}`))
	}))
	defer node.Close()
	node.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshake
	cfg := config(node.URL)
	_, err := client(t, cfg).Version(t.Context())
	if !domain.Is(err, domain.Permanent) || proxmox.Classify(err).Name != "certificate not trusted" {
		t.Errorf("got %v", err)
	}
	cfg.Insecure = true
	if _, err := client(t, cfg).Version(t.Context()); err != nil {
		t.Error(err)
	}
}
