// Package registry serves the lab's OCI registry on loopback and fetches images the way a Proxmox VE node does: with
// skopeo, into OCI archives.
package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	// The registry of go-containerregistry speaks the whole distribution API, and keeps blobs on disk.
	"github.com/google/go-containerregistry/pkg/registry"

	"berth/domain"
)

// Config says where a registry serves and stores.
type Config struct {
	Dir    string // holds the blobs; a restart uses them again. Manifests are in memory, so push after each start.
	Listen string // address on loopback; "" means 127.0.0.1 with any free port
	// Username and Password, when given, are the login (HTTP's Basic) without which nobody reads or writes.
	Username, Password string
}

// Registry is a running OCI registry. Everybody on this machine may read and write it, or everybody with its login.
type Registry struct {
	listener net.Listener
	server   *http.Server
	done     chan error
}

// Start serves a registry until Close. It is an error when the address is taken or not on loopback.
func Start(cfg Config) (*Registry, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil || !domain.Loopback(host) {
		return nil, domain.Errorf(domain.Invalid, "registry address %q: use one on loopback, it has no TLS",
			cfg.Listen)
	}
	// Uploads go to the folder itself and are renamed into the one below.
	if err := os.MkdirAll(filepath.Join(cfg.Dir, "sha256"), 0o755); err != nil {
		return nil, fmt.Errorf("make the registry's folder: %w", err)
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("serve the registry: %w", err)
	}
	r := &Registry{listener: listener, done: make(chan error, 1), server: &http.Server{
		Handler: cfg.guard(registry.New(registry.WithBlobHandler(registry.NewDiskBlobHandler(cfg.Dir)),
			registry.Logger(log.New(io.Discard, "", 0)))),
		ReadHeaderTimeout: 10 * time.Second,
	}}
	go func() { r.done <- r.server.Serve(listener) }()
	return r, nil
}

// guard lets only those through to open who log in, if there is a login.
func (c Config) guard(open http.Handler) http.Handler {
	if c.Username == "" {
		return open
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != c.Username || password != c.Password {
			w.Header().Set("WWW-Authenticate", `Basic realm="lab"`)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
			return
		}
		open.ServeHTTP(w, r)
	})
}

// Address is "host:port", the first part of every reference into this registry.
func (r *Registry) Address() string { return r.listener.Addr().String() }

// Close stops serving, and waits for running transfers until ctx ends.
func (r *Registry) Close(ctx context.Context) error {
	err := r.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, r.server.Close())
	}
	if served := <-r.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
