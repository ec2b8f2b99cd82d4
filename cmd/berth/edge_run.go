package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/config"
	"berth/domain"
	"berth/edge"
	"berth/templates"
)

func edgeRunCommand() *cobra.Command {
	c := role("run", "Run this host as an edge: fetch, render, test, swap, reload, verify, report", func(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
		runner, err := newEdge(ctx, cfg, logger)
		if err != nil {
			return err
		}
		// dnsmasq and NGINX run on, so that a cut-off or restarted edge keeps serving.
		return runner.Run(ctx)
	})
	// The short names that berth edge enroll prints.
	c.Flags().String("url", "", "the same as --edge-url")
	c.Flags().String("token", "", "the same as --edge-token")
	run := c.RunE
	c.RunE = func(cmd *cobra.Command, args []string) error {
		for _, short := range []string{"url", "token"} {
			value, err := cmd.Flags().GetString(short)
			if err != nil {
				return err
			}
			if value == "" {
				continue
			}
			if err := cmd.Flags().Set("edge-"+short, value); err != nil {
				return err
			}
		}
		return run(cmd, args)
	}
	return c
}

// newEdge makes the runner of an edge.
func newEdge(ctx context.Context, cfg config.Config, logger *slog.Logger) (*edge.Runner, error) {
	var missing []domain.FieldError
	for field, value := range map[string]string{"edge_url": strings.Join(cfg.EdgeURL, ""), "edge_token": cfg.EdgeToken} {
		if value == "" {
			missing = append(missing, domain.FieldError{Field: field, Rule: "must be given"})
		}
	}
	if err := domain.InvalidFields("the configuration of the edge", missing); err != nil {
		return nil, err
	}
	client, err := edgeClient(cfg)
	if err != nil {
		return nil, err
	}
	source := edge.NewHTTPSource(cfg.EdgeURL, domain.Secret(cfg.EdgeToken), client)
	if cfg.EdgeAddress == "" {
		if cfg.EdgeAddress, err = ownAddress(ctx, cfg, source, logger); err != nil {
			return nil, err
		}
		logger.InfoContext(ctx, "answers on this host's address in the site's network", "address", cfg.EdgeAddress)
	}
	iface, run, err := edgePlace(cfg)
	if err != nil {
		return nil, err
	}
	options := templates.DnsmasqOptions{
		Dir: filepath.Join(cfg.EdgeDir, "dnsmasq"), ListenAddress: cfg.EdgeAddress,
		LogFile: filepath.Join(cfg.EdgeDir, "dnsmasq.log"), User: "root",
	}
	if err := os.MkdirAll(options.Dir, 0o755); err != nil {
		return nil, domain.Errorf(domain.Unavailable, "folder of the edge: %w", err)
	}
	listen := cfg.EdgeListen
	if len(listen) == 0 && cfg.EdgeNamespace != "" {
		listen = []string{cfg.EdgeAddress}
	}
	dir := filepath.Join(cfg.EdgeDir, "nginx")
	return &edge.Runner{
		Source: source,
		Daemons: []edge.Daemon{
			edge.NewDnsmasq(options, iface, run),
			edge.NewNginx(dir, templates.NginxOptions{Listen: listen, Resolver: cfg.EdgeAddress, User: workersUser(dir)}, run),
		},
		Dir: cfg.EdgeDir, Address: cfg.EdgeAddress, Versions: map[string]string{"berth": version()}, Log: logger,
	}, nil
}

// workersUser returns the user that NGINX's workers run as: Debian's www-data, or root where www-data cannot get at its files,
// as in a data folder that is private.
func workersUser(dir string) string {
	if _, err := user.Lookup("www-data"); err != nil {
		return "root"
	}
	for dir = filepath.Dir(dir); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode()&0o001 == 0 {
			return "root"
		}
		if dir == filepath.Dir(dir) {
			return "www-data"
		}
	}
}

// edgePlace returns the interface that dnsmasq serves, and how to run programs beside it: in a network namespace when one
// is named, as in the lab.
func edgePlace(cfg config.Config) (iface string, run edge.Exec, err error) {
	if cfg.EdgeNamespace != "" {
		if cfg.EdgeInterface == "" {
			return "", nil, domain.Errorf(domain.Invalid, "edge_interface must be given together with edge_namespace")
		}
		namespace := "--net=" + filepath.Join("/run/netns", cfg.EdgeNamespace)
		return cfg.EdgeInterface, func(ctx context.Context, name string, args ...string) *exec.Cmd {
			return exec.CommandContext(ctx, "nsenter", append([]string{namespace, name}, args...)...)
		}, nil
	}
	if cfg.EdgeInterface != "" {
		return cfg.EdgeInterface, nil, nil
	}
	all, err := net.Interfaces()
	if err != nil {
		return "", nil, fmt.Errorf("list network interfaces: %w", err)
	}
	for _, i := range all {
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			if prefix, ok := a.(*net.IPNet); ok && prefix.IP.String() == cfg.EdgeAddress {
				return i.Name, nil, nil
			}
		}
	}
	return "", nil, domain.Errorf(domain.Invalid, "no network interface of this host holds edge_address %s", cfg.EdgeAddress)
}

func edgeClient(cfg config.Config) (*http.Client, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second}
	if cfg.EdgeCA != "" {
		pem, err := os.ReadFile(cfg.EdgeCA)
		if err != nil {
			return nil, domain.Errorf(domain.Invalid, "edge_ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("edge_ca holds no PEM certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport, Timeout: 90 * time.Second}, nil
}
