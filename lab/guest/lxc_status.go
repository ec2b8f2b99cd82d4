package guest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"berth/domain"
)

// Apply implements Runtime.
func (r *LXC) Apply(ctx context.Context, vmid int, limits Limits) error {
	g := r.guest(vmid, false)
	if g == nil || !r.running(ctx, g) {
		return domain.Errorf(domain.Conflict, "CT %d not running", vmid)
	}
	settings, err := r.cgroups.settings(vmid, limits)
	if err != nil {
		return err
	}
	g.mu.Lock()
	own := g.group
	g.mu.Unlock()
	return r.cgroups.write(own, settings)
}

// Status implements Runtime. CPU is the mean since the last call, or since the start.
func (r *LXC) Status(ctx context.Context, vmid int) (Status, error) {
	g := r.guest(vmid, false)
	if g == nil || !r.running(ctx, g) {
		return Status{}, nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	used, now, up := r.cgroups.cpu(g.group), time.Now(), g.init.uptime()
	spent, over := used-g.cpu, now.Sub(g.sampled)
	if g.sampled.IsZero() || spent < 0 {
		spent, over = used, up
	}
	g.cpu, g.sampled = used, now
	s := Status{
		Running: true, PID: g.init.pid, UptimeSec: int64(up / time.Second),
		MemBytes: r.cgroups.memory(g.group), DiskBytes: r.usage.of(g.spec.Volume),
		CPU: float64(spent) / float64(max(over, time.Millisecond)),
	}
	s.NetIn, s.NetOut = traffic(g.init.pid)
	return s, nil
}

// traffic adds up the bytes that a guest's interfaces received and sent, as the guest sees it; the loopback is left out.
func traffic(pid int) (in, out int64) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
	if err != nil {
		return 0, 0 // the guest is just ending
	}
	for line := range strings.Lines(string(raw)) {
		name, numbers, ok := strings.Cut(line, ":")
		f := strings.Fields(numbers)
		if !ok || strings.TrimSpace(name) == "lo" || len(f) < 9 {
			continue
		}
		received, err1 := strconv.ParseInt(f[0], 10, 64)
		sent, err2 := strconv.ParseInt(f[8], 10, 64)
		if err1 == nil && err2 == nil {
			in, out = in+received, out+sent
		}
	}
	return in, out
}

// Interfaces implements Runtime.
func (r *LXC) Interfaces(ctx context.Context, vmid int) ([]Interface, error) {
	g := r.guest(vmid, false)
	if g == nil || !r.running(ctx, g) {
		return nil, domain.Errorf(domain.Conflict, "CT %d not running", vmid)
	}
	g.mu.Lock()
	init := g.init
	g.mu.Unlock()
	out, err := r.at(ctx, fmt.Sprintf("/proc/%d/ns/net", init.pid), "ip", "-j", "address").Output()
	if err != nil {
		return nil, fmt.Errorf("list interfaces of guest %d: %w", vmid, err)
	}
	var links []struct {
		Name      string `json:"ifname"`
		MAC       string `json:"address"`
		Addresses []struct {
			Family string `json:"family"`
			IP     string `json:"local"`
			Prefix int    `json:"prefixlen"`
		} `json:"addr_info"`
	}
	if err := json.Unmarshal(out, &links); err != nil {
		return nil, fmt.Errorf("list interfaces of guest %d: %w", vmid, err)
	}
	var all []Interface
	for _, l := range links {
		i := Interface{Name: l.Name, MAC: l.MAC}
		for _, a := range l.Addresses {
			i.Addresses = append(i.Addresses, Address{IP: a.IP, Prefix: a.Prefix, Family: a.Family})
		}
		all = append(all, i)
	}
	return all, nil
}
