//go:build e2e

package e2e

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// The lab's credentials, as an administrator of the cluster has them.
const proxmoxToken = "PVEAPIToken=berth@pve!berth=00000000-0000-4000-8000-00000000be47"

// proxmox asks the lab as a stranger to Berth would: nothing of Berth's own client is used.
func (p *platform) proxmox(method, path, form string, into any) error {
	req, err := http.NewRequest(method, "https://"+p.lab+path, strings.NewReader(form))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", proxmoxToken)
	switch {
	case strings.HasPrefix(form, "{"):
		req.Header.Set("Content-Type", "application/json")
	case form != "":
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s %s", method, path, res.Status, body)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

// fault makes the lab misbehave; the returned function ends it.
func (p *platform) fault(rule string) func() {
	p.t.Helper()
	if err := p.proxmox(http.MethodPost, "/berth-lab/faults", rule, nil); err != nil {
		p.t.Fatal(err)
	}
	return func() {
		if err := p.proxmox(http.MethodDelete, "/berth-lab/faults", "", nil); err != nil {
			p.t.Error(err)
		}
	}
}

// cts returns the CTs of the cluster, by VMID.
func (p *platform) cts() map[int]string {
	p.t.Helper()
	found := map[int]string{}
	for _, node := range []string{"pve1", "pve2"} {
		var list struct {
			Data []struct {
				VMID int
				Name string
			}
		}
		if err := p.proxmox(http.MethodGet, "/api2/json/nodes/"+node+"/lxc", "", &list); err != nil {
			p.t.Fatal(err)
		}
		for _, ct := range list.Data {
			found[ct.VMID] = ct.Name
		}
	}
	return found
}

// nothingLeft checks from outside that a container holds nothing any more: no CT, no name, no address, no reservation, no
// lease. c is what it was before.
func (p *platform) nothingLeft(name string, c container) error {
	for vmid, hostname := range p.cts() {
		if vmid == c.VMID || hostname == name {
			return fmt.Errorf("CT %d (%s) is left", vmid, hostname)
		}
	}
	if found := p.lookup(name + ".demo.internal"); len(found) > 0 {
		return fmt.Errorf("DNS still answers %v", found)
	}
	return filepath.WalkDir(filepath.Join(p.data, "edge", "dnsmasq"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil //nolint:nilerr // it was just removed
		}
		if c.MAC != "" && strings.Contains(strings.ToLower(string(text)), strings.ToLower(c.MAC)) {
			return fmt.Errorf("%s still names %s", path, c.MAC)
		}
		return nil
	})
}

// asItShould checks from outside that a ready container is there once, and that all parts agree.
func (p *platform) asItShould(name string) error {
	c := p.container(name)
	if c.State != "ready" || c.Power != "running" {
		return fmt.Errorf("it is %s and %s: %s", c.State, c.Power, c.Message)
	}
	if got := p.cts()[c.VMID]; got != name {
		return fmt.Errorf("CT %d is called %q", c.VMID, got)
	}
	if found := p.lookup(c.FQDN); len(found) != 1 || found[0] != c.Address {
		return fmt.Errorf("DNS answers %v, the API says %s", found, c.Address)
	}
	leases, err := os.ReadFile(filepath.Join(p.data, "edge", "dnsmasq", "leases"))
	if err != nil {
		return err
	}
	if !strings.Contains(strings.ToLower(string(leases)), strings.ToLower(c.MAC)+" "+c.Address+" ") {
		return fmt.Errorf("no lease of %s for %s", c.Address, c.MAC)
	}
	return nil
}
