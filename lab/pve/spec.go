package pve

import (
	"fmt"
	"strconv"

	"berth/lab/guest"
)

// spec says how to boot a guest, and which of its interfaces get their address from the host.
func (c *Cluster) spec(ct *container) (guest.Spec, []string, error) {
	root, err := mountParts("rootfs", ct.Options["rootfs"])
	if err != nil {
		return guest.Spec{}, nil, err
	}
	volume, _, err := c.volumeFile(ct.Node, root["volume"])
	if err != nil {
		return guest.Spec{}, nil, err
	}
	spec := guest.Spec{
		VMID: ct.VMID, Node: ct.Node, Hostname: ct.name(), Volume: volume, Env: envList(ct.Options["env"]),
		Limits: ct.limits(), Nameserver: ct.Options["nameserver"], Searchdomain: ct.Options["searchdomain"],
		Unprivileged: ct.Options["unprivileged"] == "1",
	}
	if spec.Entrypoint, err = shellSplit(ct.Options["entrypoint"]); err != nil {
		return guest.Spec{}, nil, fmt.Errorf("entrypoint: %w", err)
	}
	for _, pair := range ct.LXC {
		switch pair[0] {
		case "lxc.init.cwd":
			spec.WorkingDir = pair[1]
		case "lxc.signal.halt":
			spec.HaltSignal = pair[1]
		case "lxc.init.uid", "lxc.init.gid":
			id, err := strconv.Atoi(pair[1])
			if err != nil {
				return guest.Spec{}, nil, fmt.Errorf("%s: %w", pair[0], err)
			}
			if pair[0] == "lxc.init.uid" {
				spec.UID = id
			} else {
				spec.GID = id
			}
		}
	}
	managed, err := c.attach(ct, &spec)
	return spec, managed, err
}

// attach adds the network interfaces.
func (c *Cluster) attach(ct *container, spec *guest.Spec) (managed []string, err error) {
	bridges := c.nodeNamed(ct.Node).Bridges
	for i := range 32 {
		option := "net" + strconv.Itoa(i)
		text, ok := ct.Options[option]
		if !ok {
			continue
		}
		p, err := netRules().parse(option, text)
		if err != nil {
			return nil, err
		}
		if p["bridge"] != "" && !contains(bridges, p["bridge"]) {
			return nil, die("bridge '%s' does not exist", p["bridge"])
		}
		nic := guest.NIC{
			Name: p["name"], MAC: p["hwaddr"], Bridge: p["bridge"], Address: p["ip"], Gateway: p["gw"],
			HostManaged: p["host-managed"] == "1",
		}
		if nic.Address == "" {
			nic.Address = "manual"
		}
		if nic.HostManaged && p["ip6"] == "auto" {
			return nil, die("%s: SLAAC is not supported for host-managed network configuration", option)
		}
		if nic.HostManaged && nic.Address == "dhcp" {
			managed = append(managed, nic.Name)
		}
		spec.NICs = append(spec.NICs, nic)
	}
	return managed, nil
}
