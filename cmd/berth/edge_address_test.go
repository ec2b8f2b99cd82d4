package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/config"
	"berth/domain"
	"berth/edge"
)

const loopbackSite = `{"siteId":"s1","site":"home","cidr":"127.0.0.0/8","edges":["127.0.0.1"]}`

// TestOwnAddress: url and token are enough, as the site's network tells which address of this host is meant.
func TestOwnAddress(t *testing.T) {
	asked := 0
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.Header.Get("Authorization") != "Bearer good" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(loopbackSite))
	}))
	defer api.Close()
	source := func(token domain.Secret) edge.Source {
		return edge.NewHTTPSource([]string{api.URL}, token, api.Client())
	}
	cfg := config.Config{EdgeDir: t.TempDir()}
	got, err := ownAddress(t.Context(), cfg, source("good"), slog.New(slog.DiscardHandler))
	if got != "127.0.0.1" || err != nil || asked != 1 {
		t.Errorf("learned %q, %v, asked %d times", got, err, asked)
	}
	if _, err := ownAddress(t.Context(), cfg, source("bad"), slog.New(slog.DiscardHandler)); !domain.Is(err, domain.Unauthenticated) {
		t.Errorf("with a token that is not good: %v", err)
	}
	asked = 0
	if err := os.WriteFile(filepath.Join(cfg.EdgeDir, "snapshot.json"), []byte(loopbackSite), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err = ownAddress(t.Context(), cfg, source("good"), slog.New(slog.DiscardHandler)); got != "127.0.0.1" || err != nil || asked != 0 {
		t.Errorf("from the kept snapshot: %q, %v, asked %d times", got, err, asked)
	}
	cfg.EdgeNamespace = "berth-lab"
	if _, err := ownAddress(t.Context(), cfg, source("good"), nil); err == nil || !strings.Contains(err.Error(), "edge_address") {
		t.Errorf("in a namespace: %v", err)
	}
}
