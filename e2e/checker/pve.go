//go:build e2e

package checker

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// PVE is a Proxmox VE API.
type PVE struct {
	URL   string // https://host:port
	Token string // "user@realm!id=secret"
}

// Call sends a request and decodes the data of the answer.
func (p PVE) Call(ctx context.Context, method, path string, form url.Values, data any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var body io.Reader
	if method != http.MethodGet && method != http.MethodDelete {
		body = strings.NewReader(form.Encode())
	} else if len(form) > 0 {
		path += "?" + form.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, p.URL+"/api2/json"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "PVEAPIToken="+p.Token)
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // the lab signs itself
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("ask Proxmox VE: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("ask Proxmox VE: %s %s: %w", method, path, err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask Proxmox VE: %s %s: %s %s", method, path, res.Status, strings.TrimSpace(string(text)))
	}
	answer := struct{ Data any }{data}
	return json.Unmarshal(text, &answer)
}

// Task starts a task and waits for its end, which must be OK.
func (p PVE) Task(ctx context.Context, method, path string, form url.Values) error {
	var upid string
	if err := p.Call(ctx, method, path, form, &upid); err != nil {
		return err
	}
	node := strings.Split(upid, ":")[1]
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		var task struct{ Status, ExitStatus string }
		if err := p.Call(ctx, http.MethodGet, "/nodes/"+node+"/tasks/"+url.PathEscape(upid)+"/status", nil, &task); err != nil {
			return err
		}
		if task.Status == "stopped" {
			if task.ExitStatus != "OK" {
				return fmt.Errorf("task %s ended with %s", upid, task.ExitStatus)
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// CT is a guest as its node shows it.
type CT struct {
	Node, Name, Status, Tags string
	VMID                     int
	MACs                     []string // of the configured interfaces, lower case
	Addresses                []string // that it holds while it runs
}

// volume is a disk of a guest in a storage.
type volume struct {
	Node, ID string
	VMID     int
}

// CTs lists the guests of a node.
func (p PVE) CTs(ctx context.Context, node string) ([]CT, error) {
	var list []struct {
		Name, Status, Tags string
		VMID               json.Number
	}
	if err := p.Call(ctx, http.MethodGet, "/nodes/"+node+"/lxc", nil, &list); err != nil {
		return nil, err
	}
	cts := make([]CT, 0, len(list))
	for _, one := range list {
		vmid, err := one.VMID.Int64()
		if err != nil {
			return nil, fmt.Errorf("ask Proxmox VE: VMID %q: %w", one.VMID, err)
		}
		ct := CT{Node: node, Name: one.Name, Status: one.Status, Tags: one.Tags, VMID: int(vmid)}
		path := fmt.Sprintf("/nodes/%s/lxc/%d", node, ct.VMID)
		var config map[string]any
		if err := p.Call(ctx, http.MethodGet, path+"/config", nil, &config); err != nil {
			return nil, err
		}
		for option, value := range config {
			if strings.HasPrefix(option, "net") {
				for part := range strings.SplitSeq(fmt.Sprint(value), ",") {
					if mac, ok := strings.CutPrefix(part, "hwaddr="); ok {
						ct.MACs = append(ct.MACs, strings.ToLower(mac))
					}
				}
			}
		}
		if ct.Status == "running" {
			if ct.Addresses, err = p.addresses(ctx, path); err != nil {
				return nil, err
			}
		}
		cts = append(cts, ct)
	}
	return cts, nil
}

func (p PVE) addresses(ctx context.Context, path string) ([]string, error) {
	var interfaces []struct{ Name, Inet string }
	if err := p.Call(ctx, http.MethodGet, path+"/interfaces", nil, &interfaces); err != nil {
		return nil, err
	}
	var out []string
	for _, i := range interfaces {
		if address, _, ok := strings.Cut(i.Inet, "/"); ok && i.Name != "lo" {
			out = append(out, address)
		}
	}
	return out, nil
}

func (p PVE) volumes(ctx context.Context, node string) ([]volume, error) {
	var storages []struct{ Storage string }
	if err := p.Call(ctx, http.MethodGet, "/nodes/"+node+"/storage", nil, &storages); err != nil {
		return nil, err
	}
	var out []volume
	for _, s := range storages {
		var content []struct {
			Volid string
			VMID  int
		}
		path := "/nodes/" + node + "/storage/" + s.Storage + "/content"
		if err := p.Call(ctx, http.MethodGet, path, url.Values{"content": {"rootdir"}}, &content); err != nil {
			return nil, err
		}
		for _, c := range content {
			out = append(out, volume{Node: node, ID: c.Volid, VMID: c.VMID})
		}
	}
	return out, nil
}

// acls maps the VMIDs that permissions are set on to who has them.
func (p PVE) acls(ctx context.Context) (map[int][]string, error) {
	var list []struct{ Path, UgID, RoleID string }
	if err := p.Call(ctx, http.MethodGet, "/access/acl", nil, &list); err != nil {
		return nil, err
	}
	out := map[int][]string{}
	for _, a := range list {
		var vmid int
		if _, err := fmt.Sscanf(a.Path, "/vms/%d", &vmid); err == nil {
			out[vmid] = append(out[vmid], a.UgID)
		}
	}
	return out, nil
}
