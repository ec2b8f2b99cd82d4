package pve

import (
	"context"
	"time"
)

// SetNodeOnline takes a node off the cluster or brings it back. A node that goes away loses its running guests and
// workers, as by a power failure; one that comes back starts the guests with onboot=1.
func (c *Cluster) SetNodeOnline(ctx context.Context, node string, online bool) error {
	if c.nodeNamed(node) == nil {
		return die("no such cluster node '%s'", node)
	}
	c.mu.Lock()
	_, wasAway := c.away[node]
	if online {
		delete(c.away, node)
	} else if !wasAway {
		c.away[node] = c.now()
	}
	guests := c.guestsOf(node)
	c.mu.Unlock()
	switch {
	case online && wasAway:
		c.bootNode(node)
	case !online && !wasAway:
		c.killWorkers(node)
		for _, vmid := range guests {
			if err := c.runtime.Stop(ctx, vmid); err != nil {
				return err
			}
		}
	}
	return nil
}

// SetQuorum makes the cluster lose or keep quorum whatever nodes are there; nil lets their majority decide again.
func (c *Cluster) SetQuorum(quorate *bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.quorum = quorate
}

// guestsOf lists the VMIDs of a node. c.mu is held.
func (c *Cluster) guestsOf(node string) []int {
	var out []int
	for vmid, ct := range c.state.Containers {
		if ct.Node == node {
			out = append(out, vmid)
		}
	}
	return out
}

func (c *Cluster) isOnline(node string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, away := c.away[node]
	return !away
}

// seenOnline tells what the rest of the cluster believes, which lags. c.mu is held.
func (c *Cluster) seenOnline(node string) bool {
	since, away := c.away[node]
	return !away || c.now().Sub(since) < c.timings.NodeLag
}

// quorate tells whether the cluster may write its configuration. c.mu is held.
func (c *Cluster) quorate() bool {
	if c.quorum != nil {
		return *c.quorum
	}
	return 2*(len(c.nodes)-len(c.away)) > len(c.nodes)
}

// needQuorum refuses what Proxmox refuses at once without quorum.
func (c *Cluster) needQuorum() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.quorate() {
		return die("cluster not ready - no quorum?")
	}
	return nil
}

// userConfigLock refuses writes of user.cfg without quorum, after the time that taking its lock takes.
func (c *Cluster) userConfigLock(ctx context.Context, doing string) error {
	c.mu.Lock()
	quorate := c.quorate()
	c.mu.Unlock()
	if quorate {
		return nil
	}
	wait(ctx, c.timings.QuorumWait)
	return die("%s: cfs-lock 'file-user_cfg' error: no quorum!", doing)
}

// uptime is how long the nodes have been running.
func (c *Cluster) uptime() int64 { return int64(c.now().Sub(c.started)/time.Second) + 1 }
