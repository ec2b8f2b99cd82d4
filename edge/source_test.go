package edge_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
	"berth/edge"
)

const token = "berth_edge_0123456789"

func TestHTTPSourceSnapshot(t *testing.T) {
	want := domain.Snapshot{Site: "demo", Revision: 7, Hosts: []domain.Host{{ID: id(1), Hostname: "web1"}}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Method + " " + r.URL.String(); got != "GET /api/v1/edge/snapshot?wait=25" {
			t.Errorf("asked for %s", got)
		}
		if r.Header.Get("Authorization") != "Bearer "+token {
			t.Error("the token is missing")
		}
		w.Header().Set("ETag", `"7"`)
		if r.Header.Get("If-None-Match") == `"7"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		if err := json.NewEncoder(w).Encode(want); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	source := edge.NewHTTPSource([]string{server.URL + "/"}, token, server.Client())
	got, etag, changed, err := source.Snapshot(context.Background(), "", 25*time.Second)
	if err != nil || !changed || etag != `"7"` || !cmp.Equal(got, want) {
		t.Fatalf("first: %v, ETag %s, changed %v: %v", got, etag, changed, err)
	}
	if _, etag, changed, err = source.Snapshot(context.Background(), etag, 25*time.Second); err != nil || changed || etag != `"7"` {
		t.Fatalf("second: ETag %s, changed %v: %v", etag, changed, err)
	}
}

func TestHTTPSourceReport(t *testing.T) {
	want := domain.EdgeReport{
		Address: "198.18.0.2", Applied: 6, Fetched: 7, Message: "m", Versions: map[string]string{"dnsmasq": "2.90"},
		Leases: []domain.Lease{{Address: "198.18.0.9", MAC: "bc:24:11:00:00:09"}}, Reloads: 3,
	}
	var got domain.EdgeReport
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method+" "+r.URL.String() != "POST /api/v1/edge/report" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s as %s", r.Method, r.URL, r.Header.Get("Content-Type"))
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	if err := edge.NewHTTPSource([]string{server.URL}, token, server.Client()).Report(context.Background(), want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestHTTPSourceErrors(t *testing.T) {
	kinds := map[int]domain.Kind{
		http.StatusUnauthorized:       domain.Unauthenticated,
		http.StatusForbidden:          domain.Forbidden,
		http.StatusBadGateway:         domain.Unavailable,
		http.StatusServiceUnavailable: domain.Unavailable,
		http.StatusTeapot:             domain.Unavailable,
	}
	for status, kind := range kinds {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(`{"title": "no", "detail": "the edge is retired"}`)) // a lost answer fails the test
			}))
			defer server.Close()
			source := edge.NewHTTPSource([]string{server.URL}, token, server.Client())
			_, _, _, err := source.Snapshot(context.Background(), "", time.Second)
			for _, err := range []error{err, source.Report(context.Background(), domain.EdgeReport{})} {
				if domain.KindOf(err) != kind || !strings.Contains(err.Error(), "the edge is retired") {
					t.Errorf("got %v (%v), want kind %v and the API's words", err, domain.KindOf(err), kind)
				}
				if strings.Contains(err.Error(), token) {
					t.Errorf("the token is in the error: %v", err)
				}
			}
		})
	}
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	err := edge.NewHTTPSource([]string{server.URL}, token, http.DefaultClient).Report(context.Background(), domain.EdgeReport{})
	if !domain.Is(err, domain.Unavailable) {
		t.Errorf("nobody listens: %v (%v)", err, domain.KindOf(err))
	}
}

// TestAnotherServerIsAsked lets the first API server of two die.
func TestAnotherServerIsAsked(t *testing.T) {
	var asked []string
	serve := func(name string) *httptest.Server {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked = append(asked, name)
			w.WriteHeader(http.StatusNoContent)
		}))
		t.Cleanup(server.Close)
		return server
	}
	first, second := serve("first"), serve("second")
	source := edge.NewHTTPSource([]string{first.URL, second.URL}, token, http.DefaultClient)
	for i := range 3 {
		if i == 1 {
			first.Close()
		}
		if err := source.Report(t.Context(), domain.EdgeReport{}); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"first", "second", "second"}; !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
	second.Close()
	if err := source.Report(t.Context(), domain.EdgeReport{}); !domain.Is(err, domain.Unavailable) {
		t.Errorf("with no server left: %v, want that the API cannot be reached", err)
	}
}
