//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"berth/e2e/checker"
	"berth/e2e/harness"
)

// walkImport adopts CTs that somebody made by hand, without a restart.
func walkImport(t *testing.T, p *harness.Platform) {
	importOne(t, p, "tiny:1", 900, func(c checker.Container) { shows(t, c, "hello") })
	importOne(t, p, "debian:12", 901, func(c checker.Container) { speaksSSH(t, c) })
}

func importOne(t *testing.T, p *harness.Platform, image string, vmid int, answers func(checker.Container)) {
	t.Helper()
	const node = "pve1"
	path := fmt.Sprintf("/nodes/%s/lxc", node)
	// An image that is on the node: made by a container that is gone again.
	p.BerthJSON(nil, "container", "create", "first", "--image", p.Image(image), "--node", node, "--wait")
	p.BerthJSON(nil, "container", "delete", "first", "--yes", "--wait")
	var content []struct{ Volid string }
	if err := p.World.PVE.Call(t.Context(), http.MethodGet, "/nodes/"+node+"/storage/local/content", url.Values{"content": {"vztmpl"}}, &content); err != nil {
		t.Fatal(err)
	}
	template := ""
	for _, c := range content {
		if name, _, _ := strings.Cut(image, ":"); strings.Contains(c.Volid, name) {
			template = c.Volid
		}
	}
	if template == "" {
		t.Fatalf("no image is left on %s: %+v", node, content)
	}
	ip := p.Network.Addr().As4()
	ip[3] = byte(vmid - 700) // in the site's range and nobody's
	mac := fmt.Sprintf("BC:24:11:00:09:%02X", vmid-900)
	own := netip.AddrFrom4(ip).String()
	if err := p.World.PVE.Task(t.Context(), http.MethodPost, path, url.Values{
		"vmid": {fmt.Sprint(vmid)}, "ostemplate": {template}, "hostname": {"byhand"}, "memory": {"256"}, "swap": {"0"}, "cores": {"1"},
		"unprivileged": {"1"}, "rootfs": {"local:1"},
		"net0": {"name=eth0,bridge=vmbr0,ip=" + own + "/24,gw=" + p.Gateway() + ",hwaddr=" + mac},
	}); err != nil {
		t.Fatal(err)
	}
	if err := p.World.PVE.Task(t.Context(), http.MethodPost, fmt.Sprintf("%s/%d/status/start", path, vmid), nil); err != nil {
		t.Fatal(err)
	}
	pid := func() string {
		var status map[string]any
		if err := p.World.PVE.Call(t.Context(), http.MethodGet, fmt.Sprintf("%s/%d/status/current", path, vmid), nil, &status); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(status["pid"])
	}
	before := pid()
	p.BerthJSON(nil, "container", "import", "--node", node, "--vmid", fmt.Sprint(vmid), "--wait")
	c := get(t, p, "byhand")
	if c.State != "ready" || c.Address != own || c.VMID != vmid || !strings.EqualFold(c.MAC, mac) {
		t.Fatalf("the imported container is %+v", c)
	}
	if after := pid(); after != before {
		t.Errorf("the guest was restarted: its first process was %s and is %s", before, after)
	}
	answers(c)
	p.BerthJSON(nil, "container", "delete", "byhand", "--yes", "--wait")
	clean(t, p)
	forgotten(t, p, "byhand", own)
}
