package store

import (
	"context"
	"time"

	"berth/domain"
)

type placementRow struct {
	ClusterID   string
	VMID        int `gorm:"column:vmid"`
	ContainerID string
	NodeID      string
	MemoryMiB   int `gorm:"column:memory_mib"`
	DiskGiB     int `gorm:"column:disk_gib"`
	Cores       int
	State       HoldState
	Reason      string
	CreatedAt   micros
}

// TableName is GORM's way to name the table.
func (placementRow) TableName() string { return "placements" }

// Placed is a VMID and node that a container holds, or that nobody may have.
type Placed struct {
	domain.Placement
	ContainerID string
	State       HoldState
	Spec        domain.Usage // what it takes of the node
	CreatedAt   time.Time
}

// PlacementOf returns where a container is placed, NotFound when nowhere.
func (s *Store) PlacementOf(ctx context.Context, containerID string) (domain.Placement, error) {
	row, err := one[placementRow](s, s.q(ctx).Where("container_id = ? AND state = ?", containerID, Held), "placement of the container")
	if err != nil {
		return domain.Placement{}, err
	}
	node, err := s.Node(ctx, row.NodeID)
	return row.placement(node.Name), err
}

func (r placementRow) placement(node string) domain.Placement {
	return domain.Placement{ClusterID: r.ClusterID, NodeID: r.NodeID, Node: node, VMID: r.VMID, Reason: r.Reason}
}

// Unplace frees the VMID and the room of a container. A container without placement is no error.
func (s *Store) Unplace(ctx context.Context, containerID string) error {
	return s.Transact(ctx, func(tx *Store) error {
		done := tx.q(ctx).Where("container_id = ? AND state = ?", containerID, Held).Delete(&placementRow{})
		if done.RowsAffected > 0 {
			tx.changed(domain.TopicContainer, containerID)
		}
		return tx.fault(done.Error, "free placement")
	})
}

// PlacementFilter picks placements; what is empty does not count.
type PlacementFilter struct {
	ClusterID string
	NodeID    string
}

// Placements lists placements, quarantined ones included, by cluster and VMID.
func (s *Store) Placements(ctx context.Context, f PlacementFilter) ([]Placed, error) {
	q := s.q(ctx).Table("placements").Select("placements.*, COALESCE(n.name, '') AS node").
		Joins("LEFT JOIN nodes n ON n.id = placements.node_id").Order("placements.cluster_id, placements.vmid")
	if f.ClusterID != "" {
		q = q.Where("placements.cluster_id = ?", f.ClusterID)
	}
	if f.NodeID != "" {
		q = q.Where("placements.node_id = ?", f.NodeID)
	}
	var rows []struct {
		Row  placementRow `gorm:"embedded"`
		Node string
	}
	if err := q.Find(&rows).Error; err != nil {
		return nil, s.fault(err, "list placements")
	}
	list := make([]Placed, len(rows))
	for i, v := range rows {
		r := v.Row
		list[i] = Placed{
			Placement: r.placement(v.Node), ContainerID: r.ContainerID, State: r.State, CreatedAt: r.CreatedAt.time(),
			Spec: domain.Usage{Containers: 1, Cores: r.Cores, MemoryMiB: r.MemoryMiB, DiskGiB: r.DiskGiB},
		}
	}
	return list, nil
}

// Reserved returns what all placements on a node take together, quarantined ones included.
func (s *Store) Reserved(ctx context.Context, nodeID string) (domain.Usage, error) {
	var u domain.Usage
	err := s.q(ctx).Model(&placementRow{}).Where("node_id = ?", nodeID).
		Select("COUNT(*), COALESCE(SUM(cores), 0), COALESCE(SUM(memory_mib), 0), COALESCE(SUM(disk_gib), 0)").
		Row().Scan(&u.Containers, &u.Cores, &u.MemoryMiB, &u.DiskGiB)
	return u, s.fault(err, "sum placements")
}

// NodesWithImage returns the IDs of the nodes of a site on which a container was made from an image, given by its reference.
func (s *Store) NodesWithImage(ctx context.Context, siteID, image string) (nodes []string, err error) {
	err = s.q(ctx).Model(&placementRow{}).Distinct("placements.node_id").
		Joins("JOIN containers c ON c.id = placements.container_id").
		Where("placements.state = ? AND c.site_id = ? AND c.image = ? AND c.digest <> ''", Held, siteID, image).
		Pluck("placements.node_id", &nodes).Error
	return nodes, s.fault(err, "list nodes with image")
}

// resizePlacement makes the room that a container takes follow its specification.
func (s *Store) resizePlacement(ctx context.Context, c containerRow) error {
	done := s.q(ctx).Model(&placementRow{}).Where("container_id = ? AND state = ?", c.ID, Held).
		Updates(map[string]any{"memory_mib": c.MemoryMiB, "disk_gib": c.DiskGiB, "cores": c.Cores})
	return s.fault(done.Error, "resize placement")
}
