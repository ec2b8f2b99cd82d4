//go:build e2e

package harness

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// role is how one process of a platform with its roles apart is started.
type role struct {
	argv []string
	env  map[string]string // beside what all of them share
	bare bool              // nothing is shared: env is all
	up   func()            // returns when it can be used; nil for those that others wait for themselves
}

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
	p.settings["BERTH_DIAL_ALLOW"] = p.Registry + "," + p.settings["BERTH_LAB_CA"] + "," + p.LabDNS() + "," + p.LabCloudflare()
	berth := p.binary("berth")
	p.roles["lab"] = role{argv: []string{berth, "lab"}, up: func() { p.awaitListening(strings.TrimPrefix(p.LabURL, "https://")) }}
	p.roles["api"] = role{argv: []string{berth, "api"}, up: func() { p.awaitListening(strings.TrimPrefix(p.API, "http://")) }}
	p.roles["worker"] = role{argv: []string{berth, "worker"}}
	p.roles["edge"] = role{argv: []string{berth, "edge", "run"}, env: map[string]string{
		"BERTH_EDGE_URL": p.API, "BERTH_EDGE_TOKEN": strings.TrimSpace(string(token)), "BERTH_EDGE_ADDRESS": p.Gateway(),
		"BERTH_EDGE_INTERFACE": "vmbr0", "BERTH_EDGE_NAMESPACE": p.Namespace,
	}}
	if _, ok := p.running["temporal"]; !ok {
		p.Restart("temporal")
	}
	for _, name := range []string{"lab", "api", "worker", "edge"} {
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
	r, ok := p.roles[name]
	if !ok {
		p.t.Fatalf("the platform has no role %s", name)
	}
	env := p.environment(r.env)
	if r.bare {
		env = p.bare(r.env)
	}
	p.runWith(name, env, r.argv...)
	if r.up != nil {
		r.up()
	}
}

// temporalRole is a Temporal server of its own.
func (p *Platform) temporalRole() role {
	return role{
		argv: []string{
			p.binary("berth-temporal"), "--listen", p.Temporal, "--ui", strings.TrimPrefix(p.UI, "http://"),
			"--search-attributes", "BerthSite,BerthNode,BerthOwner,BerthContainer,BerthOperation", "--data", filepath.Join(p.Data, "temporal"),
		},
		up: p.awaitTemporal,
	}
}

// awaitTemporal waits for the line in which the server says that workflows can be started.
func (p *Platform) awaitTemporal() {
	p.t.Helper()
	process := p.Process("temporal")
	Await(p.t, 2*time.Minute, "Temporal is ready", func(context.Context) error {
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
