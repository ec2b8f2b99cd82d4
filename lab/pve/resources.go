package pve

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// getNextID finds a free VMID; it reserves nothing.
func (c *Cluster) getNextID(k *call) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.params.has("vmid") {
		vmid := k.vmid()
		if c.state.Containers[vmid] != nil {
			return answer{}, paramError("vmid", "VM %d already exists", vmid)
		}
		return answer{data: strconv.Itoa(vmid)}, nil
	}
	for vmid := 100; vmid < 1000000; vmid++ {
		if c.state.Containers[vmid] == nil {
			return answer{data: strconv.Itoa(vmid)}, nil
		}
	}
	return answer{}, die("unable to get any free VMID in range [100, 1000000]")
}

func (c *Cluster) getClusterStatus(k *call) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := []any{}
	if len(c.nodes) > 1 {
		rows = append(rows, map[string]any{
			"type": "cluster", "id": "cluster", "name": c.name, "version": len(c.nodes), "nodes": len(c.nodes),
			"quorate": flag(c.quorate()),
		})
	}
	for i := range c.nodes {
		n := &c.nodes[i]
		id := i + 1
		if len(c.nodes) == 1 {
			id = 0
		}
		rows = append(rows, map[string]any{
			"type": "node", "id": "node/" + n.Name, "name": n.Name, "nodeid": id, "ip": n.address(), "level": "",
			"local": flag(n.Name == k.entry), "online": flag(c.seenOnline(n.Name)),
		})
	}
	return answer{data: rows}, nil
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}

// guestStats is what pvestatd last told about a guest.
type guestStats struct {
	node string
	row  map[string]any
	at   time.Time
}

// refreshStats asks the Runtime about all guests of nodes that are there, unless the last answer is fresh enough.
func (c *Cluster) refreshStats(ctx context.Context) error {
	c.mu.Lock()
	if !c.statsAt.IsZero() && c.now().Sub(c.statsAt) < c.timings.ResourcesLag {
		c.mu.Unlock()
		return nil
	}
	c.statsAt = c.now()
	var guests []*container
	for _, ct := range c.state.Containers {
		if _, away := c.away[ct.Node]; !away {
			guests = append(guests, ct.clone())
		}
	}
	c.mu.Unlock()
	for _, ct := range guests {
		row, err := c.statsRow(ctx, ct)
		if err != nil {
			return err
		}
		c.mu.Lock()
		c.stats[ct.VMID] = guestStats{node: ct.Node, row: row, at: c.now()}
		c.mu.Unlock()
	}
	return nil
}

// statsRow is what a node broadcasts about a guest.
func (c *Cluster) statsRow(ctx context.Context, ct *container) (map[string]any, error) {
	row, err := c.guestRow(ctx, ct)
	if err != nil {
		return nil, err
	}
	row["maxcpu"] = row["cpus"]
	row["template"], row["memhost"] = flag(ct.isTemplate()), 0
	for name := range row {
		if strings.HasPrefix(name, "pressure") || slices.Contains([]string{"cpus", "swap", "maxswap", "pid", "lock"}, name) {
			delete(row, name)
		}
	}
	return row, nil
}

// getResources lists what the caller may see of the cluster.
func (c *Cluster) getResources(k *call) (answer, error) {
	kind := k.params.get("type")
	rows := []any{}
	if kind == "" || kind == "vm" {
		if err := c.refreshStats(k.ctx); err != nil {
			return answer{}, err
		}
		rows = append(rows, c.guestResources(k)...)
	}
	for i := range c.nodes {
		n := &c.nodes[i]
		if kind == "" || kind == "node" {
			row := c.nodeRow(k, n)
			row["cgroup-mode"] = 2
			rows = append(rows, row)
		}
		if kind == "" || kind == "storage" {
			rows = append(rows, c.storageResources(k, n)...)
		}
		if kind == "" && c.may(k.auth, "/sdn/zones/localnetwork", true, "SDN.Audit", "SDN.Allocate") {
			rows = append(rows, map[string]any{
				"id": "network/" + n.Name + "/zone/localnetwork", "type": "network", "network": "localnetwork",
				"network-type": "zone", "node": n.Name, "status": "ok",
			})
		}
	}
	return answer{data: rows}, nil
}

func (c *Cluster) guestResources(k *call) []any {
	c.mu.Lock()
	guests := make([]*container, 0, len(c.state.Containers))
	for _, ct := range c.state.Containers {
		guests = append(guests, ct.clone())
	}
	c.mu.Unlock()
	slices.SortFunc(guests, func(a, b *container) int { return a.VMID - b.VMID })
	rows := []any{}
	for _, ct := range guests {
		if c.may(k.auth, "/vms/"+strconv.Itoa(ct.VMID), false, "VM.Audit") {
			rows = append(rows, c.guestResource(ct))
		}
	}
	return rows
}

// guestResource is one guest: with its last known figures, or only that it exists when there are none.
func (c *Cluster) guestResource(ct *container) map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	row := map[string]any{
		"id": fmt.Sprintf("lxc/%d", ct.VMID), "type": "lxc", "vmid": ct.VMID, "node": ct.Node, "status": "unknown",
	}
	_, away := c.away[ct.Node]
	s, known := c.stats[ct.VMID]
	if known && s.node == ct.Node && (!away || c.now().Sub(s.at) < c.timings.StatsLife) {
		for name, v := range s.row {
			row[name] = v
		}
	}
	if lock := ct.locked(); lock != "" {
		row["lock"] = lock
	}
	if tags := ct.Options["tags"]; tags != "" && row["status"] != "unknown" {
		row["tags"] = tags
	}
	for name, p := range c.state.Pools {
		if slices.Contains(p.Guests, ct.VMID) {
			row["pool"] = name
		}
	}
	return row
}

func (c *Cluster) storageResources(k *call, n *Node) []any {
	var rows []any
	for _, s := range n.Storages {
		if !c.may(k.auth, "/storage/"+s.Name, false, "Datastore.Audit") || s.Disabled {
			continue
		}
		total, used := c.usage(n.Name, s)
		row := map[string]any{
			"id": "storage/" + n.Name + "/" + s.Name, "type": "storage", "storage": s.Name, "node": n.Name,
			"status": "available", "plugintype": s.typeName(), "content": strings.Join(s.Content, ","), "shared": 0,
			"disk": used, "maxdisk": total,
		}
		rows = append(rows, row)
	}
	return rows
}
