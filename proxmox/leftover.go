package proxmox

import (
	"context"
	"fmt"

	"berth/domain"
)

// Leftover says in words what of a container is left in the cluster under a VMID: a CT with its marker, or one whose create or
// destroy died and left its lock, which has no marker yet or any more. It is empty when nothing is left, also when the VMID is
// somebody else's. node is where the CT was last and may be empty. When a node that has the CT cannot be asked, that is the
// error.
func (c *Client) Leftover(ctx context.Context, node string, vmid int, containerID string) (string, error) {
	var expected []string
	if node != "" {
		expected = append(expected, node)
	}
	at, kind, found, err := c.Locate(ctx, vmid, expected...)
	if err != nil || !found || kind != "lxc" {
		return "", err
	}
	ct, err := c.Config(ctx, at, vmid)
	switch {
	case domain.Is(err, domain.NotFound):
		return "", nil
	case err != nil:
		return "", err
	case ct.Lock == "create" || ct.Lock == "destroyed":
		return fmt.Sprintf("CT %d on node %s has the lock %s", vmid, at, ct.Lock), nil
	case HasMarker(ct, containerID):
		return fmt.Sprintf("CT %d on node %s still is that of container %s", vmid, at, containerID), nil
	}
	return "", nil
}
