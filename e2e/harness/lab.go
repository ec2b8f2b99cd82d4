//go:build e2e

package harness

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Fault makes calls of the lab's Proxmox VE API misbehave; `berth lab fault` takes the same. Zero fields match everything.
type Fault struct {
	ID        int    `json:"id,omitempty"`
	Operation string `json:"operation,omitempty"` // such as "lxc.create"
	Node      string `json:"node,omitempty"`
	VMID      int    `json:"vmid,omitempty"`
	Count     int    `json:"count,omitempty"` // calls to strike; 0 = all
	After     int    `json:"after,omitempty"` // calls to let pass first
	Effect    string `json:"effect"`
	Status    int    `json:"status,omitempty"`
	Text      string `json:"text,omitempty"`
	DelayMS   int64  `json:"delay_ms,omitempty"`

	Passed int `json:"passed,omitempty"`
	Struck int `json:"struck,omitempty"`
}

// Lab steers the lab.
type Lab struct{ URL string }

// AddFault sets a fault and returns its ID.
func (l Lab) AddFault(ctx context.Context, f Fault) (int, error) {
	var added struct {
		ID int `json:"id"`
	}
	err := l.control(ctx, http.MethodPost, "faults", f, &added)
	return added.ID, err
}

// Struck returns how many calls a fault has struck.
func (l Lab) Struck(ctx context.Context, id int) (int, error) {
	var all []Fault
	if err := l.control(ctx, http.MethodGet, "faults", nil, &all); err != nil {
		return 0, err
	}
	for _, f := range all {
		if f.ID == id {
			return f.Struck, nil
		}
	}
	return 0, fmt.Errorf("the lab has no fault %d", id)
}

// ClearFaults takes all faults off.
func (l Lab) ClearFaults(ctx context.Context) error {
	return l.control(ctx, http.MethodDelete, "faults", nil, nil)
}

// SetNode takes a node's power away, or gives it back.
func (l Lab) SetNode(ctx context.Context, name string, online bool) error {
	return l.control(ctx, http.MethodPut, "nodes/"+name, map[string]bool{"online": online}, nil)
}

// Online tells which nodes have power.
func (l Lab) Online(ctx context.Context) (map[string]bool, error) {
	nodes := map[string]bool{}
	return nodes, l.control(ctx, http.MethodGet, "nodes", nil, &nodes)
}

func (l Lab) control(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, l.URL+"/berth-lab/"+path, &body)
	if err != nil {
		return err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // the lab signs itself
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("steer the lab: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("steer the lab: %s %s: %s: %s %w", method, path, res.Status, text, err)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
