package proxmox

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"berth/domain"
)

// CTConfig is the configuration of a CT. While a create runs it holds nothing but Lock and Digest.
type CTConfig struct {
	Hostname, Description, Entrypoint, Lock, Digest, OSType string
	MemoryMiB, SwapMiB                                      int
	DiskGiB                                                 int // of the root disk, rounded up
	Cores                                                   int // 0: all
	Nets                                                    map[int]Net
	Rootfs                                                  Rootfs
	Env                                                     []string // K=V
	Tags                                                    []string
	OnBoot, Protection, Template, Unprivileged              bool
	Raw                                                     map[string]json.RawMessage
}

// Net is a network device of a CT, in Proxmox's words.
type Net struct {
	Name        string // in the guest; default eth0
	Bridge, MAC string
	VLAN        int    // tag; 0: none
	IP          string // dhcp, manual or CIDR; default dhcp
	Gateway     string
	HostManaged *bool // whether the node configures the address; nil: Proxmox decides by the image
	Firewall    bool
	Rest        map[string]string // what else the device has, kept when it is written back
}

// Rootfs is the root disk.
type Rootfs struct {
	Volume  string // storage:name
	Storage string
	GiB     float64
}

// UnmarshalJSON reads the answer of GET config.
func (ct *CTConfig) UnmarshalJSON(raw []byte) error {
	var w struct {
		Hostname, Description, Entrypoint, Lock, Digest, OSType, Rootfs, Env, Tags flexString
		Memory, Swap, Cores                                                        flexInt
		OnBoot, Protection, Template, Unprivileged                                 flexBool
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	*ct = CTConfig{
		Hostname: string(w.Hostname), Description: strings.TrimRight(string(w.Description), "\n"), Entrypoint: string(w.Entrypoint),
		Lock: string(w.Lock), Digest: string(w.Digest), OSType: string(w.OSType), MemoryMiB: int(w.Memory), SwapMiB: int(w.Swap),
		Cores: int(w.Cores), Nets: map[int]Net{}, Rootfs: parseRootfs(string(w.Rootfs)), Tags: sortedTags(string(w.Tags)),
		OnBoot: bool(w.OnBoot), Protection: bool(w.Protection), Template: bool(w.Template), Unprivileged: bool(w.Unprivileged),
	}
	ct.DiskGiB = int(math.Ceil(ct.Rootfs.GiB))
	if w.Env != "" {
		ct.Env = strings.Split(string(w.Env), "\x00")
	}
	if err := json.Unmarshal(raw, &ct.Raw); err != nil {
		return err
	}
	for key, value := range ct.Raw {
		n, err := strconv.Atoi(strings.TrimPrefix(key, "net"))
		var text flexString
		if !strings.HasPrefix(key, "net") || err != nil || json.Unmarshal(value, &text) != nil {
			continue
		}
		ct.Nets[n] = parseNet(string(text))
	}
	return nil
}

func parseRootfs(text string) Rootfs {
	p := properties(text, "volume")
	r := Rootfs{Volume: p["volume"]}
	r.Storage, _, _ = strings.Cut(r.Volume, ":")
	units := map[byte]float64{'K': 1.0 / (1 << 20), 'M': 1.0 / (1 << 10), 'G': 1, 'T': 1 << 10}
	if size := p["size"]; size != "" {
		unit, ok := units[size[len(size)-1]]
		if !ok {
			unit, size = 1.0/(1<<30), size+"B" // bytes
		}
		if n, err := strconv.ParseFloat(size[:len(size)-1], 64); err == nil {
			r.GiB = n * unit
		}
	}
	return r
}

func parseNet(text string) Net {
	p := properties(text, "name")
	n := Net{Name: p["name"], Bridge: p["bridge"], MAC: p["hwaddr"], IP: p["ip"], Gateway: p["gw"], Firewall: p["firewall"] == "1"}
	n.VLAN, _ = strconv.Atoi(p["tag"])
	if managed, ok := p["host-managed"]; ok {
		on := managed == "1"
		n.HostManaged = &on
	}
	for _, key := range []string{"name", "bridge", "hwaddr", "tag", "ip", "gw", "host-managed", "firewall"} {
		delete(p, key)
	}
	if len(p) > 0 {
		n.Rest = p
	}
	return n
}

// CTStatus is the state of a CT now.
type CTStatus struct {
	Running                            bool
	Name, Lock                         string
	Uptime                             int64 // seconds
	CPU, CPUs                          float64
	Mem, MaxMem, Disk, MaxDisk         int64 // bytes
	NetIn, NetOut, DiskRead, DiskWrite int64 // bytes
	Tags                               []string
	Template, HAManaged                bool
}

// Config returns the configuration of a CT. NotFound says that it is not on this node.
func (c *Client) Config(ctx context.Context, node string, vmid int) (CTConfig, error) {
	var ct CTConfig
	err := c.get(ctx, fmt.Sprintf("read the configuration of CT %d on %s", vmid, node), ctPath(node, vmid, "config"), nil, &ct)
	return ct, err
}

// Status returns the state of a CT. NotFound says that it is not on this node.
func (c *Client) Status(ctx context.Context, node string, vmid int) (CTStatus, error) {
	var w struct {
		Status, Name, Lock, Tags           flexString
		Uptime, Mem, MaxMem, Disk, MaxDisk flexInt
		NetIn, NetOut, DiskRead, DiskWrite flexInt
		CPU, CPUs                          flexFloat
		Template                           flexBool
		HA                                 struct{ Managed flexBool }
	}
	if err := c.get(ctx, fmt.Sprintf("read the state of CT %d on %s", vmid, node), ctPath(node, vmid, "status", "current"), nil, &w); err != nil {
		return CTStatus{}, err
	}
	return CTStatus{
		Running: w.Status == "running", Name: string(w.Name), Lock: string(w.Lock), Uptime: int64(w.Uptime),
		CPU: float64(w.CPU), CPUs: float64(w.CPUs), Mem: int64(w.Mem), MaxMem: int64(w.MaxMem), Disk: int64(w.Disk),
		MaxDisk: int64(w.MaxDisk), NetIn: int64(w.NetIn), NetOut: int64(w.NetOut), DiskRead: int64(w.DiskRead),
		DiskWrite: int64(w.DiskWrite), Tags: sortedTags(string(w.Tags)), Template: bool(w.Template), HAManaged: bool(w.HA.Managed),
	}, nil
}

// Interface is a network interface inside a CT.
type Interface struct {
	Name, MAC  string   // MAC in lower case
	IPv4, IPv6 []string // addresses without prefix length; IPv6 includes link-local ones
}

// Interfaces returns what a running CT has, "lo" included; nothing when it is stopped or unknown. A DHCP lease shows
// seconds after the start.
func (c *Client) Interfaces(ctx context.Context, node string, vmid int) ([]Interface, error) {
	type row struct {
		Name, HWAddr, Inet, Inet6 flexString
		Hardware                  flexString `json:"hardware-address"`
		Addresses                 []struct {
			Address flexString `json:"ip-address"`
		} `json:"ip-addresses"`
	}
	found, err := rows[row](ctx, c, fmt.Sprintf("read the addresses of CT %d on %s", vmid, node), ctPath(node, vmid, "interfaces"), nil)
	interfaces := make([]Interface, 0, len(found))
	for _, r := range found {
		i := Interface{Name: string(r.Name), MAC: strings.ToLower(string(r.Hardware))}
		if i.MAC == "" {
			i.MAC = strings.ToLower(string(r.HWAddr))
		}
		for _, a := range r.Addresses {
			i.add(string(a.Address))
		}
		if len(r.Addresses) == 0 { // before 8.3: the last address of each family only
			i.add(string(r.Inet))
			i.add(string(r.Inet6))
		}
		interfaces = append(interfaces, i)
	}
	return interfaces, err
}

func (i *Interface) add(text string) {
	text, _, _ = strings.Cut(text, "/")
	addr, err := netip.ParseAddr(text)
	switch {
	case err != nil:
	case addr.Is4():
		i.IPv4 = append(i.IPv4, addr.String())
	default:
		i.IPv6 = append(i.IPv6, addr.String())
	}
}

// checkVMID guards every change: a zero VMID would name another resource.
func checkVMID(node string, vmid int) error {
	if node == "" || vmid < 100 || vmid > 999999999 {
		return domain.Errorf(domain.Invalid, "CT %d on node %q: a node and a VMID of 100 or more are needed", vmid, node)
	}
	return nil
}
