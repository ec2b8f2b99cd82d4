package web_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"berth/domain"
	"berth/secret"
	"berth/web"
)

const token = "berth_admin_token"

// guard knows one administrator and one user.
type guard struct{ revoked bool }

func (g *guard) SignIn(ctx context.Context, bearer, source, _ string) (domain.Actor, error) {
	return g.Administrator(ctx, bearer, source)
}

func (g *guard) Administrator(_ context.Context, bearer, source string) (domain.Actor, error) {
	switch {
	case source != "127.0.0.1":
		return domain.Actor{}, domain.Errorf(domain.Internal, "the source is %s", source)
	case bearer == token && !g.revoked:
		return domain.Actor{User: "admin", Admin: true}, nil
	case bearer == "berth_user_token":
		return domain.Actor{}, domain.Errorf(domain.Forbidden, "this is for administrators")
	}
	return domain.Actor{}, domain.Errorf(domain.Unauthenticated, "the token is not valid")
}

// house is a login in front of a UI that tells what reaches it.
type house struct {
	*testing.T
	url   string
	guard *guard
	http  *http.Client
}

func newHouse(t *testing.T) *house {
	t.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "the UI at "+r.URL.RequestURI()+" cookies: "+r.Header.Get("Cookie")+" authorization: "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(upstream.Close)
	at, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{T: t, guard: &guard{}}
	front := httptest.NewServer(web.TemporalUI{
		Upstream: at, Guard: h.guard, Sealer: secret.Generate(), Logger: slog.New(slog.DiscardHandler),
		Codec: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "decoded") }),
	}.Handler())
	t.Cleanup(front.Close)
	h.url = front.URL
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.http = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return h
}

// ask sends a request and returns status, body and where it leads.
func (h *house) ask(method, path, body string, header ...string) (status int, text, leads string) {
	h.Helper()
	req, err := http.NewRequestWithContext(h.Context(), method, h.url+path, strings.NewReader(body))
	if err != nil {
		h.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := h.http.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		h.Fatal(err)
	}
	return res.StatusCode, string(all), res.Header.Get("Location")
}

func (h *house) signIn(token, next string) (status int, text, leads string) {
	h.Helper()
	return h.ask(http.MethodPost, "/berth/login", url.Values{"token": {token}, "next": {next}}.Encode())
}

func TestStrangersSeeTheLoginOnly(t *testing.T) {
	h := newHouse(t)
	if status, _, leads := h.ask(http.MethodGet, "/namespaces/default?x=1", "", "Accept", "text/html"); status != 303 ||
		leads != "/berth/login?next=%2Fnamespaces%2Fdefault%3Fx%3D1" {
		t.Errorf("a browser gets %d, led to %q; want the login, and back afterwards", status, leads)
	}
	if status, text, _ := h.ask(http.MethodGet, "/api/v1/namespaces", ""); status != 401 || strings.Contains(text, "the UI") {
		t.Errorf("a program gets %d %s, want 401", status, text)
	}
	if status, text, _ := h.ask(http.MethodPost, web.CodecPath+"/decode", "{}"); status != 401 || text == "decoded" {
		t.Errorf("the codec answers a stranger %d %s, want 401", status, text)
	}
	if status, text, _ := h.ask(http.MethodGet, "/berth/login", ""); status != 200 || !strings.Contains(text, `name="token"`) {
		t.Errorf("the login page is %d %s", status, text)
	}
	for bearer, want := range map[string]int{"nonsense": 401, "berth_user_token": 403} {
		status, text, _ := h.signIn(bearer, "/")
		if status != want || !strings.Contains(text, `role="alert"`) || strings.Contains(text, bearer) {
			t.Errorf("signing in with %s gets %d %s, want %d, the reason, and not the token", bearer, status, text, want)
		}
		if status, _, _ := h.ask(http.MethodGet, "/", "", "Authorization", "Bearer "+bearer); status != want {
			t.Errorf("the token %s in the header gets %d, want %d", bearer, status, want)
		}
	}
}

func TestAnAdministratorsSession(t *testing.T) {
	h := newHouse(t)
	if status, _, leads := h.signIn(token, "/workflows"); status != 303 || leads != "/workflows" {
		t.Fatalf("signing in gets %d, led to %q", status, leads)
	}
	status, text, _ := h.ask(http.MethodGet, "/workflows", "", "Accept", "text/html")
	if status != 200 || !strings.HasPrefix(text, "the UI at /workflows") || strings.Contains(text, "berth_") {
		t.Errorf("the UI gets %d %s, want the request without session and token", status, text)
	}
	if status, text, _ := h.ask(http.MethodPost, web.CodecPath+"/decode", "{}"); status != 200 || text != "decoded" {
		t.Errorf("the codec answers %d %s", status, text)
	}
	h.guard.revoked = true
	if status, _, _ := h.ask(http.MethodGet, "/workflows", ""); status != 401 {
		t.Errorf("with the token revoked the session gets %d, want 401", status)
	}
	h.guard.revoked = false
	if status, _, _ := h.ask(http.MethodPost, "/berth/logout", ""); status != 303 {
		t.Errorf("logging out gets %d", status)
	}
	if status, _, _ := h.ask(http.MethodGet, "/workflows", ""); status != 401 {
		t.Errorf("after logging out the session gets %d, want 401", status)
	}
}

func TestAProgramSendsItsToken(t *testing.T) {
	h := newHouse(t)
	status, text, _ := h.ask(http.MethodGet, "/api/v1/namespaces", "", "Authorization", "Bearer "+token)
	if status != 200 || strings.Contains(text, token) {
		t.Errorf("gets %d %s, want the UI's answer, which does not see the token", status, text)
	}
}

func TestNobodyIsLedAway(t *testing.T) {
	for _, next := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, "javascript:alert(1)", "", "/berth/login"} {
		h := newHouse(t)
		if _, _, leads := h.signIn(token, next); leads != "/" {
			t.Errorf("signing in with next %q leads to %q, want /", next, leads)
		}
	}
}

func TestOtherSitesCannotPost(t *testing.T) {
	h := newHouse(t)
	h.signIn(token, "/")
	for _, path := range []string{"/api/v1/terminate", "/berth/logout", "/berth/login"} {
		if status, _, _ := h.ask(http.MethodPost, path, "x=1", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"); status != 403 {
			t.Errorf("a page of another site may post to %s: %d", path, status)
		}
	}
}

func TestASessionOfAnotherInstallation(t *testing.T) {
	one, other := newHouse(t), newHouse(t)
	one.signIn(token, "/")
	at, err := url.Parse(one.url)
	if err != nil {
		t.Fatal(err)
	}
	c := one.http.Jar.Cookies(at)[0]
	if strings.Contains(c.Value, token) {
		t.Error("the cookie holds the token readably")
	}
	if status, _, _ := other.ask(http.MethodGet, "/", "", "Cookie", c.Name+"="+c.Value); status != 401 {
		t.Errorf("it is let in: %d", status)
	}
}
