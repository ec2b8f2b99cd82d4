//go:build e2e

package harness

import (
	"fmt"
	"os/exec"
	"strings"
)

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
