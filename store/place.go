package store

import (
	"context"

	"berth/domain"
)

// PlaceRequest asks for room on a node and for a VMID.
type PlaceRequest struct {
	Container  domain.Container
	Candidates []string                // nodes by ID, the best first
	Reasons    map[string]string       // why each of them, for people
	Limits     map[string]domain.Usage // what all placements on a node may take together, this one included; 0 = no limit
	AvoidVMIDs []int                   // found to be taken on the cluster, beyond what the observer saw
}

// Place reserves the first candidate that is there, takes containers and has room, with the lowest free VMID of its cluster's
// range. The room is checked under the cluster's lock, so requests made together never fill a node twice. A container that is
// placed keeps its place. No room anywhere is Limited, and so is a range without free VMID.
func (s *Store) Place(ctx context.Context, r PlaceRequest) (placed domain.Placement, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		placed, err = tx.PlacementOf(ctx, r.Container.ID)
		if !domain.Is(err, domain.NotFound) {
			return err
		}
		for _, nodeID := range r.Candidates {
			node, err := tx.Node(ctx, nodeID)
			if domain.Is(err, domain.NotFound) || err == nil && node.Maintenance {
				continue
			}
			if err != nil {
				return err
			}
			cluster, err := locked[clusterRow](ctx, tx, node.ClusterID, "cluster of node "+node.Name)
			if err != nil {
				return err
			}
			fits, err := tx.fits(ctx, nodeID, r)
			if err != nil {
				return err
			}
			if !fits {
				continue
			}
			vmid, err := tx.lowestVMID(ctx, cluster, r.AvoidVMIDs)
			if err != nil {
				return err
			}
			placed, err = tx.put(ctx, r.Container, node, vmid, r.Reasons[nodeID])
			return err
		}
		return domain.Errorf(domain.Limited, "no node has room for container %s now: delete a container or ask for less",
			r.Container.Name)
	})
	return placed, err
}

// PlaceAs records that a container lives on a node under a VMID already. A VMID that another container has is a Conflict, and so
// is another place of this one.
func (s *Store) PlaceAs(ctx context.Context, c domain.Container, nodeID string, vmid int, reason string) (placed domain.Placement, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		node, err := tx.Node(ctx, nodeID)
		if err != nil {
			return err
		}
		if _, err := locked[clusterRow](ctx, tx, node.ClusterID, "cluster of node "+node.Name); err != nil {
			return err
		}
		placed, err = tx.PlacementOf(ctx, c.ID)
		if err == nil && (placed.NodeID != nodeID || placed.VMID != vmid) {
			return domain.Errorf(domain.Conflict, "container %s is placed already, as %d on %s", c.Name, placed.VMID, placed.Node)
		}
		if !domain.Is(err, domain.NotFound) {
			return err
		}
		placed, err = tx.put(ctx, c, node, vmid, reason)
		return err
	})
	return placed, err
}

// MovePlacement records that a guest now lives on another node of its cluster, as after a migration by hand.
func (s *Store) MovePlacement(ctx context.Context, containerID, nodeID, reason string) error {
	return s.Transact(ctx, func(tx *Store) error {
		node, err := tx.Node(ctx, nodeID)
		if err != nil {
			return err
		}
		done := tx.q(ctx).Model(&placementRow{}).
			Where("container_id = ? AND state = ? AND cluster_id = ?", containerID, Held, node.ClusterID).
			Updates(map[string]any{"node_id": nodeID, "reason": reason})
		if done.Error == nil && done.RowsAffected == 0 {
			return domain.Errorf(domain.NotFound, "the container is not placed in the cluster of node %s", node.Name)
		}
		tx.changed(domain.TopicContainer, containerID)
		return tx.fault(done.Error, "move placement")
	})
}

func (s *Store) put(ctx context.Context, c domain.Container, node domain.Node, vmid int, reason string) (domain.Placement, error) {
	row := placementRow{
		ClusterID: node.ClusterID, VMID: vmid, ContainerID: c.ID, NodeID: node.ID, MemoryMiB: c.Spec.MemoryMiB,
		DiskGiB: c.Spec.DiskGiB, Cores: c.Spec.Cores, State: Held, Reason: reason, CreatedAt: microsOf(s.stamp()),
	}
	if err := insert(ctx, s, &row, "placement"); err != nil {
		return domain.Placement{}, err
	}
	s.changed(domain.TopicContainer, c.ID)
	return row.placement(node.Name), nil
}

func (s *Store) fits(ctx context.Context, nodeID string, r PlaceRequest) (bool, error) {
	limit, ok := r.Limits[nodeID]
	if !ok {
		return true, nil
	}
	used, err := s.Reserved(ctx, nodeID)
	within := func(used, more, limit int) bool { return limit == 0 || used+more <= limit }
	return within(used.Containers, 1, limit.Containers) && within(used.Cores, r.Container.Spec.Cores, limit.Cores) &&
		within(used.MemoryMiB, r.Container.Spec.MemoryMiB, limit.MemoryMiB) &&
		within(used.DiskGiB, r.Container.Spec.DiskGiB, limit.DiskGiB), err
}

func (s *Store) lowestVMID(ctx context.Context, cluster clusterRow, avoid []int) (int, error) {
	used, err := s.placedVMIDs(ctx, cluster.ID)
	if err != nil {
		return 0, err
	}
	foreign, err := s.foreignVMIDs(ctx, cluster.ID)
	if err != nil {
		return 0, err
	}
	taken := make(map[int]bool, len(used)+len(foreign)+len(avoid))
	for _, list := range [][]int{used, foreign, avoid} {
		for _, vmid := range list {
			taken[vmid] = true
		}
	}
	for vmid := cluster.VMIDFirst; vmid <= cluster.VMIDLast; vmid++ {
		if !taken[vmid] {
			return vmid, nil
		}
	}
	return 0, domain.Errorf(domain.Limited, "cluster %s has no free VMID left between %d and %d: widen the range",
		cluster.Name, cluster.VMIDFirst, cluster.VMIDLast)
}
