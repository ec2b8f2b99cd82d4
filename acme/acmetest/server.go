// Package acmetest is a certificate authority that registers accounts and does nothing else, for tests of those who only register; what
// orders certificates is tested against a real one, Pebble.
package acmetest

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Server is a running authority.
type Server struct {
	Directory string // URL
	Roots     string // PEM
	Address   string // host:port
	// Refuse, when set, is what registering is answered with.
	Refuse func(http.ResponseWriter)
	// External says that External Account Binding is required.
	External bool
	// Registered are the bodies of the requests to register.
	Registered []string
}

// Start starts an authority that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	s.Directory, s.Address = server.URL+"/dir", strings.TrimPrefix(server.URL, "https://")
	s.Roots = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	base := "https://" + r.Host
	w.Header().Set("Replay-Nonce", "nonce")
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/dir":
		_ = json.NewEncoder(w).Encode(map[string]any{
			"newNonce": base + "/nonce", "newAccount": base + "/account", "newOrder": base + "/order", "revokeCert": base + "/revoke",
			"meta": map[string]any{"externalAccountRequired": s.External},
		})
	case "/nonce":
	case "/account":
		var signed struct{ Payload string }
		_ = json.NewDecoder(r.Body).Decode(&signed)
		s.Registered = append(s.Registered, signed.Payload)
		if s.Refuse != nil {
			s.Refuse(w)
			return
		}
		w.Header().Set("Location", base+"/account/1")
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"status":"valid"}`))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
