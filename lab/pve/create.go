package pve

import (
	"strconv"
	"strings"
	"time"
)

// creation is a POST lxc on its way: what was asked for, cut into its parts.
type creation struct {
	c           *Cluster
	node        string
	vmid        int
	who         identity
	archive     string // volume ID of the template
	storage     string // for volumes that name none
	pool        string
	options     params // everything but volumes
	mounts      params // rootfs and mpN
	start       bool
	ignoreError bool
	ct          *container
}

// postLXC makes a container. What can be refused at once is refused here, in Proxmox's order; the rest is the task's.
func (c *Cluster) postLXC(k *call) (answer, error) {
	if err := c.needQuorum(); err != nil {
		return answer{}, err
	}
	p := k.params
	n := &creation{c: c, node: k.node, vmid: k.vmid(), who: k.auth, options: params{}, mounts: params{}}
	unprivileged := !p.has("unprivileged") || p.bool("unprivileged")
	if !unprivileged {
		if err := c.allow(k.auth, "/", false, "Sys.Modify"); err != nil {
			return answer{}, err
		}
	}
	n.start, n.ignoreError = p.bool("start"), p.bool("ignore-unpack-errors")
	restore := p.bool("restore")
	for _, name := range []string{
		"node", "vmid", "start", "ignore-unpack-errors", "bwlimit", "unprivileged", "restore",
		"unique", "force", "ha-managed", "password",
	} {
		p.take(name)
	}
	if err := c.checkUnused(n.vmid); err != nil {
		return answer{}, err
	}
	if keys, given := p.take("ssh-public-keys"); given && !validKeys(keys) {
		return answer{}, die("SSH public key validation error")
	}
	if err := n.checkRights(p, unprivileged); err != nil {
		return answer{}, err
	}
	content := "vztmpl"
	if restore {
		content = "backup"
	}
	if err := c.allowVolume(k.auth, k.node, strconv.Itoa(n.vmid), n.archive, content); err != nil {
		return answer{}, err
	}
	if err := n.split(p); err != nil {
		return answer{}, err
	}
	if err := n.prepare(unprivileged); err != nil {
		return answer{}, err
	}
	kind, doing := "vzcreate", "create"
	if restore {
		kind, doing = "vzrestore", "restore"
	}
	release, err := n.reserve(k, doing)
	if err != nil {
		return answer{}, err
	}
	upid := c.startTask(k, kind, strconv.Itoa(n.vmid), func(w *worker) error {
		defer release()
		return n.run(w, doing)
	})
	return answer{data: upid}, nil
}

// checkUnused refuses a VMID that any node of the cluster has.
func (c *Cluster) checkUnused(vmid int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ct := c.state.Containers[vmid]; ct != nil {
		return die("CT %d already exists on node '%s'", vmid, ct.Node)
	}
	return nil
}

func (n *creation) checkRights(p params, unprivileged bool) error {
	c, vmid := n.c, strconv.Itoa(n.vmid)
	n.pool, _ = p.take("pool")
	if n.pool != "" {
		c.mu.Lock()
		known := c.state.Pools[n.pool] != nil
		c.mu.Unlock()
		if !known {
			return denied("pool '" + n.pool + "' does not exist")
		}
	}
	if !c.may(n.who, "/vms/"+vmid, false, "VM.Allocate") &&
		(n.pool == "" || !c.may(n.who, "/pool/"+n.pool, false, "VM.Allocate")) {
		return denied("")
	}
	n.archive, _ = p.take("ostemplate")
	n.storage = "local"
	if s, given := p.take("storage"); given {
		n.storage = s
	}
	check := optionCheck{c: c, who: n.who, node: n.node, vmid: vmid, pool: n.pool, unprivileged: unprivileged}
	return check.changes(p, nil)
}

// split separates volumes from options and checks the storages they are on.
func (n *creation) split(p params) error {
	for name, v := range p {
		switch {
		case isMount(name):
			if _, bare := parseSize(v.text, 1); bare {
				v.text = n.storage + ":" + v.text
			}
			n.mounts[name] = v
		case optionKey(name) != "unused":
			n.options[name] = v
		}
	}
	if len(n.mounts) == 0 {
		n.mounts.set("rootfs", n.storage+":4")
		return n.c.usableForGuests(n.who, n.node, n.storage)
	}
	if !n.mounts.has("rootfs") {
		return die("mount points configured, but 'rootfs' not set - aborting")
	}
	for _, name := range n.mounts.names() {
		parts, err := mountParts(name, n.mounts.get(name))
		if err != nil {
			return err
		}
		volume := parts["volume"]
		storage, _, isVolume := strings.Cut(volume, ":")
		if strings.HasPrefix(volume, "/") || !isVolume {
			if !n.who.isRoot() {
				return die("Only root can pass arbitrary filesystem paths.")
			}
			continue
		}
		if err := n.c.usableForGuests(n.who, n.node, storage); err != nil {
			return err
		}
	}
	return nil
}

// usableForGuests checks that a storage of a node can hold the root file systems of guests.
func (c *Cluster) usableForGuests(who identity, node, storage string) error {
	s, err := c.enabledStorage(node, storage)
	if err != nil {
		return err
	}
	if !s.holds("rootdir") {
		return paramError("storage", "storage '%s' does not support container directories", storage)
	}
	return c.allow(who, "/storage/"+storage, false, "Datastore.AllocateSpace")
}

// prepare builds the configuration that the task will write.
func (n *creation) prepare(unprivileged bool) error {
	n.ct = &container{VMID: n.vmid, Node: n.node, Options: map[string]string{}, Pending: map[string]string{}}
	for name, v := range n.options {
		text, err := n.c.canonical(name, v.text)
		if err != nil {
			return err
		}
		n.ct.Options[name] = text
	}
	if unprivileged {
		n.ct.Options["unprivileged"] = "1"
	}
	return nil
}

// reserve writes the configuration that only holds a lock, and keeps the config lock until the returned function is
// called.
func (n *creation) reserve(k *call, doing string) (release func(), err error) {
	c := n.c
	failed := func(err error) error { return die("unable to %s CT %d - %s", doing, n.vmid, err) }
	lock := c.lockOf(n.vmid)
	timeout := time.NewTimer(c.timings.CreateLock)
	defer timeout.Stop()
	// Whoever lost a race for the VMID is to hear so at once and not when the winner, which holds the lock, is done.
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for taken := false; !taken; {
		select {
		case lock <- struct{}{}:
			taken = true
		case <-look.C:
			if err := c.checkUnused(n.vmid); err != nil {
				return nil, failed(err)
			}
		case <-timeout.C:
			return nil, failed(lockTimeout(n.vmid))
		case <-k.ctx.Done():
			return nil, errDropped
		}
	}
	release = func() { <-lock }
	err = c.checkUnused(n.vmid)
	if err == nil {
		err = c.store(&container{VMID: n.vmid, Node: n.node, Options: map[string]string{"lock": "create"}})
	}
	if err != nil {
		release()
		return nil, failed(err)
	}
	return release, nil
}

// validKeys tells whether every line is an SSH public key in OpenSSH's form.
func validKeys(keys string) bool {
	found := false
	for _, line := range strings.Split(keys, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if !keyPattern.MatchString(line) {
			return false
		}
		found = true
	}
	return found
}
