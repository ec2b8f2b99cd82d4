package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/domain"
)

func TestEveryKindHasItsProblem(t *testing.T) {
	for _, kind := range domain.Kinds() {
		p := problemOf(fmt.Errorf("asking: %w", &domain.Error{Kind: kind, Message: "what happened", Operation: "op-1"}), "req-1")
		if want := "urn:berth:problem:" + kind.String(); p.Type != want {
			t.Errorf("%v: type %q, want %q", kind, p.Type, want)
		}
		if p.Status != kind.Policy().HTTP {
			t.Errorf("%v: status %d, want %d", kind, p.Status, kind.Policy().HTTP)
		}
		if p.Title == "" {
			t.Errorf("%v has no title", kind)
		}
		if kind == domain.Internal {
			continue
		}
		if value(p.Detail) != "What happened." || value(p.Operation) != "op-1" {
			t.Errorf("%v: detail %q and operation %q are not those of the error", kind, value(p.Detail), value(p.Operation))
		}
	}
}

func TestProblemsKeepCausesToThemselves(t *testing.T) {
	for _, err := range []error{
		errors.New("dial postgres://berth:hunter2@db"),
		domain.Errorf(domain.Internal, "query with hunter2"),
		domain.Errorf(domain.Unavailable, "the database is away: %w", errors.New("hunter2")),
	} {
		text, merr := json.Marshal(problemOf(err, "req-1"))
		if merr != nil {
			t.Fatal(merr)
		}
		if strings.Contains(string(text), "hunter2") {
			t.Errorf("the problem tells the cause: %s", text)
		}
	}
	if p := problemOf(context.DeadlineExceeded, ""); p.Status != http.StatusServiceUnavailable {
		t.Errorf("a request that took too long answers %d, want 503", p.Status)
	}
}

func quiet() Options { return Options{Logger: slog.New(slog.DiscardHandler)} }

func request(t *testing.T, h http.Handler, method, target, token string, body io.Reader) (*httptest.ResponseRecorder, Problem) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, body)
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var p Problem
	if w.Code >= 400 {
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s %s: content type %q, want a problem document", method, target, got)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("%s %s: %v in %q", method, target, err, w.Body.String())
		}
		if value(p.Instance) == "" || value(p.Instance) != w.Header().Get(headerRequestID) {
			t.Errorf("%s %s: instance %q is not the request's ID", method, target, value(p.Instance))
		}
	}
	return w, p
}

func TestUnknownPathsMethodsAndCallers(t *testing.T) {
	h := newHandler(t, quiet())
	for _, c := range []struct {
		method, target, token string
		status                int
		kind                  string
	}{
		{"GET", "/api/v1/nothing", "", 404, "not-found"},
		{"GET", "/api/v1/containers/", "", 404, "not-found"},
		{"PUT", "/api/v1/containers", "", 405, "method-not-allowed"},
		{"GET", "/api/v1/containers", "", 401, "unauthenticated"},
		{"GET", "/api/v1/containers", "Basic YTpi", 401, "unauthenticated"},
		{"GET", "/api/v1/containers", "Bearer ", 401, "unauthenticated"},
		// There is no use case behind this handler: authentication panics.
		{"GET", "/api/v1/containers", "Bearer berth_x", 500, "internal"},
	} {
		w, p := request(t, h, c.method, c.target, c.token, nil)
		if w.Code != c.status || p.Type != problemType+c.kind {
			t.Errorf("%s %s as %q: %d %s, want %d %s", c.method, c.target, c.token, w.Code, p.Type, c.status, c.kind)
		}
	}
	if w, _ := request(t, h, "PUT", "/api/v1/containers", "", nil); !strings.Contains(strings.Join(w.Header().Values("Allow"), ","), "POST") {
		t.Errorf("Allow is %q, want the methods of the path", w.Header().Values("Allow"))
	}
	if w, _ := request(t, h, "GET", "/api/v1/containers", "", nil); w.Header().Get("WWW-Authenticate") == "" {
		t.Error("a 401 lacks WWW-Authenticate")
	}
}

func TestPublicPaths(t *testing.T) {
	h := newHandler(t, quiet())
	for _, c := range []struct{ target, want string }{
		{"/healthz", `"ok"`},
		{"/api/v1/openapi.yaml", "openapi: 3.0.3"},
		{"/metrics", `berth_http_requests_total{method="GET",route="/healthz",status="200"} 1`},
	} {
		w, _ := request(t, h, "GET", c.target, "", nil)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("GET %s: %d %q, want %q in it", c.target, w.Code, w.Body.String(), c.want)
		}
	}
}
