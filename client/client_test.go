package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/client"
)

func serve(t *testing.T, handler http.HandlerFunc) *client.Client {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	c, err := client.New(srv.URL+"/", "secret", client.Options{UserAgent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestProblemsAreErrors(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer secret" {
			t.Errorf("Authorization is %q", got)
		}
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"type":"urn:berth:problem:busy","title":"Another operation is running","status":409,"detail":"wait","operation":"op-1"}`)
	})
	_, err := c.GetContainerWithResponse(t.Context(), "web01", nil)
	var p *client.Problem
	if !errors.As(err, &p) {
		t.Fatalf("the error is %v, not a problem", err)
	}
	if p.Kind() != "busy" || p.Status != 409 || p.Busy() != "op-1" || p.Error() != "wait (operation op-1)" {
		t.Errorf("the problem is %+v: %v", p, p)
	}
}

func TestForeignAnswers(t *testing.T) {
	for _, status := range []int{http.StatusBadGateway, http.StatusFound} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
			w.WriteHeader(status)
			fmt.Fprint(w, "<html>a proxy</html>")
		})
		_, err := c.GetHealthWithResponse(t.Context())
		var p *client.Problem
		if !errors.As(err, &p) || p.Status != status || !strings.Contains(p.Error(), "a proxy") {
			t.Errorf("status %d gives %v", status, err)
		}
	}
}

func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	srv.Close()
	c, err := client.New(srv.URL, "secret", client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.GetHealthWithResponse(t.Context())
	var u *client.Unreachable
	if !errors.As(err, &u) || strings.Contains(err.Error(), "secret") {
		t.Errorf("the error is %v", err)
	}
}

func TestAddressesAreChecked(t *testing.T) {
	for _, address := range []string{"", "127.0.0.1:8080", "ftp://a", "http://"} {
		if _, err := client.New(address, "", client.Options{}); err == nil {
			t.Errorf("%q is taken for the address of an API", address)
		}
	}
	if _, err := client.New("https://a", "", client.Options{CA: []byte("x")}); err == nil {
		t.Error("a CA file without a certificate is taken")
	}
}
