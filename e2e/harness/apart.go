//go:build e2e

package harness

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Apart stops the platform and starts the same roles on the same data as processes of their own, so that each can be
// killed: temporal, lab, api, worker and edge.
func (p *Platform) Apart() {
	p.t.Helper()
	if err := p.Process("standalone").stop(time.Minute); err != nil {
		p.t.Fatal(err)
	}
	delete(p.running, "standalone")
	token, err := os.ReadFile(filepath.Join(p.Data, "lab", "edge.token"))
	if err != nil {
		p.t.Fatal(err)
	}
	p.settings["TEMPORAL_ADDRESS"] = p.Temporal
	p.settings["BERTH_DIAL_ALLOW"] = p.Registry
	p.settings["BERTH_EDGE_URL"] = p.API
	p.settings["BERTH_EDGE_TOKEN"] = strings.TrimSpace(string(token))
	p.settings["BERTH_EDGE_ADDRESS"] = p.Gateway()
	p.settings["BERTH_EDGE_INTERFACE"] = "vmbr0"
	p.settings["BERTH_EDGE_NAMESPACE"] = p.Namespace
	for _, name := range []string{"temporal", "lab", "api", "worker", "edge"} {
		p.Restart(name)
	}
	p.awaitReady(time.Minute)
}

// Restart starts a role that runs apart, after ending what still runs of it the hard way.
func (p *Platform) Restart(name string) {
	p.t.Helper()
	if old, ok := p.running[name]; ok && old.Alive() {
		old.Kill()
	}
	switch name {
	case "temporal":
		p.runWith(name, nil, p.binary("berth-temporal"), "--listen", p.Temporal, "--ui", strings.TrimPrefix(p.UI, "http://"),
			"--data", filepath.Join(p.Data, "temporal"), "--search-attributes", "BerthSite,BerthNode,BerthOwner,BerthContainer,BerthOperation")
		p.awaitTemporal()
	case "lab":
		p.run(name, "lab")
		p.awaitListening(strings.TrimPrefix(p.LabURL, "https://"))
	case "edge":
		p.run(name, "edge", "run")
	default:
		p.run(name, name)
	}
}

// awaitTemporal waits for the line in which the server says that workflows can be started.
func (p *Platform) awaitTemporal() {
	p.t.Helper()
	process := p.Process("temporal")
	Await(p.t, time.Minute, "Temporal is ready", func(context.Context) error {
		said, err := os.ReadFile(process.Log)
		if err == nil && !strings.Contains(string(said), `"pid":`+strconv.Itoa(process.pid)+"}") {
			err = errors.New("it has not said so")
		}
		return err
	})
}

func (p *Platform) awaitListening(address string) {
	p.t.Helper()
	Await(p.t, time.Minute, address+" listens", func(ctx context.Context) error {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// stopDnsmasq ends what an edge leaves behind on purpose: its dnsmasq serves on when the edge is gone.
func (p *Platform) stopDnsmasq() error {
	var errs []error
	found, err := filepath.Glob(filepath.Join(p.Data, "edge*", "dnsmasq", "dnsmasq.pid"))
	if err != nil {
		return err
	}
	for _, file := range found {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it ended just now and took the file along
		}
		pid, parseErr := strconv.Atoi(strings.TrimSpace(string(text)))
		if err = errors.Join(err, parseErr); err != nil {
			errs = append(errs, err)
			continue
		}
		// The number may be another program's by now.
		command, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err == nil && bytes.Contains(command, []byte(p.Data)) {
			errs = append(errs, syscall.Kill(pid, syscall.SIGTERM))
		}
	}
	return errors.Join(errs...)
}
