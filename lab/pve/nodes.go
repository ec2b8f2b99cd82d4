package pve

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// What the nodes run.
const (
	pveVersion = "9.2.11"
	pveRelease = "9.2"
	repoID     = "14a22df35955d97d"
)

func (c *Cluster) getVersion(*call) (answer, error) {
	return answer{data: map[string]any{"version": pveVersion, "release": pveRelease, "repoid": repoID}}, nil
}

// nodeStats is what a node uses; nil for one that is away.
func (c *Cluster) nodeStats(n *Node) map[string]any {
	var disk int64
	for _, s := range n.Storages {
		_, used := c.usage(n.Name, s)
		disk += used
	}
	return map[string]any{
		"cpu": number64(0.02), "mem": n.MemoryBytes / 8, "disk": min(disk, n.DiskBytes), "uptime": c.uptime(),
	}
}

// nodeRow is a node in /nodes and /cluster/resources: without Sys.Audit only that it is there.
func (c *Cluster) nodeRow(k *call, n *Node) map[string]any {
	c.mu.Lock()
	online := c.seenOnline(n.Name)
	c.mu.Unlock()
	row := map[string]any{"id": "node/" + n.Name, "type": "node", "node": n.Name, "level": "", "status": "online"}
	if !online {
		row["status"] = "offline"
	}
	if !c.may(k.auth, "/nodes/"+n.Name, false, "Sys.Audit") {
		return row
	}
	row["maxcpu"], row["maxmem"], row["maxdisk"] = n.CPUs, n.MemoryBytes, n.DiskBytes
	if online {
		for name, v := range c.nodeStats(n) {
			row[name] = v
		}
	}
	return row
}

func (c *Cluster) getNodes(k *call) (answer, error) {
	rows := make([]any, len(c.nodes))
	for i := range c.nodes {
		row := c.nodeRow(k, &c.nodes[i])
		row["ssl_fingerprint"] = fingerprint(c.nodes[i].Name)
		rows[i] = row
	}
	return answer{data: rows}, nil
}

// fingerprint stands for a node's certificate: the lab's listener has another, given by its caller.
func fingerprint(node string) string {
	sum := sha256.Sum256([]byte(node))
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

func (c *Cluster) getNodeStatus(k *call) (answer, error) {
	n := c.nodeNamed(k.node)
	stats := c.nodeStats(n)
	mem, disk := stats["mem"].(int64), stats["disk"].(int64)
	kernel := "6.17.2-1-pve"
	build := "#1 SMP PREEMPT_DYNAMIC PMX 6.17.2-1"
	return answer{data: map[string]any{
		"pveversion":     "pve-manager/" + pveVersion + "/" + repoID,
		"kversion":       "Linux " + kernel + " " + build,
		"current-kernel": map[string]any{"sysname": "Linux", "release": kernel, "version": build, "machine": "x86_64"},
		"boot-info":      map[string]any{"mode": "legacy-bios"},
		"uptime":         stats["uptime"], "cpu": stats["cpu"], "wait": 0, "idle": 0,
		"loadavg": []string{"0.10", "0.10", "0.10"},
		"cpuinfo": map[string]any{
			"cpus": n.CPUs, "cores": n.CPUs, "sockets": 1, "model": "Berth lab", "vendor": "Berth", "family": "1",
			"mhz": "1000.000", "hvm": "", "user_hz": 100, "flags": "fpu",
		},
		"memory": map[string]any{
			"total": n.MemoryBytes, "used": mem, "free": n.MemoryBytes - mem, "available": n.MemoryBytes - mem,
		},
		"swap":   map[string]any{"total": 0, "used": 0, "free": 0},
		"rootfs": map[string]any{"total": n.DiskBytes, "used": disk, "free": n.DiskBytes - disk, "avail": n.DiskBytes - disk},
		"ksm":    map[string]any{"shared": 0},
	}}, nil
}

// getNetwork lists a node's bridges; the first one has the node's address.
func (c *Cluster) getNetwork(k *call) (answer, error) {
	n := c.nodeNamed(k.node)
	rows := []any{}
	switch kind := k.params.get("type"); kind {
	case "", "bridge", "any_bridge", "any_local_bridge", "include_sdn":
	default:
		return answer{data: rows}, nil
	}
	for i, bridge := range n.Bridges {
		if !c.may(k.auth, "/sdn/zones/localnetwork/"+bridge, true, "SDN.Audit", "SDN.Use") &&
			!c.may(k.auth, "/nodes/"+n.Name, false, "Sys.Audit") {
			continue
		}
		row := map[string]any{
			"iface": bridge, "type": "bridge", "active": 1, "autostart": 1, "bridge_ports": "", "bridge_stp": "off",
			"bridge_fd": "0", "families": []string{"inet"}, "method": "manual", "method6": "manual", "priority": i + 3,
		}
		if i == 0 {
			_, bits, _ := strings.Cut(n.Address, "/")
			row["method"], row["address"], row["netmask"], row["cidr"] = "static", n.address(), bits, n.Address
		}
		rows = append(rows, row)
	}
	return answer{data: rows}, nil
}
