package pve

import (
	"context"
	"strconv"
	"strings"

	"berth/lab/guest"
)

// putConfig changes options: at once where Proxmox can, else at the next start.
func (c *Cluster) putConfig(k *call) (answer, error) {
	p := k.params
	vmid := k.vmid()
	p.take("node")
	p.take("vmid")
	digest, _ := p.take("digest")
	if len(p) == 0 {
		return answer{}, die("no options specified")
	}
	deleted, reverted := p.list("delete"), p.list("revert")
	p.take("delete")
	p.take("revert")
	if err := checkNames(p, deleted, reverted); err != nil {
		return answer{}, err
	}
	ct, err := c.load(k.node, vmid)
	if err != nil {
		return answer{}, err
	}
	check := optionCheck{
		c: c, who: k.auth, node: k.node, vmid: strconv.Itoa(vmid), old: ct.Options,
		unprivileged: ct.Options["unprivileged"] == "1",
	}
	if err := check.changes(p, append(append([]string(nil), deleted...), reverted...)); err != nil {
		return answer{}, err
	}
	err = c.locked(k, vmid, func() error {
		u := update{c: c, ctx: k.ctx, set: p, deleted: deleted, reverted: reverted, digest: digest}
		return u.apply(k.node, vmid)
	})
	return answer{}, err
}

// checkNames refuses options that do not exist, and contradictions.
func checkNames(set params, deleted, reverted []string) error {
	known := guestOptions()
	for _, option := range reverted {
		if _, ok := known.find(option); !ok {
			return paramError("revert", "unknown option '%s'", option)
		}
		if set.has(option) {
			return paramError("delete", "you can't use '-%s' and '-revert %s' at the same time", option, option)
		}
	}
	for _, option := range deleted {
		if _, ok := known.find(option); !ok {
			return paramError("delete", "unknown option '%s'", option)
		}
		if set.has(option) {
			return paramError("delete", "you can't use '-%s' and -delete %s' at the same time", option, option)
		}
		if contains(reverted, option) {
			return paramError("delete", "you can't use '-delete %s' and '-revert %s' at the same time", option, option)
		}
	}
	return nil
}

// update is one change of a guest's configuration, under its config lock.
type update struct {
	c                 *Cluster
	ctx               context.Context
	set               params
	deleted, reverted []string
	digest            string
}

func (u update) apply(node string, vmid int) error {
	ct, err := u.c.load(node, vmid)
	if err != nil {
		return err
	}
	if err := ct.checkLock(); err != nil {
		return err
	}
	if u.digest != "" && u.digest != ct.digest() {
		return die("detected modified configuration - file changed by other user? Try again.")
	}
	running, err := u.c.running(u.ctx, vmid)
	if err != nil {
		return err
	}
	for _, option := range u.reverted {
		delete(ct.Pending, option)
		ct.Drop = without(ct.Drop, option)
	}
	for _, option := range u.deleted {
		if err := u.drop(ct, option, running); err != nil {
			return err
		}
	}
	for _, option := range u.set.names() {
		if err := u.change(ct, option, u.set.get(option), running); err != nil {
			return err
		}
	}
	if err := u.c.store(ct); err != nil {
		return err
	}
	if !running {
		return nil
	}
	// Limits reach the running guest once the file is written, so that a failure leaves what the file says.
	return u.c.runtime.Apply(u.ctx, vmid, ct.limits())
}

func (u update) drop(ct *container, option string, running bool) error {
	_, set := ct.Options[option]
	_, pending := ct.Pending[option]
	if !set && !pending {
		return nil
	}
	switch option {
	case "rootfs", "memory", "ostype":
		return die("unable to delete required option '%s'", option)
	case "unprivileged":
		return die("unable to delete read-only option: '%s'", option)
	}
	if isMount(option) && ct.Options["protection"] == "1" {
		return die("can't remove CT %d drive '%s' - protection mode enabled", ct.VMID, option)
	}
	delete(ct.Pending, option)
	switch {
	case !set:
	case running && (!hotplugged(option) || isMount(option)):
		ct.Drop = append(without(ct.Drop, option), option)
	default:
		delete(ct.Options, option)
	}
	return nil
}

func (u update) change(ct *container, option, text string, running bool) error {
	if option == "unprivileged" {
		return die("unable to modify read-only option: 'unprivileged'")
	}
	text, err := u.c.canonical(option, text)
	if err != nil {
		return err
	}
	if isMount(option) {
		if text, err = u.newMount(ct, option, text); err != nil {
			return err
		}
	}
	ct.Drop = without(ct.Drop, option)
	_, replaces := ct.Options[option]
	if running && (!hotplugged(option) || isMount(option) && replaces) && ct.Options[option] != text {
		ct.Pending[option] = text
		return nil
	}
	delete(ct.Pending, option)
	ct.Options[option] = text
	return nil
}

// newMount allocates what "storage:size" asks for.
func (u update) newMount(ct *container, option, text string) (string, error) {
	if ct.Options["protection"] == "1" {
		return "", die("can't update CT %d drive '%s' - protection mode enabled", ct.VMID, option)
	}
	p, err := mountParts(option, text)
	if err != nil {
		return "", err
	}
	if storage, _, isVolume := strings.Cut(p["volume"], ":"); isVolume && !strings.HasPrefix(storage, "/") {
		s, err := u.c.enabledStorage(ct.Node, storage)
		if err != nil {
			return "", err
		}
		if !s.holds("rootdir") {
			return "", die("storage '%s' does not allow content type 'rootdir' (Container)", storage)
		}
	}
	m := newVolume.FindStringSubmatch(p["volume"])
	if m == nil {
		return text, nil
	}
	size, ok := parseSize(m[2], 1<<30)
	if !ok {
		return "", die("unable to parse size '%s'", m[2])
	}
	volume, _, err := u.c.newVolumeFolder(ct.Node, m[1], ct.VMID, size)
	if err != nil {
		return "", err
	}
	p["volume"], p["size"] = volume, formatSize(size)
	return printMount(option, p), nil
}

// hotplugged tells whether an option of a running guest changes at once.
func hotplugged(option string) bool {
	switch option {
	case "description", "onboot", "startup", "protection", "hostname", "hookscript", "cores", "tags", "lock", "memory",
		"swap", "cpulimit", "cpuunits":
		return true
	}
	return isNet(option) || isMount(option) && option != "rootfs"
}

// limits are what the guest may use.
func (ct *container) limits() guest.Limits {
	return guest.Limits{MemoryMiB: ct.int("memory", 512), SwapMiB: ct.int("swap", 512), Cores: ct.int("cores", 0)}
}

// applyPending makes pending changes real, as a start does.
func (ct *container) applyPending() {
	ct.Options = ct.effective()
	ct.Pending, ct.Drop = map[string]string{}, nil
}

func without(list []string, s string) []string {
	var out []string
	for _, e := range list {
		if e != s {
			out = append(out, e)
		}
	}
	return out
}

// envList cuts the env option, whose entries are separated by NUL.
func envList(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\x00")
}
