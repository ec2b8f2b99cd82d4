package store

import (
	"context"

	"berth/domain"
)

type nodeRow struct {
	ID              string
	Name            string
	ClusterID       string
	SiteID          string
	Address         string
	TemplateStorage string
	RootStorage     string
	Bridge          string
	State           domain.NodeState
	Message         string
	Cores           int
	MemoryTotal     int64
	MemoryFree      int64
	DiskTotal       int64
	DiskFree        int64
	CPU             float64 `gorm:"column:cpu"`
	Slots           int
	Maintenance     bool
	SeenAt          micros
	CreatedAt       micros
	Version         int64
}

// TableName is GORM's way to name the table.
func (nodeRow) TableName() string { return "nodes" }

func nodeRowOf(n domain.Node) nodeRow {
	return nodeRow{
		ID: n.ID, Name: n.Name, ClusterID: n.ClusterID, SiteID: n.SiteID, Address: n.Address,
		TemplateStorage: n.TemplateStorage, RootStorage: n.RootStorage, Bridge: n.Bridge, State: n.State, Message: n.Message,
		Cores: n.Cores, MemoryTotal: n.MemoryTotal, MemoryFree: n.MemoryFree, DiskTotal: n.DiskTotal, DiskFree: n.DiskFree,
		CPU: n.CPU, Slots: n.Slots, Maintenance: n.Maintenance,
		SeenAt: microsOf(n.SeenAt), CreatedAt: microsOf(n.CreatedAt), Version: n.Version,
	}
}

func (r nodeRow) node() domain.Node {
	return domain.Node{
		ID: r.ID, Name: r.Name, ClusterID: r.ClusterID, SiteID: r.SiteID, Address: r.Address,
		TemplateStorage: r.TemplateStorage, RootStorage: r.RootStorage, Bridge: r.Bridge, State: r.State, Message: r.Message,
		Cores: r.Cores, MemoryTotal: r.MemoryTotal, MemoryFree: r.MemoryFree, DiskTotal: r.DiskTotal, DiskFree: r.DiskFree,
		CPU: r.CPU, Slots: r.Slots, Maintenance: r.Maintenance,
		SeenAt: r.SeenAt.time(), CreatedAt: r.CreatedAt.time(), Version: r.Version,
	}
}

func nodes(rows []nodeRow) []domain.Node {
	list := make([]domain.Node, len(rows))
	for i, r := range rows {
		list[i] = r.node()
	}
	return list
}

// CreateNode stores a new node. It fills ID, CreatedAt, Version, and what has a default. An address that a container holds, or
// another node or an edge has, is a Conflict.
func (s *Store) CreateNode(ctx context.Context, n *domain.Node) error {
	s.born(&n.ID, &n.CreatedAt, &n.Version)
	if n.State == "" {
		n.State = domain.NodeUnknown
	}
	if n.Slots == 0 {
		n.Slots = domain.DefaultSlots
	}
	return s.Transact(ctx, func(tx *Store) error {
		row := nodeRowOf(*n)
		if n.Address != "" {
			if err := tx.claim(ctx, n.SiteID, n.ID, n.Name, n.Address); err != nil {
				return err
			}
		}
		if err := insert(ctx, tx, &row, "node "+n.Name); err != nil {
			return err
		}
		tx.changed(domain.TopicNode, n.ID)
		return nil
	})
}

// claim raises the revision of a site for a new name or address of one of its nodes or edges, and refuses what others have. The
// site stays locked, so that no container gets the address meanwhile. A node without address is not named in DNS.
func (s *Store) claim(ctx context.Context, siteID, ownerID, name, address string) error {
	if _, err := s.BumpSite(ctx, siteID); err != nil {
		return err
	}
	held, err := count[reservationRow](s, s.q(ctx).Where("site_id = ? AND hostname = ?", siteID, name), "reservations")
	if err != nil {
		return err
	}
	if held > 0 {
		return refuse("name", "the name "+name+" is taken by a container of this site")
	}
	if address == "" {
		return nil
	}
	taken, err := s.takenAddresses(ctx, siteID)
	if err != nil {
		return err
	}
	if by, ok := taken[address]; ok && by.id != ownerID && by.id != siteID {
		return refuse("address", "the address "+address+" is taken by "+by.what)
	}
	return nil
}

// refuse makes the Conflict over something that another one has.
func refuse(field, message string) error {
	return &domain.Error{
		Kind:    domain.Conflict,
		Message: message,
		Fields:  []domain.FieldError{{Field: field, Rule: "must be unique in the site"}},
	}
}

// Node returns a node by ID.
func (s *Store) Node(ctx context.Context, id string) (domain.Node, error) {
	row, err := one[nodeRow](s, s.q(ctx).Where("id = ?", id), "node "+id)
	return row.node(), err
}

// NodeByName returns a node by name, of one site or, with an empty siteID, of any. Several matches are a Conflict.
func (s *Store) NodeByName(ctx context.Context, siteID, name string) (domain.Node, error) {
	q := s.q(ctx).Where("name = ?", name)
	if siteID != "" {
		q = q.Where("site_id = ?", siteID)
	}
	rows, _, err := paged(s, q, Page{}, "id", oldestFirst, func(r nodeRow) string { return r.ID }, "nodes")
	if err != nil {
		return domain.Node{}, err
	}
	sites := make([]string, len(rows))
	for i, r := range rows {
		sites[i] = r.SiteID
	}
	if err := s.unambiguous(ctx, "node", name, sites); err != nil {
		return domain.Node{}, err
	}
	return rows[0].node(), nil
}

// NodeFilter picks nodes; what is empty does not count.
type NodeFilter struct {
	SiteID    string
	ClusterID string
}

// Nodes lists nodes.
func (s *Store) Nodes(ctx context.Context, f NodeFilter, p Page) ([]domain.Node, string, error) {
	q := s.q(ctx)
	if f.SiteID != "" {
		q = q.Where("site_id = ?", f.SiteID)
	}
	if f.ClusterID != "" {
		q = q.Where("cluster_id = ?", f.ClusterID)
	}
	rows, next, err := paged(s, q, p, "id", oldestFirst, func(r nodeRow) string { return r.ID }, "nodes")
	return nodes(rows), next, err
}

// UpdateNode replaces a node if its version is still n.Version; what the observer saw stays as it is. A change of name or
// address raises the site's revision. A node stays in its cluster and site.
func (s *Store) UpdateNode(ctx context.Context, n *domain.Node) error {
	return s.Transact(ctx, func(tx *Store) error {
		old, err := locked[nodeRow](ctx, tx, n.ID, "node "+n.Name)
		if err != nil {
			return err
		}
		if old.ClusterID != n.ClusterID || old.SiteID != n.SiteID {
			return domain.Errorf(domain.Conflict, "node %s cannot move to another cluster or site", old.Name)
		}
		next := *n
		next.Version++
		row := nodeRowOf(next)
		err = replace(ctx, tx, &row, n.ID, n.Version, "node "+n.Name,
			"state", "message", "cores", "memory_total", "memory_free", "disk_total", "disk_free", "cpu", "seen_at")
		if err != nil {
			return err
		}
		if old.Address != n.Address || old.Name != n.Name && n.Address != "" {
			if err := tx.claim(ctx, old.SiteID, n.ID, n.Name, n.Address); err != nil {
				return err
			}
		}
		tx.changed(domain.TopicNode, n.ID)
		*n, err = tx.Node(ctx, n.ID)
		return err
	})
}

// NodeObservation is what the observer saw of a node. Numbers of a node that is not online are ignored.
type NodeObservation struct {
	State       domain.NodeState
	Message     string
	Cores       int
	MemoryTotal int64 // bytes
	MemoryFree  int64 // bytes
	DiskTotal   int64 // bytes of the root storage
	DiskFree    int64 // bytes of the root storage
	CPU         float64
}

// ObserveNode records what the observer saw. It leaves the version alone, which guards what people change.
func (s *Store) ObserveNode(ctx context.Context, id string, o NodeObservation) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := locked[nodeRow](ctx, tx, id, "node "+id)
		if err != nil {
			return err
		}
		columns := map[string]any{"state": o.State, "message": o.Message}
		if o.State == domain.NodeOnline {
			columns["cores"], columns["cpu"] = o.Cores, o.CPU
			columns["memory_total"], columns["memory_free"] = o.MemoryTotal, o.MemoryFree
			columns["disk_total"], columns["disk_free"] = o.DiskTotal, o.DiskFree
			columns["seen_at"] = microsOf(tx.stamp())
		}
		if row.State != o.State || row.Message != o.Message {
			tx.changed(domain.TopicNode, id)
		}
		return set[nodeRow](ctx, tx, id, "node "+row.Name, columns)
	})
}

// DeleteNode deletes a node on which nothing is placed. Quarantined placements do not count: their VMIDs stay quarantined.
func (s *Store) DeleteNode(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := locked[nodeRow](ctx, tx, id, "node "+id)
		if err != nil {
			return err
		}
		placed, err := count[placementRow](tx, tx.q(ctx).Where("node_id = ? AND state = ?", id, Held), "placements")
		if err != nil {
			return err
		}
		if placed > 0 {
			return domain.Errorf(domain.Conflict, "node %s still holds %d containers: delete them first", row.Name, placed)
		}
		for _, leases := range []any{&slotRow{}, &breakerRow{}, &nodeImageRow{}} {
			if err := tx.q(ctx).Where("node_id = ?", id).Delete(leases).Error; err != nil {
				return tx.fault(err, "delete node "+row.Name)
			}
		}
		if row.Address != "" {
			if _, err := tx.BumpSite(ctx, row.SiteID); err != nil {
				return err
			}
		}
		tx.changed(domain.TopicNode, id)
		return remove[nodeRow](ctx, tx, id, "node "+row.Name)
	})
}
