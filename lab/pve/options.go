package pve

import (
	"slices"
	"strings"
	"sync"
)

// The tables below are made once, when they are first needed, and never change.

// netRules are the keys of net0 and so on.
var netRules = sync.OnceValue(func() rules {
	return rules{
		str("bridge").match(`[-_.\w\d]+`), boolean("firewall"), str("gw").as(ipv4Format), str("gw6").as(ipv6Format),
		boolean("host-managed"), str("hwaddr").as(macFormat), str("ip").as(ipv4ConfigFormat),
		str("ip6").as(ipv6ConfigFormat), boolean("link_down"), integer("mtu").atLeast(64).atMost(65535),
		str("name").must().match(`[-_.\w\d]+`), number("rate"), integer("tag").atLeast(1).atMost(4094),
		str("trunks").match(`\d+(?:;\d+)*`), str("type").oneOf("veth"),
	}
})

const (
	idmapPattern = `passthrough|[ug]:[0-9]+:[0-9]+:[1-9][0-9]*(?:;[ug]:[0-9]+:[0-9]+:[1-9][0-9]*)*`
	mountPattern = `(discard|lazytime|noatime|nodev|noexec|nosuid)(;(discard|lazytime|noatime|nodev|noexec|nosuid))*`
)

// rootfsRules are the keys of rootfs.
var rootfsRules = sync.OnceValue(func() rules {
	return rules{
		boolean("acl"), str("idmap").match(idmapPattern), str("mountoptions").match(mountPattern), boolean("quota"),
		boolean("replicate"), boolean("ro"), boolean("shared"), str("size").as(sizeFormat),
		str("volume").must().keyless().as(mountFormat),
	}
})

// mountRules are the keys of mp0 and so on.
var mountRules = sync.OnceValue(func() rules {
	return slices.Concat(rootfsRules(), rules{boolean("backup"), boolean("keepattrs"), str("mp").must().as(mountFormat)})
})

// featureRules are the keys of features.
var featureRules = sync.OnceValue(func() rules {
	return rules{
		boolean("force_rw_sys"), boolean("fuse"), boolean("keyctl"), boolean("mknod"),
		str("mount").match(`[a-zA-Z0-9_; ]+`), boolean("nesting"),
	}
})

// deviceRules are the keys of dev0 and so on.
var deviceRules = sync.OnceValue(func() rules {
	return rules{
		boolean("deny-write"), integer("gid").atLeast(0), str("mode").match(`0[0-7]{3}`),
		str("path").keyless().as(deviceFormat), integer("uid").atLeast(0),
	}
})

// printable is text without control characters but tabs.
const printable = `[^\x00-\x08\x0a-\x1F\x7F]`

// guestOptions are the options of a container, as creation and PUT config take them.
var guestOptions = sync.OnceValue(func() rules {
	options := rules{
		str("arch").oneOf("amd64", "i386", "arm64", "armhf", "riscv32", "riscv64"),
		str("cmode").oneOf("shell", "console", "tty"),
		boolean("console"),
		integer("cores").atLeast(1).atMost(8192),
		number("cpulimit").atLeast(0).atMost(8192),
		integer("cpuunits").atLeast(0).atMost(500000),
		boolean("debug"),
		str("description").longest(8192),
		str("entrypoint").match(printable + `+`),
		str("env").match(`(?:\w+=` + printable + `*)(?:\x00\w+=` + printable + `*)*`),
		str("features").of(featureRules()),
		str("hookscript").as(volumeFormat),
		str("hostname").longest(255).as(dnsFormat),
		str("lock").oneOf("backup", "create", "destroyed", "disk", "fstrim", "migrate", "mounted", "rollback", "snapshot",
			"snapshot-delete"),
		integer("memory").atLeast(16),
		str("nameserver").listOf(nameserverFormat),
		boolean("onboot"),
		str("ostype").oneOf("debian", "devuan", "ubuntu", "centos", "fedora", "opensuse", "archlinux", "alpine", "gentoo",
			"nixos", "unmanaged"),
		boolean("protection"),
		str("rootfs").of(rootfsRules()),
		str("searchdomain").listOf(dnsFormat),
		str("startup").as(startupFormat),
		integer("swap").atLeast(0),
		str("tags").listOf(tagFormat),
		boolean("template"),
		str("timezone").as(timezoneFormat),
		integer("tty").atLeast(0).atMost(6),
		boolean("unprivileged"),
	}
	options = append(options, numbered(32, str("net").of(netRules()))...)
	options = append(options, numbered(256, str("mp").of(mountRules()))...)
	options = append(options, numbered(256, str("dev").of(deviceRules()))...)
	return append(options, numbered(256, str("unused").of(rules{str("volume").must().keyless().as(volumeFormat)}))...)
})

// createRules are the parameters of POST lxc beside the node.
func createRules() rules {
	return slices.Concat(guestOptions(), rules{
		vmidRule("vmid").must(), str("ostemplate").must().longest(255), number("bwlimit").atLeast(0), boolean("force"),
		boolean("ha-managed"), boolean("ignore-unpack-errors"), str("password").shortest(5), str("pool").as(poolFormat),
		boolean("restore"), str("ssh-public-keys"), boolean("start"), storageRule("storage"),
		boolean("unique").needs("restore"),
	})
}

// updateRules are those of PUT config beside node and VMID.
func updateRules() rules {
	return slices.Concat(guestOptions(), rules{
		str("delete").listOf(configFormat), str("digest").longest(40), str("revert").listOf(configFormat),
	})
}

// optionKey cuts an option into its name without number, such as "net" for net0.
func optionKey(option string) string { return strings.TrimRight(option, "0123456789") }

// isMount tells whether an option is a volume: rootfs or mp0 and so on.
func isMount(option string) bool {
	return option == "rootfs" || optionKey(option) == "mp" && option != "mp"
}

// isNet tells whether an option is a network interface.
func isNet(option string) bool { return optionKey(option) == "net" && option != "net" }

// mountParts parses rootfs or mpN; the value has been checked.
func mountParts(option, s string) (properties, error) {
	if option == "rootfs" {
		return rootfsRules().parse(option, s)
	}
	return mountRules().parse(option, s)
}

func printMount(option string, p properties) string {
	if option == "rootfs" {
		return rootfsRules().print(p)
	}
	return mountRules().print(p)
}
