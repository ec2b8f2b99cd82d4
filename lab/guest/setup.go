package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strings"
)

// unlimited is the size of a volume when no more than a few small files are written: no reason to refuse a start.
const unlimited = math.MaxInt64

// setUp writes into a guest's root file system what it must know of itself, as Proxmox VE does before each start. It returns
// the interfaces with a fixed address that the guest itself will not set up.
func setUp(s Spec) (byLXC []NIC, err error) {
	t, err := openTree(s.Volume, s.shift(), unlimited)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	for _, dir := range []string{"dev", "proc", "sys", "etc"} { // LXC mounts over them, but images may lack them
		if _, err := t.folder(dir); err != nil {
			return nil, fmt.Errorf("make /%s: %w", dir, err)
		}
	}
	if err := t.put("etc/hostname", s.Hostname+"\n"); err != nil {
		return nil, err
	}
	if err := t.put("etc/hosts", hosts(s)); err != nil {
		return nil, err
	}
	if s.Nameserver != "" {
		if err := t.put("etc/resolv.conf", resolvConf(strings.Fields(s.Nameserver), s.Searchdomain)); err != nil {
			return nil, err
		}
	}
	return t.interfaces(s)
}

// interfaces writes Debian's file of interfaces where there is ifupdown. Host-managed ones are none of the guest's business.
func (t *tree) interfaces(s Spec) (byLXC []NIC, err error) {
	info, err := t.root.Stat("etc/network/interfaces")
	ifupdown := err == nil && info.Mode().IsRegular()
	var file strings.Builder
	file.WriteString("auto lo\niface lo inet loopback\n")
	own := false
	for _, nic := range s.NICs {
		if nic.HostManaged || !ifupdown {
			if nic.static() {
				byLXC = append(byLXC, nic)
			}
			continue
		}
		own = true
		switch {
		case nic.static():
			fmt.Fprintf(&file, "\nauto %s\niface %s inet static\n\taddress %s\n", nic.Name, nic.Name, nic.Address)
			if nic.Gateway != "" {
				fmt.Fprintf(&file, "\tgateway %s\n", nic.Gateway)
			}
		case nic.Address == "dhcp":
			fmt.Fprintf(&file, "\nauto %s\niface %s inet dhcp\n", nic.Name, nic.Name)
		default:
			fmt.Fprintf(&file, "\niface %s inet manual\n", nic.Name)
		}
	}
	if !own {
		return byLXC, nil
	}
	return byLXC, t.put("etc/network/interfaces", file.String())
}

// hosts names the guest to itself: under its first fixed address, else under Debian's 127.0.1.1.
func hosts(s Spec) string {
	own, name := "127.0.1.1", s.Hostname
	for _, nic := range s.NICs {
		if nic.static() {
			own, _, _ = strings.Cut(nic.Address, "/")
			break
		}
	}
	if s.Searchdomain != "" {
		name = fmt.Sprintf("%s.%s %s", s.Hostname, strings.Fields(s.Searchdomain)[0], s.Hostname)
	}
	return fmt.Sprintf("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n%s %s\n", own, name)
}

func resolvConf(servers []string, search string) string {
	var b strings.Builder
	if search != "" {
		fmt.Fprintf(&b, "search %s\n", search)
	}
	for _, server := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", server)
	}
	return b.String()
}

// put replaces a file of the guest, in one step because the guest may be running.
func (t *tree) put(name, content string) error {
	dir, err := t.folder(path.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(name)
	if old, err := dir.root.Lstat(base); err == nil && old.Mode().IsRegular() && old.Size() == int64(len(content)) {
		if raw, err := dir.root.ReadFile(base); err == nil && string(raw) == content {
			return nil
		}
	}
	fresh := base + ".berth"
	if err := dir.root.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := dir.root.WriteFile(fresh, []byte(content), 0o644); err != nil {
		return err
	}
	if err := dir.root.Lchown(fresh, t.shift, t.shift); err != nil {
		return err
	}
	return dir.root.Rename(fresh, base)
}
