// Command berth-temporal is a Temporal server and its web UI in one process, for installations that run on one machine
// and for tests. It keeps its state in SQLite, or in PostgreSQL with the schema of a stock Temporal cluster.
//
// It is a module of its own: the server brings some 460 modules and minutes of compiling, which the other binaries of
// Berth do without.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/log"

	"berth/deploy/berth-temporal/internal/parent"
	"berth/deploy/berth-temporal/internal/settings"
)

// startTimeout bounds the time from start to ready. An idle machine takes half a second; a first start on PostgreSQL
// runs some forty migrations before.
const startTimeout = 2 * time.Minute

// ready is the one line written to standard output when workflows can be started.
type ready struct {
	Ready     bool   `json:"ready"`
	Address   string `json:"address"`
	UI        string `json:"ui,omitempty"`
	Namespace string `json:"namespace"`
	Storage   string `json:"storage"` // sqlite or postgres
	Server    string `json:"server"`  // version of the Temporal server
	PID       int    `json:"pid"`
}

func main() {
	if err := run(); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "berth-temporal: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	s, err := settings.Parse(os.Args[1:], os.Getenv, os.Stderr)
	if err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if s.ParentPID != 0 {
		orphaned, err := parent.Watch(ctx, s.ParentPID)
		if err != nil {
			return err
		}
		go func() {
			select {
			case <-orphaned:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return serve(ctx, s)
}

// serve runs until ctx ends.
func serve(ctx context.Context, s settings.Settings) error {
	logger := log.NewZapLogger(log.BuildZapLogger(log.Config{Level: s.LogLevel, Format: "json"}))
	starting, started := context.WithTimeout(ctx, startTimeout)
	defer started()

	store, err := openStorage(starting, s, logger)
	if err != nil {
		return err
	}
	defer store.release()
	server, err := newServer(s, store, logger)
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return fmt.Errorf("start the Temporal server: %w", err)
	}
	defer func() { _ = server.Stop() }()
	if err := prepareNamespace(starting, s); err != nil {
		return err
	}
	line := ready{
		Ready: true, Address: s.Listen, Namespace: s.Namespace, Storage: store.kind,
		Server: headers.ServerVersion, PID: os.Getpid(),
	}
	if s.UI != "" {
		ui, err := serveUI(starting, s)
		if err != nil {
			return err
		}
		defer ui.Stop()
		line.UI = "http://" + s.UI + s.UIPath
	}
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		return fmt.Errorf("report being ready: %w", err)
	}
	<-ctx.Done()
	return nil
}
