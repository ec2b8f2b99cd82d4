package pve

import (
	"regexp"
	"strconv"
	"strings"
)

// newVolume is "storage:size in GiB", which asks for a new volume.
var newVolume = regexp.MustCompile(`^([^:\s]+):(\d+(\.\d+)?)$`)

// optionCheck is what changing a guest's options asks of the caller.
type optionCheck struct {
	c            *Cluster
	who          identity
	node         string
	vmid, pool   string
	old          map[string]string // nil for a new guest
	unprivileged bool
}

// changes checks every option that is set or deleted.
func (o optionCheck) changes(set params, deleted []string) error {
	if o.who.isRoot() {
		return nil
	}
	for _, option := range set.names() {
		if err := o.option(option, set.get(option), false); err != nil {
			return err
		}
	}
	for _, option := range deleted {
		if err := o.option(option, "", true); err != nil {
			return err
		}
	}
	return nil
}

func (o optionCheck) option(option, text string, deleted bool) error {
	need := func(privilege string) error { return o.c.allowGuest(o.who, o.vmid, o.pool, privilege) }
	switch {
	case option == "cores" || option == "cpuunits" || option == "cpulimit":
		return need("VM.Config.CPU")
	case isMount(option):
		if err := need("VM.Config.Disk"); err != nil || deleted {
			return err
		}
		return o.mount(option, text)
	case option == "memory" || option == "swap":
		return need("VM.Config.Memory")
	case isNet(option):
		if err := need("VM.Config.Network"); err != nil || deleted {
			return err
		}
		return o.bridge(text)
	case option == "nameserver" || option == "searchdomain" || option == "hostname":
		return need("VM.Config.Network")
	case optionKey(option) == "dev":
		return denied("configuring device passthrough is only allowed for root@pam")
	case option == "features":
		return o.features(text, deleted)
	case option == "hookscript":
		return denied("changing the hookscript is only allowed for root@pam")
	}
	return need("VM.Config.Options")
}

func (o optionCheck) mount(option, text string) error {
	p, err := mountParts(option, text)
	if err != nil {
		return err
	}
	volume := p["volume"]
	switch {
	case strings.HasPrefix(volume, "/dev/"):
		return denied("mount point type device is only allowed for root@pam")
	case strings.HasPrefix(volume, "/"):
		return denied("mount point type bind is only allowed for root@pam")
	}
	if m := newVolume.FindStringSubmatch(volume); m != nil {
		return o.c.allow(o.who, "/storage/"+m[1], false, "Datastore.AllocateSpace")
	}
	return o.c.allowVolume(o.who, o.node, o.vmid, volume, "rootdir")
}

func (o optionCheck) bridge(text string) error {
	p, err := netRules().parse("net", text)
	if err != nil || p["bridge"] == "" {
		return err
	}
	path := "/sdn/zones/localnetwork/" + p["bridge"]
	if tag := p["tag"]; tag != "" && !o.c.may(o.who, path, false, "SDN.Use") {
		path += "/" + tag
	}
	return o.c.allow(o.who, path, false, "SDN.Use")
}

func (o optionCheck) features(text string, deleted bool) error {
	if !o.unprivileged {
		return denied("changing feature flags for privileged container is only allowed for root@pam")
	}
	was, err := featureRules().parse("features", o.old["features"])
	if err != nil {
		return err
	}
	becomes := properties{}
	if !deleted {
		if becomes, err = featureRules().parse("features", text); err != nil {
			return err
		}
	}
	nesting := was["nesting"] != becomes["nesting"]
	for _, flags := range []properties{was, becomes} {
		for flag := range flags {
			if flag != "nesting" && was[flag] != becomes[flag] {
				return denied("changing feature flags (except nesting) is only allowed for root@pam")
			}
		}
	}
	if nesting {
		return o.c.allowGuest(o.who, o.vmid, o.pool, "VM.Allocate")
	}
	return nil
}

// allowVolume checks access to an existing volume that is to be used as content.
func (c *Cluster) allowVolume(who identity, node, vmid, volid, content string) error {
	m := volumePattern.FindStringSubmatch(volid)
	if m == nil {
		if who.isRoot() {
			return nil
		}
		return die("Only root can pass arbitrary filesystem paths. at /usr/share/perl5/PVE/Storage.pm line 651.")
	}
	storage, err := c.storageOf(node, m[1])
	if err != nil {
		return err
	}
	is, owner, err := storage.parseVolume(m[2])
	if err != nil {
		return err
	}
	if is != content && (content != "rootdir" || is != "images") {
		return die("unable to use volume %s - content type needs to be '%s'", volid, content)
	}
	path := "/storage/" + m[1]
	if c.may(who, path, false, "Datastore.Allocate") {
		return nil
	}
	switch {
	case is == "iso" || is == "vztmpl" || is == "import":
		return c.allow(who, path, true, "Datastore.AllocateSpace", "Datastore.Audit")
	case owner != 0 && strconv.Itoa(owner) == vmid:
		return nil
	case is == "backup" && owner != 0:
		if err := c.allow(who, path, false, "Datastore.AllocateSpace"); err != nil {
			return err
		}
		return c.allow(who, "/vms/"+strconv.Itoa(owner), false, "VM.Backup")
	case owner != 0:
		if err := c.allow(who, path, false, "Datastore.Audit"); err != nil {
			return err
		}
		return c.allow(who, "/vms/"+strconv.Itoa(owner), false, "VM.Config.Disk")
	}
	return c.allow(who, path, false, "Datastore.AllocateSpace")
}
