package oci_test

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"berth/domain"
	lab "berth/lab/registry"
	"berth/oci"
)

// logins is one login, for the host that it names.
type logins domain.Registry

func (l logins) RegistryByHost(_ context.Context, host string) (domain.Registry, error) {
	if host != l.Host {
		return domain.Registry{}, domain.Errorf(domain.NotFound, "registry %s: not found", host)
	}
	return domain.Registry(l), nil
}

// private starts a registry with a login that holds web:1, and returns its address.
func private(t *testing.T) string {
	t.Helper()
	r, err := lab.Start(lab.Config{Dir: t.TempDir(), Username: "robot", Password: "hush-right"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(context.Background()) })
	login := authn.FromConfig(authn.AuthConfig{Username: "robot", Password: "hush-right"})
	if err := remote.Write(reference(t, r.Address()+"/web:1"), web(t, "amd64"), remote.WithAuth(login)); err != nil {
		t.Fatal(err)
	}
	return r.Address()
}

func TestLogin(t *testing.T) {
	host := private(t)
	image := parse(t, host+"/web:1")
	for password, words := range map[domain.Secret]string{
		"hush-right": "",
		"hush-wrong": "registry " + host + " refuses the login that Berth has for it",
		"":           "asks for a login",
	} {
		reg := oci.Registry{}
		if password != "" {
			reg.Logins = logins{Host: host, Username: "robot", Password: password}
		}
		if is, err := reg.Private(t.Context(), image); is != (password != "") || err != nil {
			t.Errorf("private: %v, %v; want it so when there is a login", is, err)
		}
		_, err := reg.Inspect(t.Context(), image)
		again := reg.Archive(t.Context(), image, filepath.Join(t.TempDir(), "web.tar"))
		if words == "" && (err != nil || again != nil) {
			t.Errorf("the right login ends with %v and %v", err, again)
		}
		for _, err := range []error{err, again} {
			if words != "" && (!domain.Is(err, domain.Permanent) || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "hush")) {
				t.Errorf("ends with %v (%v), want permanent with %q", err, domain.KindOf(err), words)
			}
		}
	}
	_, err := oci.Registry{Logins: logins{Host: host, Username: "robot", Password: "hush-right"}}.Inspect(t.Context(), parse(t, host+"/none:1"))
	if !domain.Is(err, domain.Permanent) || !strings.Contains(err.Error(), "does not exist in its registry") {
		t.Errorf("an image that is not there: %v", err)
	}
}

// TestLoginStaysWithItsRegistry looks at what other registries are sent.
func TestLoginStaysWithItsRegistry(t *testing.T) {
	var mu sync.Mutex
	sent := map[string]bool{}
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	host, reg := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		sent[r.Header.Get("Authorization")] = true
		mu.Unlock()
		inner.ServeHTTP(w, r)
	}))
	push(t, host+"/web:1", web(t, "amd64"))
	reg.Logins = logins{Host: "registry.example.net", Username: "robot", Password: "hush"}
	if _, err := reg.Inspect(t.Context(), parse(t, host+"/web:1")); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(sent) != 1 || !sent[""] {
		t.Errorf("another registry was sent %v, want no login", sent)
	}
}

// TestTokenRealm logs in at a registry that has tokens made, as most do.
func TestTokenRealm(t *testing.T) {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	var host string
	guarded, reg := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path == "/token" && user == "robot" && password == "hush-right":
			_ = json.NewEncoder(w).Encode(map[string]string{"token": "made"})
		case r.URL.Path == "/token":
			http.Error(w, "you said "+r.Header.Get("Authorization")+password, http.StatusUnauthorized)
		case r.Header.Get("Authorization") != "Bearer made":
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+host+`/token",service="test"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			inner.ServeHTTP(w, r)
		}
	}))
	host = guarded
	login := authn.FromConfig(authn.AuthConfig{Username: "robot", Password: "hush-right"})
	if err := remote.Write(reference(t, host+"/web:1"), web(t, "amd64"), remote.WithAuth(login)); err != nil {
		t.Fatal(err)
	}
	reg.Logins = logins{Host: host, Username: "robot", Password: "hush-right"}
	if _, err := reg.Inspect(t.Context(), parse(t, host+"/web:1")); err != nil {
		t.Errorf("the right login: %v", err)
	}
	reg.Logins = logins{Host: host, Username: "robot", Password: "hush-wrong"}
	_, err := reg.Inspect(t.Context(), parse(t, host+"/web:1"))
	if !domain.Is(err, domain.Permanent) || !strings.Contains(err.Error(), "refuses the login") || strings.Contains(err.Error(), "hush") {
		t.Errorf("the wrong login: %v", err)
	}
}

// elsewhere sends every request to a server on loopback, whatever it is addressed to, and knows no TLS.
type elsewhere struct{ address string }

func (e elsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return nil, domain.Errorf(domain.Unavailable, "no TLS here")
	}
	r = r.Clone(r.Context())
	r.URL.Host = e.address
	return http.DefaultTransport.RoundTrip(r)
}

// TestLoginIsNotSentInTheClear has a registry of a private address answer without TLS, as an attacker would.
func TestLoginIsNotSentInTheClear(t *testing.T) {
	leaked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "" {
			leaked <- got
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="trap"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	reg := oci.Registry{
		Transport: elsewhere{strings.TrimPrefix(server.URL, "http://")},
		Logins:    logins{Host: "192.168.7.7:5000", Username: "robot", Password: "hush"},
	}
	_, err := reg.Inspect(t.Context(), parse(t, "192.168.7.7:5000/web:1"))
	if !domain.Is(err, domain.Permanent) || !strings.Contains(err.Error(), "192.168.7.7:5000 answers without TLS") {
		t.Errorf("ends with %v, want it refused", err)
	}
	if len(leaked) > 0 {
		t.Errorf("sent %s", <-leaked)
	}
}
