package edge_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
)

// authServer answers as oauth2-proxy does for who has the cookie "session=anna@<host>".
type authServer struct {
	asked atomic.Int32
	fails atomic.Bool
}

func (a *authServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case a.fails.Load():
		w.WriteHeader(http.StatusInternalServerError)
	case r.URL.Path == "/oauth2/auth":
		a.asked.Add(1)
		cookie, err := r.Cookie("session")
		if err != nil || cookie.Value != "anna@"+r.Header.Get("X-Forwarded-Host") || r.Header.Get("X-User") != "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-Auth-Request-User", "anna")
		w.Header().Set("X-Auth-Request-Preferred-Username", "anna")
		w.Header().Set("X-Auth-Request-Email", "anna@example.com")
		w.Header().Set("X-Auth-Request-Groups", "sysadmins,ldapusers")
		w.Header().Set("X-Auth-Request-Access-Token", "token-of-anna")
		w.WriteHeader(http.StatusAccepted)
	case r.URL.Path == "/oauth2/sign_in":
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "sign in, then back to "+r.Header.Get("X-Auth-Request-Redirect"))
	default:
		fmt.Fprint(w, "auth server: "+r.Host+" "+r.URL.String())
	}
}

func TestNginxForwardAuth(t *testing.T) {
	s := newSite(t)
	auth := &authServer{}
	authPort := s.app(auth.ServeHTTP)
	port := s.app(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "app")
		for _, name := range []string{
			"X-User", "X-Preferred-Username", "X-Email", "X-Groups", "X-Access-Token", "X-Auth-Request-User", "X-Auth-Request-Email",
		} {
			fmt.Fprintf(w, " %q", r.Header.Get(name))
		}
	})
	one, two, orphan := httpService("one.example.com", port), httpService("two.example.com", port), httpService("orphan.example.com", port)
	for _, v := range []*string{&one.AuthServer, &two.AuthServer} {
		*v = fmt.Sprintf("http://web%d.demo.internal:%d", backend, authPort)
	}
	one.HTTP.Auth, two.HTTP.Auth, orphan.HTTP.Auth = true, true, true
	open := httpService("open.example.com", port)
	s.apply(s.published(1, one, two, orphan, open))

	forged := []string{
		"X-User", "root", "X-Preferred-Username", "root", "X-Email", "root@example.com", "X-Groups", "sysadmins", "X-Access-Token", "forged",
		"X-Auth-Request-User", "root", "X-Auth-Request-Email", "root@example.com",
	}
	with := func(cookie string) []string { return append([]string{"Cookie", "session=" + cookie}, forged...) }
	const anna = `HTTP/2.0 200 app "anna" "anna" "anna@example.com" "sysadmins,ldapusers" "token-of-anna" "" ""`
	for _, c := range []struct {
		name, url string
		header    []string
		want      string
	}{
		{"signed in", "https://one.example.com/", with("anna@one.example.com"), anna},
		{"signed in, from the cache", "https://one.example.com/", with("anna@one.example.com"), anna},
		{"not signed in", "https://one.example.com/a?b=1&c=2", forged, "HTTP/2.0 403 sign in, then back to https://one.example.com/a?b=1&c=2"},
		{"the cookie of one host at another", "https://two.example.com/", with("anna@one.example.com"), "HTTP/2.0 403 sign in, then back to https://two.example.com/"},
		{"without auth server", "https://orphan.example.com/", with("anna@orphan.example.com"), "HTTP/2.0 503 Sign-in is not available"},
		{"without sign-in", "https://open.example.com/", forged, `HTTP/2.0 200 app "" "" "" "" "" "" ""`},
		{"the auth server's own pages", "https://one.example.com/oauth2/start?rd=/", forged, fmt.Sprintf("HTTP/2.0 200 auth server: web%d.demo.internal:%d /oauth2/start?rd=/", backend, authPort)},
		{"inside alone", "https://one.example.com/.berth/auth", with("anna@one.example.com"), "HTTP/2.0 404 404 Not Found"},
		{"inside alone, too", "https://one.example.com/.berth/sign-in", with("anna@one.example.com"), "HTTP/2.0 404 404 Not Found"},
	} {
		got, _ := s.get("GET", c.url, c.header...)
		s.expect(c.name, c.want, got)
	}
	before := auth.asked.Load()
	got, _ := s.get("POST", "https://one.example.com/", with("anna@one.example.com")...)
	s.expect("POST", anna, got)
	if after := auth.asked.Load(); after != before {
		t.Errorf("the auth server was asked %d times more for what it had just answered", after-before)
	}
	auth.fails.Store(true)
	got, _ = s.get("GET", "https://one.example.com/", with("bert@one.example.com")...)
	s.expect("auth server fails", "HTTP/2.0 503 Sign-in is not available", got)
	got, _ = s.get("POST", "https://one.example.com/", with("bert@one.example.com")...)
	s.expect("auth server fails, by POST", "HTTP/2.0 503 Sign-in is not available", got)
}
