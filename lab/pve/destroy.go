package pve

import (
	"fmt"
	"strconv"
)

// deleteLXC destroys a guest. The checks run here and again in the task.
func (c *Cluster) deleteLXC(k *call) (answer, error) {
	d := destruction{c: c, node: k.node, vmid: k.vmid(), force: k.params.bool("force"), purge: k.params.bool("purge")}
	running, err := c.runsOn(k.ctx, d.node, d.vmid)
	if err != nil {
		return answer{}, err
	}
	if _, err := d.check(running); err != nil {
		return answer{}, err
	}
	return answer{data: c.startTask(k, "vzdestroy", strconv.Itoa(d.vmid), d.run)}, nil
}

type destruction struct {
	c            *Cluster
	node         string
	vmid         int
	force, purge bool
}

func (d destruction) check(running bool) (*container, error) {
	ct, err := d.c.load(d.node, d.vmid)
	if err != nil {
		return nil, err
	}
	if ct.Options["protection"] == "1" {
		return nil, die("can't remove CT %d - protection mode enabled", d.vmid)
	}
	if err := ct.checkLock(); err != nil {
		return nil, err
	}
	if running && !d.force {
		return nil, die("unable to destroy CT %d - container is running", d.vmid)
	}
	return ct, nil
}

func (d destruction) run(w *worker) error {
	return w.failure(w.locked(d.vmid, func() error { return d.destroy(w) }))
}

func (d destruction) destroy(w *worker) error {
	running, err := d.c.runsOn(w.ctx, d.node, d.vmid)
	if err != nil {
		return err
	}
	ct, err := d.check(running)
	if err != nil {
		return err
	}
	if running {
		w.logf("forced to stop CT %d before destroying!", d.vmid)
		if err := d.c.runtime.Stop(w.ctx, d.vmid); err != nil {
			return err
		}
	}
	marked := ct.clone()
	marked.Options["lock"] = "destroyed"
	if err := d.c.store(marked); err != nil {
		return err
	}
	if err := w.midpoint(); err != nil {
		return err
	}
	for option, text := range ct.Options {
		if !isMount(option) {
			continue
		}
		p, err := mountParts(option, text)
		if err != nil {
			return err
		}
		path, _, err := d.c.volumeFile(d.node, p["volume"])
		if err != nil {
			continue // a bind mount is not the guest's to remove
		}
		if err := d.c.runtime.RemoveVolume(w.ctx, path); err != nil {
			return err
		}
	}
	if d.purge {
		w.logf("purging CT %d from related configurations..", d.vmid)
	}
	return d.c.erase(ct)
}

// erase removes everything the cluster knows about a guest.
func (c *Cluster) erase(ct *container) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.quorate() {
		return c.readOnly(ct)
	}
	delete(c.state.Containers, ct.VMID)
	delete(c.stats, ct.VMID)
	path := fmt.Sprintf("/vms/%d", ct.VMID)
	kept := c.state.ACL[:0]
	for _, e := range c.state.ACL {
		if e.Path != path {
			kept = append(kept, e)
		}
	}
	c.state.ACL = kept
	for _, p := range c.state.Pools {
		guests := p.Guests[:0]
		for _, vmid := range p.Guests {
			if vmid != ct.VMID {
				guests = append(guests, vmid)
			}
		}
		p.Guests = guests
	}
	c.save()
	return nil
}
