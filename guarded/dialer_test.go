package guarded_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/guarded"
)

func TestDialer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")

	if _, err := (guarded.Dialer{}).Client(time.Second).Get(server.URL); !domain.Is(err, domain.Forbidden) {
		t.Errorf("loopback: %v, want it refused", err)
	}
	for _, url := range []string{"http://169.254.169.254/latest/meta-data", "http://[::1]:1/", "http://0.0.0.0:1/", "http://localhost:1/", "http://[::ffff:127.0.0.1]:1/"} {
		if _, err := (guarded.Dialer{}).Client(time.Second).Get(url); !domain.Is(err, domain.Forbidden) {
			t.Errorf("%s: %v, want it refused", url, err)
		}
	}
	answer, err := (guarded.Dialer{Allow: []string{address}}).Client(time.Second).Get(server.URL)
	if err != nil {
		t.Fatalf("allowed address: %v", err)
	}
	_ = answer.Body.Close()
}
