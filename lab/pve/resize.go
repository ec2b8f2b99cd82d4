package pve

import (
	"net/http"
	"strconv"
	"strings"
)

// putResize grows a volume. Sizes that cannot be are refused here; what the volume cannot do is the task's failure.
func (c *Cluster) putResize(k *call) (answer, error) {
	node, vmid, disk := k.node, k.vmid(), k.params.get("disk")
	var grown int64
	err := c.locked(k, vmid, func() error {
		ct, err := c.load(node, vmid)
		if err != nil {
			return err
		}
		if err := ct.checkLock(); err != nil {
			return err
		}
		if digest := k.params.get("digest"); digest != "" && digest != ct.digest() {
			return die("detected modified configuration - file changed by other user? Try again.")
		}
		grown, err = grownSize(ct, disk, k.params.get("size"))
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return answer{data: c.startTask(k, "resize", strconv.Itoa(vmid), func(w *worker) error {
		return w.failure(w.locked(vmid, func() error { return c.resize(w, node, vmid, disk, grown) }))
	})}, nil
}

// grownSize is the size that a volume is to have.
func grownSize(ct *container, disk, wanted string) (int64, error) {
	text, ok := ct.Options[disk]
	if !ok {
		// Proxmox parses the missing option and answers what its parser says.
		e := &apiError{status: http.StatusInternalServerError, message: "format error\n", errors: map[string]string{
			"volume": missing,
		}}
		if disk != "rootfs" {
			e.errors["mp"] = missing
		}
		return 0, e
	}
	p, err := mountParts(disk, text)
	if err != nil {
		return 0, err
	}
	is, _ := parseSize(p["size"], 1)
	size, ok := parseSize(strings.TrimPrefix(wanted, "+"), 1)
	if !ok {
		return 0, die("unable to parse size '%s'", wanted)
	}
	if strings.HasPrefix(wanted, "+") {
		size += is
	}
	if size < is {
		return 0, die("unable to shrink disk size")
	}
	return size, nil
}

func (c *Cluster) resize(w *worker, node string, vmid int, disk string, size int64) error {
	ct, err := c.load(node, vmid)
	if err != nil {
		return err
	}
	p, err := mountParts(disk, ct.Options[disk])
	if err != nil {
		return err
	}
	if strings.HasSuffix(p["volume"], ".subvol") {
		return die("can't resize this image format")
	}
	folder, shown, err := c.volumeFile(node, p["volume"])
	if err != nil {
		return err
	}
	if err := w.midpoint(); err != nil {
		return err
	}
	if err := c.runtime.Resize(w.ctx, folder, size); err != nil {
		return err
	}
	w.logf("Image resized.")
	w.logf("The filesystem on %s is now %d (4k) blocks long.", shown, size/4096)
	p["size"] = formatSize(size)
	ct.Options[disk] = printMount(disk, p)
	return c.store(ct)
}
