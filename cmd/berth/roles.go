package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"berth/api"
	"berth/config"
	"berth/domain"
	"berth/process"
	"berth/secret"
	"berth/web"
	"berth/worker"
)

func apiCommand() *cobra.Command {
	return role("api", "Serve the API", func(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
		s, err := openSystem(ctx, cfg, logger)
		if err != nil {
			return err
		}
		defer func() { _ = s.close() }()
		return s.serveAPI(ctx, nil)
	})
}

func workerCommand() *cobra.Command {
	return role("worker", "Run workflows and activities", func(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
		s, err := openSystem(ctx, cfg, logger)
		if err != nil {
			return err
		}
		defer func() { _ = s.close() }()
		if err := patiently(logger).until(ctx, "Temporal's namespace and search attributes", func(ctx context.Context) error {
			return checkAttributes(ctx, s.temporal, cfg.TemporalNamespace)
		}); err != nil {
			return err
		}
		return s.work(ctx)
	})
}

// serveAPI serves the API and keeps the watcher running until ctx ends. ready, when given, is closed once it listens.
func (s *system) serveAPI(ctx context.Context, ready chan<- struct{}) error {
	if err := s.metrics.registry.Register(&figures{count: s.store.Figures, now: time.Now, logger: s.logger}); err != nil {
		return err
	}
	handler, err := api.New(s.app, api.Options{Logger: s.logger, Registry: s.metrics.registry, Traces: s.traces.provider}) //nolint:contextcheck // requests bring their own
	if err != nil {
		return err
	}
	listener, err := listen(s.cfg, "listen", s.cfg.Listen)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	if s.cfg.TemporalUI != "" && s.cfg.TemporalUpstream != "" {
		ui, err := s.temporalUI()
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		uiListener, err := listen(s.cfg, "temporal_ui", s.cfg.TemporalUI)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		g.Go(func() error { return serve(ctx, uiListener, ui) })
	}
	if ready != nil {
		close(ready)
	}
	g.Go(func() error { return s.watcher.Run(ctx) })
	g.Go(func() error { return serve(ctx, listener, handler) })
	return g.Wait()
}

// temporalUI is Temporal's UI behind a login.
func (s *system) temporalUI() (http.Handler, error) {
	upstream, err := url.Parse(s.cfg.TemporalUpstream)
	if err != nil || upstream.Host == "" || upstream.Scheme != "http" && upstream.Scheme != "https" {
		return nil, domain.Errorf(domain.Invalid, "temporal_ui_upstream must be a URL such as http://temporal:8233")
	}
	ui := web.TemporalUI{Upstream: upstream, Guard: s.app.Auth, Sealer: s.ring, Logger: s.logger}
	if s.cfg.TemporalCodec {
		ui.Codec = converter.NewPayloadCodecHTTPHandler(&secret.Codec{Ring: s.ring})
	}
	return ui.Handler(), nil
}

// serve serves until ctx ends. Long polls and event streams end with ctx, so that a shutdown does not wait for them.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", listener.Addr(), err)
		}
		return nil
	})
	g.Go(func() error {
		<-gctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(last); err != nil {
			return server.Close()
		}
		return nil
	})
	return g.Wait()
}

// listen opens a listener for people's tokens at the address of a key. Without TLS it is refused anywhere but on loopback: tokens
// would be readable.
func listen(cfg config.Config, key, address string) (net.Listener, error) {
	if err := process.CheckPort(address); err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, domain.Errorf(domain.Invalid, "%s must be address:port: %w", key, err)
	}
	if cfg.TLSCert == "" {
		if !domain.Loopback(host) {
			return nil, domain.Errorf(domain.Invalid, "%s %s is not on loopback: give tls_cert and tls_key", key, address)
		}
		return net.Listen("tcp", address)
	}
	pair, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
	if err != nil {
		return nil, domain.Errorf(domain.Invalid, "tls_cert and tls_key: %w", err)
	}
	return tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
}

// work polls for workflows and activities until ctx ends.
func (s *system) work(ctx context.Context) error {
	if err := worker.Schedule(ctx, s.temporal, s.cfg.ReconcileInterval); err != nil {
		return err
	}
	workers, err := worker.Start(s.temporal, s.activities(), s.logger)
	if err != nil {
		return err
	}
	defer workers.Stop()
	if s.cfg.WorkerListen == "" {
		<-ctx.Done()
		return nil
	}
	listener, err := net.Listen("tcp", s.cfg.WorkerListen)
	if err != nil {
		return fmt.Errorf("worker_listen: %w", err)
	}
	return serve(ctx, listener, workerHealth(s))
}

// workerHealth answers /healthz and /metrics of a worker.
func workerHealth(s *system) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.store.Ping(r.Context()); err != nil {
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ok")
	})
	mux.Handle("GET /metrics", s.metrics.handler())
	return mux
}

func migrateCommand() *cobra.Command {
	return role("migrate", "Bring the database to the newest schema, and make the key ring if there is none", func(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
		s, _, err := awaitStore(ctx, cfg, logger)
		if err != nil {
			return err
		}
		return errors.Join(s.Migrate(ctx), s.Close())
	})
}

func keysCommand() *cobra.Command {
	keys := noun("keys", "The key ring that encrypts secrets in the database")
	keys.AddCommand(role("rotate", "Make a new key and encrypt every secret with it", func(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
		if _, writable := secret.File(cfg.KeysFile); !writable {
			return domain.Errorf(domain.Precondition, "nothing was changed: the key ring comes from %s, which berth cannot write. Put its "+
				"content into a file of mode 0600, run berth keys rotate --keys-file FILE, bring the file's new content to where "+
				"%s gets it from, restart every role, then delete the file", cfg.KeysFile, cfg.KeysFile)
		}
		s, ring, err := openStore(ctx, cfg, logger)
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		id, err := ring.Rotate() // saves it
		if err != nil {
			return err
		}
		n, err := s.RotateKeys(ctx)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(os.Stdout, "%d secrets are encrypted with the new key %s. Roles that read this file have taken it up; give its new content to all others and restart them.\n", n, id)
		return err
	}))
	return keys
}
