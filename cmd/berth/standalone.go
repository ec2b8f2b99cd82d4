package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"berth/config"
	"berth/domain"
	"berth/process"
)

func standaloneCommand() *cobra.Command {
	return role("standalone", "Run all roles in one process, on embedded defaults", standalone)
}

// standalone runs every role until ctx ends: Temporal as a child unless one is named, the lab on request.
func standalone(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
	if err := checkPorts(cfg); err != nil {
		return err
	}
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return domain.Errorf(domain.Unavailable, "data folder: %w", err)
	}
	if cfg.Lab {
		cfg.DialAllow = append(cfg.DialAllow, cfg.LabRegistry, cfg.LabCA, cfg.LabDNS, cfg.LabCloud)
	}
	// What is running is stopped in the reverse order of its start, with ctx over.
	var stops []func() error
	stop := func(err error) error {
		errs := []error{err}
		for i := len(stops) - 1; i >= 0; i-- {
			errs = append(errs, stops[i]())
		}
		return errors.Join(errs...)
	}
	if cfg.TemporalAddress == "" {
		ui := ""
		if cfg.TemporalUI != "" {
			free, err := process.FreeAddresses(1) // which only this process talks to
			if err != nil {
				return domain.Errorf(domain.Unavailable, "the UI of Temporal: %w", err)
			}
			ui = free[0]
			cfg.TemporalUpstream = "http://" + ui
		}
		child, err := startTemporal(context.WithoutCancel(ctx), cfg, ui, logger)
		if err != nil {
			return err
		}
		stops = append(stops, func() error { child.Stop(); return nil })
		cfg.TemporalAddress = cfg.TemporalListen
	}
	var l *lab
	if cfg.Lab {
		var err error
		if l, err = startLab(ctx, cfg, logger); err != nil {
			return stop(err)
		}
		stops = append(stops, func() error { return l.stop(context.WithoutCancel(ctx)) })
	}
	return stop(runRoles(ctx, cfg, logger, l))
}

// runRoles runs API and worker, and with the lab an edge.
func runRoles(ctx context.Context, cfg config.Config, logger *slog.Logger, l *lab) error {
	st, _, err := openStore(ctx, cfg, logger)
	if err != nil {
		return err
	}
	if err := errors.Join(st.Migrate(ctx), st.Close()); err != nil {
		return err
	}
	s, err := openSystem(ctx, cfg, logger)
	if err != nil {
		return err
	}
	defer func() { _ = s.close() }()
	g, ctx := errgroup.WithContext(ctx)
	listening := make(chan struct{})
	g.Go(func() error { return s.serveAPI(ctx, listening) })
	g.Go(func() error { return s.work(ctx) })
	g.Go(func() error {
		select {
		case <-listening:
		case <-ctx.Done():
			return nil
		}
		token, err := s.adminToken(ctx)
		if err != nil {
			return err
		}
		if l == nil {
			fmt.Print(banner(cfg, token, nil))
			return nil
		}
		edgeToken, err := s.demo(ctx, l)
		if err != nil {
			return fmt.Errorf("demo site: %w", err)
		}
		if l.network == nil { // simulated guests have no network that dnsmasq could serve
			fmt.Print(banner(cfg, token, l))
			return nil
		}
		g.Go(func() error { return s.labEdge(ctx, l, edgeToken) })
		if err := s.awaitReady(ctx); err != nil {
			return err
		}
		fmt.Print(banner(cfg, token, l))
		return nil
	})
	err = g.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// labEdge runs the lab's edge until ctx ends, and stops its dnsmasq with it.
func (s *system) labEdge(ctx context.Context, l *lab, token domain.Secret) error {
	cfg := s.cfg
	cfg.EdgeURL, cfg.EdgeToken = []string{"http://" + cfg.Listen}, token.Reveal()
	cfg.EdgeAddress, cfg.EdgeInterface, cfg.EdgeNamespace = l.network.Gateway().Addr().String(), l.network.Bridge(), l.network.Name()
	runner, err := newEdge(ctx, cfg, s.logger.With("part", "edge"))
	if err != nil {
		return err
	}
	return errors.Join(runner.Run(ctx), runner.Stop(context.WithoutCancel(ctx)))
}

// checkPorts names whoever holds a port that is needed.
func checkPorts(cfg config.Config) error {
	addresses := []string{cfg.Listen}
	if cfg.TemporalAddress == "" {
		addresses = append(addresses, cfg.TemporalListen)
	}
	if cfg.TemporalUI != "" && (cfg.TemporalAddress == "" || cfg.TemporalUpstream != "") {
		addresses = append(addresses, cfg.TemporalUI)
	}
	if cfg.Lab {
		addresses = append(addresses, labPorts(cfg)...)
	}
	var taken []error
	for _, a := range addresses {
		taken = append(taken, process.CheckPort(a))
	}
	return errors.Join(taken...)
}

// banner says where everything is and what to try.
func banner(cfg config.Config, token domain.Secret, l *lab) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("\nBerth is ready.\n")
	say("  API           http://%s/api/v1", cfg.Listen)
	if cfg.TemporalUI != "" && cfg.TemporalUpstream != "" {
		say("  Temporal UI   %s  (log in with the token below)", uiURL(cfg))
	}
	if l != nil {
		say("  Lab           https://%s  (Proxmox VE API; %s)", cfg.LabListen, l.reason)
		say("  Data          %s", cfg.Data)
	}
	say("\nIn another terminal:\n")
	say("  export BERTH_URL=http://%s", cfg.Listen)
	say("  export BERTH_TOKEN=%s", token.Reveal())
	if l != nil {
		say("\nThen try:\n")
		say("  bin/berth image list")
		say("  bin/berth container create web01 --image %s/tiny:1 --wait", cfg.LabRegistry)
		say("  curl http://$(bin/berth container get web01 -o json | jq -r .address)/")
		if l.ca != nil {
			say("  bin/berth service add web01 --http app.%s --port 80 --wait", demoPublic)
			say("  curl --cacert %s --connect-to ::%s: https://app.%s/", labRoots(cfg), l.network.Gateway().Addr(), demoPublic)
		}
	}
	say("\nCtrl-C stops everything; the next start resumes.\n")
	return b.String()
}

// version returns the version that the binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}

// adminToken returns the administrator's token of this data folder, made at the first start.
func (s *system) adminToken(ctx context.Context) (domain.Secret, error) {
	return s.keptToken(ctx, filepath.Join(s.cfg.Data, "admin.token"), func() (domain.Secret, error) {
		return makeAdmin(ctx, s.app, "standalone", adminName)
	})
}

// keptToken returns the token in a file that only its owner reads, if it still works; otherwise it makes one and keeps it.
func (s *system) keptToken(ctx context.Context, path string, create func() (domain.Secret, error)) (domain.Secret, error) {
	kept, err := os.ReadFile(path)
	token := domain.Secret(strings.TrimSpace(string(kept)))
	if err == nil {
		if _, err := s.app.Auth.Authenticate(ctx, token.Reveal(), ""); err == nil {
			return token, nil
		}
	}
	if token, err = create(); err != nil {
		return "", err
	}
	return token, os.WriteFile(path, []byte(token.Reveal()+"\n"), 0o600)
}
