//go:build e2e

package harness

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"berth/client"
	"berth/e2e/checker"
)

// Double adds a second API server, a second worker, and a second edge on a host of its own: api-2, worker-2 and edge-2.
// The edge's host is a network namespace with a cable to the site's bridge. Call it after Apart.
func (p *Platform) Double() {
	p.t.Helper()
	berth := p.binary("berth")
	p.roles["api-2"] = role{
		argv: []string{berth, "api"}, env: map[string]string{"BERTH_LISTEN": strings.TrimPrefix(p.API2, "http://")},
		up: func() { p.awaitListening(strings.TrimPrefix(p.API2, "http://")) },
	}
	p.roles["worker-2"] = role{argv: []string{berth, "worker"}}
	p.Restart("api-2")
	p.Restart("worker-2")
	var err error
	if p.Client2, err = client.New(p.API2, p.Token, client.Options{UserAgent: "berth-e2e"}); err != nil {
		p.t.Fatal(err)
	}
	host, address := p.secondHost()
	enrolled, err := p.Client2.EnrollEdgeWithResponse(p.t.Context(), client.EdgeEnroll{Site: Site, Name: "edge2"})
	if err != nil {
		p.t.Fatal(err)
	}
	dir := filepath.Join(p.Data, "edge-2")
	p.roles["edge-2"] = role{argv: []string{berth, "edge", "run"}, env: map[string]string{
		"BERTH_EDGE_URL": p.API2, "BERTH_EDGE_TOKEN": enrolled.JSON201.Token, "BERTH_EDGE_ADDRESS": address,
		"BERTH_EDGE_INTERFACE": "eth0", "BERTH_EDGE_NAMESPACE": host, "BERTH_EDGE_DIR": dir,
	}}
	p.Restart("edge-2")
	p.World.Edges = append(p.World.Edges, checker.Edge{DNS: address + ":53", Dir: filepath.Join(dir, "dnsmasq")})
}

// secondHost makes the host of the second edge, and returns its name and its address in the site's network.
func (p *Platform) secondHost() (name, address string) {
	p.t.Helper()
	name = p.Namespace + "-b"
	ip := p.Network.Addr().As4()
	ip[3] = 9 // below the range that containers get addresses from
	address = fmt.Sprintf("%d.%d.%d.%d", ip[0], ip[1], ip[2], ip[3])
	p.t.Cleanup(func() {
		if err := exec.Command("ip", "netns", "delete", name).Run(); err != nil {
			p.t.Errorf("remove the second edge's host: %v", err)
		}
	})
	for _, line := range []string{
		"netns add " + name,
		"link add e2eb netns " + p.Namespace + " type veth peer name eth0 netns " + name,
		"-n " + p.Namespace + " link set e2eb master vmbr0 up",
		"-n " + name + " address add " + address + "/24 dev eth0",
		"-n " + name + " link set eth0 up",
		"-n " + name + " link set lo up",
	} {
		if out, err := exec.CommandContext(p.t.Context(), "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			p.t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	return name, address
}
