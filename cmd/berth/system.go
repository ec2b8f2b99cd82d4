package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"

	"berth/activities"
	"berth/app"
	"berth/config"
	"berth/domain"
	"berth/guarded"
	"berth/oci"
	"berth/proxmox"
	"berth/publicdns"
	"berth/secret"
	"berth/store"
)

// system is what API and worker share: the database, Temporal, and the use cases on them.
type system struct {
	cfg      config.Config
	logger   *slog.Logger
	metrics  *metrics
	traces   *traces
	ring     *secret.Ring
	store    *store.Store
	watcher  *store.Watcher
	temporal client.Client
	flows    *app.Temporal
	clients  *activities.Clients
	images   oci.Registry
	app      *app.App
}

// openStore opens the database with the key ring.
func openStore(ctx context.Context, cfg config.Config, logger *slog.Logger) (*store.Store, *secret.Ring, error) {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return nil, nil, domain.Errorf(domain.Invalid, "data folder: %w", err)
	}
	if file, writable := secret.File(cfg.KeysFile); writable {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return nil, nil, domain.Errorf(domain.Invalid, "folder of the key ring: %w", err)
		}
	}
	ring, err := secret.LoadOrGenerate(cfg.KeysFile)
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(ctx, store.Config{DSN: cfg.Database, Ring: ring, Logger: logger})
	return s, ring, err
}

// awaitStore opens the database once it answers.
func awaitStore(ctx context.Context, cfg config.Config, logger *slog.Logger) (st *store.Store, ring *secret.Ring, err error) {
	err = patiently(logger).until(ctx, "the database", func(ctx context.Context) (err error) {
		st, ring, err = openStore(ctx, cfg, logger)
		return err
	})
	return st, ring, err
}

// openSystem connects to everything and wires the use cases. It waits until the database is there and migrated, and Temporal
// answers.
func openSystem(ctx context.Context, cfg config.Config, logger *slog.Logger) (*system, error) {
	st, ring, err := awaitStore(ctx, cfg, logger)
	if err != nil {
		return nil, err
	}
	if err := patiently(logger).until(ctx, "the schema of the database", func(ctx context.Context) error {
		return migrated(ctx, st)
	}); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	s := &system{cfg: cfg, logger: logger, ring: ring, store: st}
	if err := s.measure(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.watcher, err = store.NewWatcher(ctx, st); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if s.temporal, err = s.dial(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.flows = app.NewTemporal(s.temporal)
	s.clients = &activities.Clients{Store: st, New: func(c domain.Cluster) (*proxmox.Client, error) { return proxmoxClient(c, logger, s.called) }}
	s.images = oci.Registry{Transport: s.dialer().Transport(), Logins: st}
	s.app = app.New(app.Config{
		Store: st, Watcher: s.watcher, Workflows: s.flows, Images: s.images, Logger: logger,
		CA: s.dialer().Transport(), PublicDNS: s.publicDNS(),
		Proxmox: &inspector{observer: s.observer(), logger: logger, called: s.called},
	})
	return s, nil
}

func (s *system) close() error {
	if s.temporal != nil {
		s.temporal.Close()
	}
	if s.traces != nil {
		if err := s.traces.close(); err != nil {
			s.logger.Warn("last spans lost", "error", err)
		}
	}
	return s.store.Close()
}

func (s *system) observer() *activities.Observer {
	return &activities.Observer{Store: s.store, Clients: s.clients, Interval: s.cfg.ObserveInterval, Logger: s.logger}
}

// guestPoll is how often a guest is asked for its address while it boots, and SQL for the edges' progress.
const guestPoll = 100 * time.Millisecond

// certificatePoll is how often a CA and SQL are asked how far an order is; edgeTimeout bounds how long an edge is waited for that may
// not be reachable from here.
const (
	certificatePoll = 500 * time.Millisecond
	edgeTimeout     = 3 * time.Second
)

// challengeClient asks edges for the answers to challenges. A redirect is not what a CA wants to see.
func challengeClient() *http.Client {
	c := guarded.Dialer{}.Client(edgeTimeout)
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// dialer is how addresses are reached that somebody gave.
func (s *system) dialer() guarded.Dialer { return guarded.Dialer{Allow: s.cfg.DialAllow} }

// publicDNS is how DNS providers are reached.
func (s *system) publicDNS() publicdns.Network {
	d := s.dialer()
	return publicdns.Network{HTTP: d.Transport(), Dial: d.DialContext}
}

// debounce is how long the changes of a site's network are gathered before the edges see them.
const debounce = 50 * time.Millisecond

// activities returns everything that a worker runs.
func (s *system) activities() activities.Set {
	zones := activities.Zones{Store: s.store, Network: s.publicDNS()}
	names := &activities.PublicDNS{Zones: zones, Now: time.Now, Logger: s.logger}
	return activities.Set{
		Records: &activities.Records{
			Store: s.store, Deadlines: domain.DefaultDeadlines().Scale(s.cfg.DeadlineScale), Debounce: debounce, Now: time.Now, Logger: s.logger,
			Ended: s.metrics.ended,
		},
		Network: &activities.Network{Store: s.store, Changed: s.flows.NetworkChanged, Poll: guestPoll, Logger: s.logger},
		Proxmox: &activities.Proxmox{Store: s.store, Clients: s.clients, Images: s.images, Poll: guestPoll, Now: time.Now, Logger: s.logger},
		Certificates: &activities.Certificates{
			Store: s.store, CA: s.dialer().Transport(), Edges: challengeClient(), Zones: zones,
			Changed: s.flows.NetworkChanged, Deadlines: domain.DefaultDeadlines().Scale(s.cfg.DeadlineScale), Poll: certificatePoll,
			Now: time.Now, Logger: s.logger,
		},
		PublicDNS: names,
		Observer:  s.observer(),
		Reconciler: &activities.Reconciler{
			Store: s.store, Clients: s.clients, Workflows: s.flows, Names: names, ImageMaxAge: s.cfg.ImageMaxAge, Now: time.Now, Logger: s.logger,
		},
	}
}

// taskPoll is the first pause between two looks at a task, which grow by half each: a start takes some 50 ms, a create from a
// template that the node has some 200 ms, and an answer that comes late holds one of the node's slots for as long.
const taskPoll = 25 * time.Millisecond

// proxmoxClient makes a client for a cluster.
func proxmoxClient(c domain.Cluster, logger *slog.Logger, called observe) (*proxmox.Client, error) {
	return proxmox.New(proxmox.Config{
		Endpoints: c.Endpoints, TokenID: c.TokenID, Secret: c.Token.Reveal(), CA: []byte(c.CA), Insecure: c.Insecure,
		Logger: logger, PollFirst: taskPoll, PollMax: 2 * time.Second, Observe: called,
	})
}

// awaitTemporal connects to Temporal once it answers.
func awaitTemporal(
	ctx context.Context, cfg config.Config, ring *secret.Ring, logger *slog.Logger, options client.Options,
) (c client.Client, err error) {
	err = patiently(logger).until(ctx, "Temporal", func(ctx context.Context) (err error) {
		c, err = dialTemporal(ctx, cfg, ring, logger, options)
		return err
	})
	return c, err
}

// dialTimeout bounds one try to reach Temporal.
const dialTimeout = 10 * time.Second

// dialTemporal connects to Temporal and checks that it answers. Payloads are sealed with the key ring.
func dialTemporal(ctx context.Context, cfg config.Config, ring *secret.Ring, logger *slog.Logger, options client.Options) (client.Client, error) {
	options.HostPort, options.Namespace = cfg.TemporalAddress, cfg.TemporalNamespace
	options.Logger = sdklog.NewStructuredLogger(logger.With("part", "temporal"))
	if cfg.TemporalCodec {
		options.DataConverter = converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), &secret.Codec{Ring: ring})
	}
	if cfg.TemporalAPIKey != "" {
		options.Credentials = client.NewAPIKeyStaticCredentials(cfg.TemporalAPIKey)
	}
	tlsConfig, err := temporalTLS(cfg)
	if err != nil {
		return nil, err
	}
	options.ConnectionOptions.TLS = tlsConfig
	bounded, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(bounded, options)
	if err != nil {
		return nil, domain.Errorf(domain.Unavailable, "Temporal at %s does not answer: %w", cfg.TemporalAddress, err)
	}
	return c, nil
}

func temporalTLS(cfg config.Config) (*tls.Config, error) {
	if !cfg.TemporalTLS && cfg.TemporalTLSCA == "" && cfg.TemporalTLSCert == "" {
		return nil, nil //nolint:nilnil // no TLS is what the SDK calls nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TemporalTLSCA != "" {
		pem, err := os.ReadFile(cfg.TemporalTLSCA)
		out.RootCAs = x509.NewCertPool()
		if err != nil || !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, domain.Errorf(domain.Invalid, "temporal_tls_ca %s holds no PEM certificate: %w", cfg.TemporalTLSCA, err)
		}
	}
	if cfg.TemporalTLSCert != "" {
		pair, err := tls.LoadX509KeyPair(cfg.TemporalTLSCert, cfg.TemporalTLSKey)
		if err != nil {
			return nil, domain.Errorf(domain.Invalid, "temporal_tls_cert and temporal_tls_key: %w", err)
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}
