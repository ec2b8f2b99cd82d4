//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"berth/e2e/harness"
)

// walkImport adopts a CT that somebody made by hand, without a restart.
func walkImport(t *testing.T, p *harness.Platform) {
	const node, vmid = "pve1", 900
	path := fmt.Sprintf("/nodes/%s/lxc", node)
	// An image that is on the node: made by a container that is gone again.
	p.BerthJSON(nil, "container", "create", "first", "--image", p.Image("tiny:1"), "--node", node, "--wait")
	p.BerthJSON(nil, "container", "delete", "first", "--yes", "--wait")
	var content []struct{ Volid string }
	if err := p.World.PVE.Call(t.Context(), http.MethodGet, "/nodes/"+node+"/storage/local/content", url.Values{"content": {"vztmpl"}}, &content); err != nil {
		t.Fatal(err)
	}
	template := ""
	for _, c := range content {
		if strings.Contains(c.Volid, "tiny") {
			template = c.Volid
		}
	}
	if template == "" {
		t.Fatalf("no image is left on %s: %+v", node, content)
	}
	ip := p.Network.Addr().As4()
	ip[3] = 200 // in the site's range and nobody's
	own := netip.AddrFrom4(ip).String()
	if err := p.World.PVE.Task(t.Context(), http.MethodPost, path, url.Values{
		"vmid": {fmt.Sprint(vmid)}, "ostemplate": {template}, "hostname": {"byhand"}, "memory": {"128"}, "swap": {"0"}, "cores": {"1"},
		"unprivileged": {"1"}, "rootfs": {"local:1"},
		"net0": {"name=eth0,bridge=vmbr0,ip=" + own + "/24,gw=" + p.Gateway() + ",hwaddr=BC:24:11:00:09:00"},
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
	// The cluster's overview, by which people find a CT, lags behind its nodes.
	harness.Await(t, settle, "the cluster lists the CT", func(ctx context.Context) error {
		var guests []struct{ Name string }
		if err := p.World.PVE.Call(ctx, http.MethodGet, "/cluster/resources", url.Values{"type": {"vm"}}, &guests); err != nil {
			return err
		}
		for _, g := range guests {
			if g.Name == "byhand" {
				return nil
			}
		}
		return fmt.Errorf("it lists %+v", guests)
	})
	before := pid()
	p.BerthJSON(nil, "container", "import", "--node", node, "--vmid", fmt.Sprint(vmid), "--wait")
	c := get(t, p, "byhand")
	if c.State != "ready" || c.Address != own || c.VMID != vmid || !strings.EqualFold(c.MAC, "bc:24:11:00:09:00") {
		t.Fatalf("the imported container is %+v", c)
	}
	if after := pid(); after != before {
		t.Errorf("the guest was restarted: its first process was %s and is %s", before, after)
	}
	shows(t, c, "hello")
	p.BerthJSON(nil, "container", "delete", "byhand", "--yes", "--wait")
	clean(t, p)
	forgotten(t, p, "byhand", own)
}
