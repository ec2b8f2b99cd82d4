package acme_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"berth/acme"
	"berth/acme/acmetest"
	"berth/domain"
)

func account(t *testing.T, ca *acmetest.Server) domain.ACMEAccount {
	t.Helper()
	key, err := acme.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	return domain.ACMEAccount{Name: "ca", Directory: ca.Directory, Roots: ca.Roots, Key: key, Email: "admin@example.com"}
}

func register(t *testing.T, a domain.ACMEAccount) (string, error) {
	t.Helper()
	client, err := acme.Dial(a, &http.Transport{})
	if err != nil {
		return "", err
	}
	return client.Register(t.Context())
}

func TestRegister(t *testing.T) {
	ca := acmetest.Start(t)
	url, err := register(t, account(t, ca))
	if err != nil || !strings.HasSuffix(url, "/account/1") {
		t.Fatalf("registered as %q: %v", url, err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(ca.Registered[0])
	if err != nil || !strings.Contains(string(payload), `"mailto:admin@example.com"`) || !strings.Contains(string(payload), `"termsOfServiceAgreed":true`) {
		t.Errorf("the CA was sent %s", payload)
	}
}

// TestFaults has a CA answer in every way that must not be taken for another, some of which make lego panic or forget how long to wait.
func TestFaults(t *testing.T) {
	problem := func(status int, kind, detail string, header ...string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"type":"urn:ietf:params:acme:error:%s","detail":%q}`, kind, detail)
		}
	}
	plain := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		refuse func(http.ResponseWriter)
		kind   domain.Kind
		wait   time.Duration
		words  string
	}{
		"rate limit":               {problem(429, "rateLimited", "too many", "Retry-After", "3600"), domain.Limited, time.Hour, "too many"},
		"rate limit as 403":        {problem(403, "rateLimited", "too many", "Retry-After", "60"), domain.Limited, time.Minute, "too many"},
		"rate limit without time":  {problem(429, "rateLimited", "too many"), domain.Limited, time.Minute, "too many"},
		"429 of something between": {plain(429, "slow down"), domain.Limited, time.Minute, "429"},
		"down for maintenance":     {problem(503, "serverInternal", "back soon", "Retry-After", "30"), domain.Unavailable, 30 * time.Second, "back soon"},
		"no JSON":                  {plain(502, "<html>bad gateway"), domain.Unavailable, 0, "502"},
		"null":                     {plain(500, "null"), domain.Unavailable, 0, "500"},
		"endless":                  {plain(500, strings.Repeat("x", 3<<20)), domain.Unavailable, 0, "500"},
		"refused":                  {problem(400, "invalidContact", "no such address"), domain.Permanent, 0, "(invalidContact): no such address"},
	} {
		t.Run(name, func(t *testing.T) {
			ca := acmetest.Start(t)
			ca.Refuse = c.refuse
			_, err := register(t, account(t, ca))
			var got *domain.Error
			if domain.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.words) {
				t.Fatalf("got %v error %v, want %v with %q", domain.KindOf(err), err, c.kind, c.words)
			}
			if !errors.As(err, &got) || got.RetryAfter != c.wait {
				t.Errorf("to be tried again after %s, want %s", got.RetryAfter, c.wait)
			}
		})
	}
	t.Run("binding required", func(t *testing.T) {
		ca := acmetest.Start(t)
		ca.External = true
		if _, err := register(t, account(t, ca)); !domain.Is(err, domain.Permanent) || len(ca.Registered) != 0 {
			t.Errorf("got %v after %d requests", err, len(ca.Registered))
		}
		a := account(t, ca)
		a.EABKid, a.EABKey = "kid-1", "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"
		if _, err := register(t, a); err != nil || len(ca.Registered) != 1 {
			t.Errorf("with a binding: %v after %d requests", err, len(ca.Registered))
		}
	})
	t.Run("not there", func(t *testing.T) {
		a := account(t, acmetest.Start(t))
		a.Directory = "https://127.0.0.1:1/dir"
		if _, err := register(t, a); !domain.Is(err, domain.Unavailable) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("not trusted", func(t *testing.T) {
		a := account(t, acmetest.Start(t))
		a.Roots = ""
		if _, err := register(t, a); !domain.Is(err, domain.Unavailable) || !strings.Contains(fmt.Sprint(err), "certificate") {
			t.Errorf("got %v", err)
		}
	})
}
