package guest

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"berth/domain"
)

// check refuses what would break out of a line of LXC's configuration, or what LXC would misread.
func (s Spec) check() error {
	fields := []string{s.Hostname, s.WorkingDir, s.Nameserver, s.Searchdomain}
	if slices.ContainsFunc(s.Entrypoint, func(arg string) bool { return strings.ContainsRune(arg, 0) }) {
		return domain.Errorf(domain.Invalid, "the entrypoint contains a zero byte")
	}
	for _, env := range s.Env {
		if name, _, ok := strings.Cut(env, "="); !ok || name == "" {
			return domain.Errorf(domain.Invalid, "an environment entry has no name or no value")
		}
	}
	for _, text := range slices.Concat(fields, s.Env) {
		if strings.ContainsFunc(text, forbidden) {
			return domain.Errorf(domain.Invalid, "the guest's configuration contains forbidden control characters")
		}
	}
	if s.HaltSignal != "" {
		if _, err := parseSignal(s.HaltSignal); err != nil {
			return err
		}
	}
	for _, nic := range s.NICs {
		if err := nic.check(); err != nil {
			return err
		}
	}
	return nil
}

func (n NIC) check() error {
	if _, err := net.ParseMAC(n.MAC); err != nil {
		return domain.Errorf(domain.Invalid, "%s: MAC address %q: %w", n.Name, n.MAC, err)
	}
	if n.Name == "" || len(n.Name) > 15 || strings.ContainsAny(n.Name, "/ \n\t=#") {
		return domain.Errorf(domain.Invalid, "%q is no name of an interface", n.Name)
	}
	switch n.Address {
	case "", "dhcp", "manual":
	default:
		if _, err := netip.ParsePrefix(n.Address); err != nil {
			return domain.Errorf(domain.Invalid, "%s: address %q: %w", n.Name, n.Address, err)
		}
	}
	if n.Gateway != "" {
		if _, err := netip.ParseAddr(n.Gateway); err != nil {
			return domain.Errorf(domain.Invalid, "%s: gateway %q: %w", n.Name, n.Gateway, err)
		}
	}
	return nil
}

// static reports whether the interface has an address of its own.
func (n NIC) static() bool { return n.Address != "" && n.Address != "dhcp" && n.Address != "manual" }

// shift is the first id of the host that belongs to the guest.
func (s Spec) shift() int {
	if s.Unprivileged {
		return mapBase
	}
	return 0
}

// config renders LXC's configuration of a guest. The interfaces in byLXC get their addresses from LXC, the others look
// after themselves or are followed up by Lease.
func (r *LXC) config(s Spec, limits []setting, byLXC []NIC) string {
	var b strings.Builder
	line := func(key, value string) { fmt.Fprintf(&b, "%s = %s\n", key, value) }
	line("lxc.include", "/usr/share/lxc/config/common.conf")
	if s.Unprivileged {
		line("lxc.include", "/usr/share/lxc/config/userns.conf")
		line("lxc.idmap", fmt.Sprintf("u 0 %d %d", mapBase, mapLength))
		line("lxc.idmap", fmt.Sprintf("g 0 %d %d", mapBase, mapLength))
	}
	line("lxc.apparmor.profile", "unconfined")
	line("lxc.rootfs.path", "dir:"+r.dir(s.VMID, "rootfs"))
	line("lxc.uts.name", s.Hostname)
	line("lxc.console.logfile", r.dir(s.VMID, "console.log"))
	if s.WorkingDir != "" {
		line("lxc.init.cwd", s.WorkingDir)
	}
	line("lxc.init.uid", fmt.Sprint(s.UID))
	line("lxc.init.gid", fmt.Sprint(s.GID))
	if s.HaltSignal != "" {
		line("lxc.signal.halt", s.HaltSignal)
	}
	for _, env := range s.Env {
		line("lxc.environment", env)
	}
	for _, limit := range limits {
		line(r.cgroups.key(limit), limit.value)
	}
	for i, nic := range s.NICs {
		key := func(name string) string { return fmt.Sprintf("lxc.net.%d.%s", i, name) }
		line(key("type"), "veth")
		line(key("veth.pair"), fmt.Sprintf("veth%di%d", s.VMID, i)) // Proxmox VE's name for it
		if nic.Bridge != "" {
			line(key("link"), nic.Bridge)
		}
		line(key("flags"), "up")
		line(key("name"), nic.Name)
		line(key("hwaddr"), strings.ToLower(nic.MAC))
		if slices.ContainsFunc(byLXC, func(n NIC) bool { return n.Name == nic.Name }) {
			line(key("ipv4.address"), nic.Address)
			if nic.Gateway != "" {
				line(key("ipv4.gateway"), nic.Gateway)
			}
		}
	}
	return b.String()
}
