// Package ca is the certificate authority of the lab: Pebble, Let's Encrypt's own server for tests, which speaks ACME as theirs does.
// It forgets everything when it ends.
package ca

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"berth/process"
)

// Config says how to run Pebble.
type Config struct {
	Binary      string
	Dir         string // of its files
	Listen      string // host:port of its ACME API
	Management  string // host:port of what its root is fetched from
	Certificate string // file with PEM certificate and key of the API
	DNS         string // host:port of the name server that it validates names with
	Validity    time.Duration
	Roots       string // PEM file that gets the root of each run
	Log         *slog.Logger
}

// CA is a running Pebble.
type CA struct{ *process.Supervisor }

// Directory is the URL of the ACME directory of a CA that listens at an address.
func Directory(listen string) string { return "https://" + listen + "/dir" }

// Start starts Pebble and returns when it answers.
func Start(ctx context.Context, c Config) (*CA, error) {
	if _, err := os.Stat(c.Binary); err != nil {
		return nil, fmt.Errorf("%s is missing: run make build", c.Binary)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	// One profile only: with several Pebble takes any for an order that names none.
	conf, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": c.Listen, "managementListenAddress": c.Management, "certificate": c.Certificate, "privateKey": c.Certificate,
		"httpPort": 80, "tlsPort": 443, "keyAlgorithm": "ecdsa", "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "the lab's only one", "validityPeriod": int(c.Validity.Seconds())}},
	}})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(c.Dir, "pebble.json")
	log, err := os.OpenFile(filepath.Join(c.Dir, "pebble.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err = errors.Join(err, os.WriteFile(file, conf, 0o600)); err != nil {
		return nil, err
	}
	child, err := process.Start(ctx, process.Child{
		Command: []string{c.Binary, "-config", file, "-dnsserver", c.DNS},
		// It waits up to 15 s before each validation otherwise, to show clients that they have to be patient.
		Env: append(os.Environ(), "PEBBLE_VA_NOSLEEP=1"),
		Ready: func(ctx context.Context) error {
			pem, err := root(ctx, c.Management)
			if err != nil {
				return err
			}
			return appendTo(c.Roots, pem)
		},
		Output: log, Log: c.Log,
	})
	if err != nil {
		return nil, err
	}
	return &CA{child}, nil
}

func appendTo(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// largestRoot bounds what is read of the management API.
const largestRoot = 64 << 10

func root(ctx context.Context, management string) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // on loopback, of our own child
	}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+management+"/roots/0", nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("root of Pebble: %s", answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, largestRoot))
}
