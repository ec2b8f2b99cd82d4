package pve

import (
	"context"
	"encoding/json"
	"sort"
	"strconv"
	"strings"
	"time"
)

// guestRow is what lists and status show of a guest.
func (c *Cluster) guestRow(ctx context.Context, ct *container) (map[string]any, error) {
	s, err := c.runtime.Status(ctx, ct.VMID)
	if err != nil {
		return nil, err
	}
	size := int64(defaultDisk)
	if root := ct.Options["rootfs"]; root != "" {
		size = mountSize("rootfs", root)
	}
	row := map[string]any{
		"vmid": ct.VMID, "type": "lxc", "name": ct.name(), "status": "stopped", "cpus": c.cpusOf(ct), "cpu": 0,
		"mem": 0, "maxmem": int64(ct.int("memory", 512)) << 20, "swap": 0, "maxswap": int64(ct.int("swap", 0)) << 20,
		"disk": 0, "maxdisk": size, "diskread": 0, "diskwrite": 0, "netin": 0, "netout": 0, "uptime": 0,
	}
	for _, option := range []string{"lock", "tags"} {
		if text := ct.Options[option]; text != "" {
			row[option] = text
		}
	}
	if ct.isTemplate() {
		row["template"] = 1
	}
	if !s.Running {
		return row, nil
	}
	row["status"], row["pid"], row["uptime"] = "running", s.PID, s.UptimeSec
	row["cpu"] = number64(s.CPU / float64(c.nodeNamed(ct.Node).CPUs))
	row["mem"], row["disk"], row["netin"], row["netout"] = s.MemBytes, s.DiskBytes, s.NetIn, s.NetOut
	for _, what := range []string{"cpu", "io", "memory"} {
		row["pressure"+what+"some"], row["pressure"+what+"full"] = "0.00", "0.00"
	}
	return row, nil
}

// cpusOf is how many cores a guest may use: its cores, else its limit as it was written, else the node's.
func (c *Cluster) cpusOf(ct *container) any {
	if n := ct.int("cores", 0); n > 0 {
		return n
	}
	if limit := ct.Options["cpulimit"]; limit != "" && limit != "0" {
		return limit
	}
	return c.nodeNamed(ct.Node).CPUs
}

func (c *Cluster) getLXC(k *call) (answer, error) {
	c.mu.Lock()
	var guests []*container
	for _, vmid := range c.guestsOf(k.node) {
		guests = append(guests, c.state.Containers[vmid].clone())
	}
	c.mu.Unlock()
	sort.Slice(guests, func(i, j int) bool { return guests[i].VMID < guests[j].VMID })
	rows := []any{}
	for _, ct := range guests {
		if !c.may(k.auth, "/vms/"+strconv.Itoa(ct.VMID), false, "VM.Audit") {
			continue
		}
		row, err := c.guestRow(k.ctx, ct)
		if err != nil {
			return answer{}, err
		}
		rows = append(rows, row)
	}
	return answer{data: rows}, nil
}

func (c *Cluster) getCurrent(k *call) (answer, error) {
	ct, err := c.load(k.node, k.vmid())
	if err != nil {
		return answer{}, err
	}
	row, err := c.guestRow(k.ctx, ct)
	if err != nil {
		return answer{}, err
	}
	row["ha"] = map[string]any{"managed": 0}
	return answer{data: row}, nil
}

// onlyExisting answers an index below a guest, when there is one.
func (c *Cluster) onlyExisting(k *call, key string, names ...string) (answer, error) {
	if _, err := c.load(k.node, k.vmid()); err != nil {
		return answer{}, err
	}
	rows := make([]any, len(names))
	for i, name := range names {
		rows[i] = map[string]any{key: name}
	}
	return answer{data: rows}, nil
}

// getInterfaces shows the network interfaces of a running guest, with old keys and new ones; null when it does not run.
func (c *Cluster) getInterfaces(k *call) (answer, error) {
	running, err := c.runsOn(k.ctx, k.node, k.vmid())
	if err != nil || !running {
		return answer{}, err
	}
	list, err := c.runtime.Interfaces(k.ctx, k.vmid())
	if err != nil {
		return answer{}, err
	}
	rows := []any{}
	for _, iface := range list {
		mac := strings.ToLower(iface.MAC)
		row := map[string]any{"name": iface.Name, "hwaddr": mac, "hardware-address": mac}
		addresses := []any{}
		for _, a := range iface.Addresses {
			prefix := strconv.Itoa(a.Prefix)
			row[a.Family] = a.IP + "/" + prefix
			addresses = append(addresses, map[string]any{
				"ip-address": a.IP, "prefix": prefix, "ip-address-type": a.Family,
			})
		}
		row["ip-addresses"] = addresses
		rows = append(rows, row)
	}
	return answer{data: rows}, nil
}

// getRRD answers usage over time: points on the grid of the time frame, figures on the last one alone.
func (c *Cluster) getRRD(k *call) (answer, error) {
	ct, err := c.load(k.node, k.vmid())
	if err != nil {
		return answer{}, err
	}
	current, err := c.guestRow(k.ctx, ct)
	if err != nil {
		return answer{}, err
	}
	step, points := rrdGrid(k.params.get("timeframe"))
	now := c.now().Truncate(step)
	rows := make([]any, points)
	for i := range rows {
		at := now.Add(-step * time.Duration(points-1-i)).Unix()
		row := map[string]any{"time": at}
		if i == points-1 {
			known := []string{"maxmem", "maxdisk"}
			if current["status"] == "running" {
				known = append(known, "cpu", "mem", "disk", "netin", "netout", "diskread", "diskwrite")
			}
			for _, name := range known {
				row[name] = asFloat(current[name])
			}
			row["maxcpu"] = asFloat(current["cpus"])
		}
		rows[i] = row
	}
	return answer{data: rows}, nil
}

func rrdGrid(timeframe string) (step time.Duration, points int) {
	switch timeframe {
	case "hour":
		return time.Minute, 70
	case "day":
		return time.Minute, 1440
	case "week":
		return 30 * time.Minute, 336
	case "month":
		return 30 * time.Minute, 1440
	}
	return 6 * time.Hour, 1460
}

// asFloat writes any figure with a fraction, as RRD answers do.
func asFloat(v any) any {
	var f float64
	switch n := v.(type) {
	case int:
		f = float64(n)
	case int64:
		f = float64(n)
	case json.Number:
		f, _ = n.Float64() // written by number64
	case string:
		f, _ = strconv.ParseFloat(n, 64) // a cpulimit that rules have checked
	}
	return number64(f)
}

// getFeature tells whether a guest's volumes can do something. Folders cannot be snapshot; copying needs a guest that
// is stopped.
func (c *Cluster) getFeature(k *call) (answer, error) {
	ct, err := c.load(k.node, k.vmid())
	if err != nil {
		return answer{}, err
	}
	can := false
	switch k.params.get("feature") {
	case "copy":
		running, err := c.running(k.ctx, ct.VMID)
		if err != nil {
			return answer{}, err
		}
		can = !running
	case "snapshot":
		can = c.onBtrfs(ct)
	case "clone":
		can = c.onBtrfs(ct) && ct.isTemplate()
	}
	return answer{data: map[string]any{"hasFeature": flag(can)}}, nil
}

// onBtrfs tells whether the root file system is on a storage with snapshots.
func (c *Cluster) onBtrfs(ct *container) bool {
	storage, _, _ := strings.Cut(ct.Options["rootfs"], ":")
	s, err := c.storageOf(ct.Node, storage)
	return err == nil && s.Type == "btrfs"
}
