package proxmox_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/proxmox"
)

// unfit is what a message for people never holds.
var unfit = map[string]*regexp.Regexp{
	"an address of the API":       regexp.MustCompile(`[a-z]+://|/api2/|UPID:`),
	"a prefix of Go's":            regexp.MustCompile(`\b(dial|read|write) (tcp|udp|unix)\b|net/http|x509:|tls:|\b(Get|Post|Put|Delete) "|%!|<nil>|context deadline`),
	"doubled punctuation":         regexp.MustCompile(`[.,:;!?]\s*[.,:;!?]|\(\)|""|  `),
	"an unfilled placeholder":     regexp.MustCompile(`\$\d|[{}]`),
	"the token":                   regexp.MustCompile(regexp.QuoteMeta(secret) + "|" + regexp.QuoteMeta(tokenID)),
	"a place in Proxmox's source": regexp.MustCompile(`/usr/share/perl5`),
}

// next is how a message tells what to do.
var next = regexp.MustCompile(`\b(Try|try|Ask|Check|Use|Give|Delete|Correct|Extend|Bring|Wait|Look|Stop|Read|Run|Take|Add|Synchronise|Please|check|look|run|upgrade|nothing to do|has to)\b`)

func wantFit(t *testing.T, message string) {
	t.Helper()
	for what, pattern := range unfit {
		if found := pattern.FindString(message); found != "" {
			t.Errorf("holds %s, %q: %s", what, found, message)
		}
	}
	if !regexp.MustCompile(`^[A-Z].*[.!?]$`).MatchString(message) {
		t.Errorf("is no sentence: %s", message)
	}
	if !next.MatchString(message) {
		t.Errorf("does not tell what to do next: %s", message)
	}
}

func TestEveryFailureIsToldInSentences(t *testing.T) {
	for _, row := range proxmox.Failures() {
		t.Run(row.Name, func(t *testing.T) {
			for _, err := range realTexts[row.Name] {
				for _, mutates := range []bool{true, false} {
					wantFit(t, domain.Words(proxmox.Worded("create CT 101 on pve1", mutates, err)))
				}
			}
		})
	}
	noisy := api(500, `can't connect to https://10.0.0.1:8006/api2/json/nodes at /usr/share/perl5/PVE/A.pm line 12.`)
	wantFit(t, domain.Words(proxmox.Worded("create CT 101 on pve1", true, noisy)))
}

// TestTransportErrorsAreTold lets real connections fail.
func TestTransportErrorsAreTold(t *testing.T) {
	t.Parallel()
	hangs := make(chan struct{})
	t.Cleanup(func() { close(hangs) })
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hangs }))
	resets := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // closes with a reset
		_ = conn.Close()
	}))
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	t.Cleanup(resets.Close)
	t.Cleanup(untrusted.Close)
	t.Cleanup(slow.CloseClientConnections)
	said := func(status string) string {
		return newDouble(t, map[string][]answer{"GET /version": {refuse(status)}, "PUT /nodes/pve1/lxc/101/config": {refuse(status)}}).URL
	}
	for name, c := range map[string]struct{ url, want string }{
		"refused":        {gone.URL, "(connection refused)"},
		"reset":          {resets.URL, "(connection reset)"},
		"timeout":        {slow.URL, "(no answer in time)"},
		"TLS":            {untrusted.URL, "certificate is not signed by a known CA"},
		"no TLS":         {"https" + strings.TrimPrefix(slow.URL, "http"), "does not speak HTTPS"},
		"401":            {said("401 No ticket"), "refused the credentials"},
		"500":            {said("500 something odd"), `"something odd"`},
		"595":            {said("595 Connection refused"), "The node does not answer (connection refused)"},
		"596":            {said("596 Connection timed out"), "The node does not answer (connection timed out)"},
		"599":            {said("599 Too many redirections"), "The node does not answer"},
		"no Proxmox":     {said("404 Not Found"), "no Proxmox VE API"},
		"a proxy before": {said("502 Bad Gateway"), "proxy"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pve, err := proxmox.New(proxmox.Config{
				Endpoints: []string{c.url}, TokenID: tokenID, Secret: secret, Timeout: 300 * time.Millisecond,
				Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
			})
			if err != nil {
				t.Fatal(err)
			}
			_, reading := pve.Version(t.Context())
			changing := pve.Configure(t.Context(), "pve1", 101, proxmox.ConfigChange{Env: []string{"A=" + secret}})
			for what, err := range map[string]error{"read": reading, "change": changing} {
				message := domain.Words(err)
				wantFit(t, message)
				if !strings.Contains(message, c.want) {
					t.Errorf("the %s is told as %q, want %q in it", what, message, c.want)
				}
			}
			if !proxmox.From(reading) || reading.Error() == domain.Words(reading) {
				t.Errorf("the log gets no more than the user: %v", reading)
			}
		})
	}
}

// TestEchoedValuesAreHidden lets Proxmox repeat what it was sent, in a refusal, a status and a log.
func TestEchoedValuesAreHidden(t *testing.T) {
	const value = "s3cret value/+&"
	echo := fmt.Sprintf(`{"data":null,"message":"bad env 'A=%s'","errors":{"env":"value '%s' is odd"}}`, value, value)
	d := newDouble(t, map[string][]answer{
		"PUT /nodes/pve1/lxc/101/config": {{status: "400 bad " + value, body: echo}},
		"GET " + upidPath + "/status":    {ok(`{"status":"stopped","exitstatus":"failed with ` + value + `"}`)},
		"GET " + upidPath + "/log":       {ok(`[{"n":1,"t":"env A=` + value + `"}]`), ok(`[]`)},
	})
	pve := client(t, proxmox.Config{Endpoints: []string{d.URL}, TokenID: tokenID, Secret: secret})
	err := pve.Configure(t.Context(), "pve1", 101, proxmox.ConfigChange{Env: []string{"A=" + value}})
	if err == nil || !strings.Contains(err.Error(), "***") {
		t.Errorf("the refusal is %v, want it with the value hidden", err)
	}
	result, taskErr := pve.Hiding([]string{value}).Wait(t.Context(), proxmox.TaskRef{Node: "pve1", UPID: upid}, time.Minute, nil)
	if taskErr == nil || !strings.Contains(taskErr.Error(), "***") {
		t.Errorf("the task ended with %v, want it with the value hidden", taskErr)
	}
	if all := fmt.Sprint(err, domain.Words(err), taskErr, domain.Words(taskErr), result.Log); strings.Contains(all, value) {
		t.Errorf("the value is shown: %s", all)
	}
	var api *proxmox.APIError
	if !errors.As(err, &api) || strings.Contains(fmt.Sprintf("%+v", api), value) {
		t.Errorf("the value is in %+v", api)
	}
}
