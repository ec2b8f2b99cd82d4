package pve

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"berth/lab/guest"
)

var keyPattern = regexp.MustCompile(`^(\S+=\S*\s+)*(ssh-(rsa|dss|ed25519)|ecdsa-sha2-nistp\d+|sk-\S+)\s+AAAA[0-9A-Za-z+/]+={0,3}(\s.*)?$`)

// run is the task of a creation. When it fails it leaves nothing; when its worker is killed it leaves what there is,
// among it the lock.
func (n *creation) run(w *worker, doing string) error {
	made, err := n.build(w)
	if err == nil {
		n.join()
		if n.start {
			n.c.start(n.node, n.who, nil, "vzstart", strconv.Itoa(n.vmid), func(s *worker) error {
				return n.c.startGuest(s, n.node, n.vmid, false)
			})
		}
		return nil
	}
	if w.killed() {
		return err
	}
	// The worker's context may be over; undoing must go on.
	undo := context.WithoutCancel(w.ctx)
	for _, path := range made {
		if gone := n.c.runtime.RemoveVolume(undo, path); gone != nil {
			w.logf("%s", gone)
		}
	}
	n.c.forget(n.vmid)
	return die("unable to %s CT %d - %s", doing, n.vmid, w.failure(err))
}

// build makes volumes, unpacks the template and writes the configuration. It returns the volumes that it made.
func (n *creation) build(w *worker) (made []string, err error) {
	root, size := "", int64(0)
	for _, name := range n.mounts.names() {
		path, bytes, err := n.allocate(w, name)
		if path != "" {
			made = append(made, path)
		}
		if err != nil {
			return made, err
		}
		if name == "rootfs" {
			root, size = path, bytes
		}
	}
	if root == "" {
		return made, die("rootfs must be a new volume, such as 'storage:4'")
	}
	if err := w.midpoint(); err != nil {
		return made, n.whenFull(err)
	}
	file, shown, err := n.c.volumeFile(n.node, n.archive)
	if err != nil {
		return made, err
	}
	if _, err := os.Stat(file); err != nil {
		w.logf("volume '%s' does not exist", n.archive)
		return made, die("volume '%s' does not exist", n.archive)
	}
	if !isOCI(file) { // else the Runtime tells that it found an image
		w.logf("extracting archive '%s'", shown)
	}
	image, err := n.c.runtime.Unpack(w.ctx, root, file, max(size, defaultDisk), w.logf)
	if err != nil {
		return made, n.unpackFailure(w, file, err)
	}
	n.describe(w, root, image)
	return made, n.c.store(n.ct)
}

// unpackFailure tells why a template could not be unpacked: of a plain archive in the words of tar, whose own reason is in
// the log alone.
func (n *creation) unpackFailure(w *worker, file string, err error) error {
	if w.ctx.Err() != nil || isOCI(file) || strings.HasPrefix(err.Error(), "Error while ") {
		return err
	}
	w.logf("%s", err)
	decompress := map[string]string{".gz": "-z ", "tgz": "-z ", ".xz": "-J ", "zst": "--zstd ", "bz2": "-j "}
	option := ""
	for ending, o := range decompress {
		if strings.HasSuffix(file, ending) {
			option = o
		}
	}
	userns := ""
	if n.ct.Options["unprivileged"] == "1" {
		userns = "lxc-usernsexec -m u:0:100000:65536 -m g:0:100000:65536 -- "
	}
	return die("command '%star xpf - %s--totals --one-file-system -p --sparse --numeric-owner --acls --xattrs "+
		"'--xattrs-include=user.*' '--xattrs-include=security.capability' '--warning=no-file-ignored' "+
		"'--warning=no-xattr-write' -C /var/lib/lxc/%d/rootfs --skip-old-files --anchored --exclude './dev/*'' failed: "+
		"exit code 2", userns, option, n.vmid)
}

// defaultDisk is the size that a volume without limit is shown with.
const defaultDisk = 4 << 30

// whenFull tells a full storage in the words of whoever unpacks.
func (n *creation) whenFull(err error) error {
	if errors.Is(err, errFull) {
		return die("Error while extracting OCI image: IO error: No space left on device (os error 28)")
	}
	return err
}

// allocate makes one volume's folder and writes its option.
func (n *creation) allocate(w *worker, name string) (path string, size int64, err error) {
	parts, err := mountParts(name, n.mounts.get(name))
	if err != nil {
		return "", 0, err
	}
	m := newVolume.FindStringSubmatch(parts["volume"])
	if m == nil {
		n.ct.Options[name] = n.mounts.get(name)
		return "", 0, nil
	}
	gib, err := strconv.ParseFloat(m[2], 64)
	if err != nil {
		return "", 0, fmt.Errorf("size of %s: %w", name, err)
	}
	size = int64(gib * (1 << 30))
	volume, path, err := n.c.newVolumeFolder(n.node, m[1], n.vmid, size)
	if err != nil {
		return "", 0, err
	}
	if size > 0 {
		w.logf("Formatting '%s', fmt=raw size=%d preallocation=off", n.c.shownVolume(n.node, volume), size)
	}
	parts["volume"], parts["size"] = volume, formatSize(size)
	n.ct.Options[name] = printMount(name, parts)
	return path, size, nil
}

// describe completes the configuration from what was unpacked.
func (n *creation) describe(w *worker, root string, image *guest.ImageConfig) {
	o := n.ct.Options
	if image != nil {
		n.applyImage(w, image)
	}
	if o["ostype"] == "" {
		if o["ostype"] = detectOS(root); o["ostype"] == "unmanaged" {
			w.logf("/etc/os-release file not found and autodetection failed, falling back to 'unmanaged'")
		}
	}
	if o["arch"] == "" {
		o["arch"] = "amd64"
		w.logf("Detected container architecture: amd64")
	}
	for option, standard := range map[string]string{
		"hostname": fmt.Sprintf("CT%d", n.vmid), "memory": "512", "swap": "512",
	} {
		if o[option] == "" {
			o[option] = standard
		}
	}
}

// applyImage takes over what an OCI image says, as Proxmox does: its entry point and environment replace the request's.
func (n *creation) applyImage(w *worker, image *guest.ImageConfig) {
	o := n.ct.Options
	if len(image.Entrypoint) > 0 && image.Entrypoint[0] != "/sbin/init" {
		o["entrypoint"] = shellJoin(image.Entrypoint)
		o["cmode"] = "console"
		for option, text := range o {
			if !isNet(option) {
				continue
			}
			p, err := netRules().parse(option, text)
			if _, decided := p["host-managed"]; err != nil || decided {
				continue
			}
			w.logf("Auto-Enabling host-managed network for network device %s.", option)
			p["host-managed"] = "1"
			o[option] = netRules().print(p)
		}
	}
	if len(image.Env) > 0 {
		o["env"] = strings.Join(image.Env, "\x00")
	}
	if image.User != "" {
		n.ct.LXC = append(n.ct.LXC, [2]string{"lxc.init.uid", strconv.Itoa(image.UID)},
			[2]string{"lxc.init.gid", strconv.Itoa(image.GID)})
	}
	if image.WorkingDir != "" {
		n.ct.LXC = append(n.ct.LXC, [2]string{"lxc.init.cwd", image.WorkingDir})
	}
	signal := image.StopSignal
	if signal == "" {
		signal = "SIGTERM"
	}
	n.ct.LXC = append(n.ct.LXC, [2]string{"lxc.signal.halt", signal})
}

// join puts the new guest into its pool.
func (n *creation) join() {
	if n.pool == "" {
		return
	}
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	if p := n.c.state.Pools[n.pool]; p != nil {
		p.Guests = append(p.Guests, n.vmid)
		n.c.save()
	}
}

// forget removes a guest's configuration, whether the cluster is quorate or not: it never became a guest.
func (c *Cluster) forget(vmid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.state.Containers, vmid)
	delete(c.stats, vmid)
	c.save()
}

// isOCI tells whether a file is an OCI archive: an uncompressed tar with these members, not below "./".
func isOCI(path string) bool {
	file, err := os.Open(path)
	if err != nil || !strings.HasSuffix(path, ".tar") {
		return false
	}
	defer file.Close()
	var layout, index, blobs bool
	for t := tar.NewReader(file); ; {
		h, err := t.Next()
		if err != nil {
			return false
		}
		layout = layout || h.Name == "oci-layout"
		index = index || h.Name == "index.json"
		blobs = blobs || strings.HasPrefix(h.Name, "blobs/")
		if layout && index && blobs {
			return true
		}
	}
}

// detectOS reads the distribution of a root file system.
func detectOS(volume string) string {
	// os.Root keeps symbolic links of the guest from leading out of its volume.
	root, err := os.OpenRoot(volume)
	if err != nil {
		return "unmanaged"
	}
	defer root.Close()
	known, _ := guestOptions().find("ostype")
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		file, err := root.Open(filepath.FromSlash(name))
		if err != nil {
			continue
		}
		raw, err := io.ReadAll(io.LimitReader(file, 64<<10))
		_ = file.Close() // only read from
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(raw), "\n") {
			if id, ok := strings.CutPrefix(line, "ID="); ok && contains(known.enum, strings.Trim(id, `"'`)) {
				return strings.Trim(id, `"'`)
			}
		}
	}
	return "unmanaged"
}
