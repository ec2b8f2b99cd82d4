package store

import (
	"context"
	"time"

	"berth/domain"
)

type clusterRow struct {
	ID          string
	Name        string
	Endpoints   []string `gorm:"serializer:json"`
	TokenID     string
	TokenSealed string
	CA          string `gorm:"column:ca"`
	Insecure    bool
	VMIDFirst   int `gorm:"column:vmid_first"`
	VMIDLast    int `gorm:"column:vmid_last"`
	Realm       string
	State       domain.ClusterState
	Message     string
	PVE         string `gorm:"column:pve"`
	Quorate     bool
	SeenAt      micros
	CreatedAt   micros
	Version     int64
}

// TableName is GORM's way to name the table.
func (clusterRow) TableName() string { return "clusters" }

func (s *Store) clusterRow(c domain.Cluster) (clusterRow, error) {
	sealed, err := s.seal(clusterToken, c.ID, []byte(c.Token.Reveal()))
	return clusterRow{
		ID: c.ID, Name: c.Name, Endpoints: c.Endpoints, TokenID: c.TokenID, TokenSealed: sealed, CA: c.CA, Insecure: c.Insecure,
		VMIDFirst: c.VMIDFirst, VMIDLast: c.VMIDLast, Realm: c.Realm, State: c.State, Message: c.Message, PVE: c.PVE,
		Quorate: c.Quorate, SeenAt: microsOf(c.SeenAt), CreatedAt: microsOf(c.CreatedAt), Version: c.Version,
	}, err
}

func (s *Store) cluster(r clusterRow) (domain.Cluster, error) {
	token, err := s.unseal(clusterToken, r.ID, r.TokenSealed)
	return domain.Cluster{
		ID: r.ID, Name: r.Name, Endpoints: r.Endpoints, TokenID: r.TokenID, Token: domain.Secret(token), CA: r.CA,
		Insecure: r.Insecure, VMIDFirst: r.VMIDFirst, VMIDLast: r.VMIDLast, Realm: r.Realm, State: r.State, Message: r.Message,
		PVE: r.PVE, Quorate: r.Quorate, SeenAt: r.SeenAt.time(), CreatedAt: r.CreatedAt.time(), Version: r.Version,
	}, err
}

// CreateCluster stores a new cluster. It fills ID, CreatedAt, Version, and what has a default.
func (s *Store) CreateCluster(ctx context.Context, c *domain.Cluster) error {
	s.born(&c.ID, &c.CreatedAt, &c.Version)
	if c.State == "" {
		c.State = domain.ClusterUnchecked
	}
	if c.VMIDFirst == 0 && c.VMIDLast == 0 {
		c.VMIDFirst, c.VMIDLast = domain.DefaultVMIDFirst, domain.DefaultVMIDLast
	}
	return s.Transact(ctx, func(tx *Store) error {
		row, err := tx.clusterRow(*c)
		if err != nil {
			return err
		}
		if err := insert(ctx, tx, &row, "cluster "+c.Name); err != nil {
			return err
		}
		tx.changed(domain.TopicCluster, c.ID)
		return nil
	})
}

// born fills what every new row has.
func (s *Store) born(id *string, created *time.Time, version *int64) {
	if *id == "" {
		*id = domain.NewID()
	}
	if created.IsZero() {
		*created = s.stamp()
	}
	*version = 1
}

// Cluster returns a cluster by ID, with its token's secret.
func (s *Store) Cluster(ctx context.Context, id string) (domain.Cluster, error) {
	row, err := one[clusterRow](s, s.q(ctx).Where("id = ?", id), "cluster "+id)
	if err != nil {
		return domain.Cluster{}, err
	}
	return s.cluster(row)
}

// ClusterByName returns a cluster by name, with its token's secret.
func (s *Store) ClusterByName(ctx context.Context, name string) (domain.Cluster, error) {
	row, err := one[clusterRow](s, s.q(ctx).Where("name = ?", name), "cluster "+name)
	if err != nil {
		return domain.Cluster{}, err
	}
	return s.cluster(row)
}

// Clusters lists clusters, with their tokens' secrets.
func (s *Store) Clusters(ctx context.Context, p Page) ([]domain.Cluster, string, error) {
	rows, next, err := paged(s, s.q(ctx), p, "id", oldestFirst, func(r clusterRow) string { return r.ID }, "clusters")
	if err != nil {
		return nil, "", err
	}
	list := make([]domain.Cluster, len(rows))
	for i, r := range rows {
		if list[i], err = s.cluster(r); err != nil {
			return nil, "", err
		}
	}
	return list, next, nil
}

// UpdateCluster replaces a cluster, secret included, if its version is still c.Version.
func (s *Store) UpdateCluster(ctx context.Context, c *domain.Cluster) error {
	return s.Transact(ctx, func(tx *Store) error {
		next := *c
		next.Version++
		row, err := tx.clusterRow(next)
		if err != nil {
			return err
		}
		if err := replace(ctx, tx, &row, c.ID, c.Version, "cluster "+c.Name); err != nil {
			return err
		}
		tx.changed(domain.TopicCluster, c.ID)
		*c = next
		return nil
	})
}

// ClusterObservation is what the observer saw of a cluster.
type ClusterObservation struct {
	State   domain.ClusterState
	Message string
	PVE     string // version; empty leaves the last known one
	Quorate bool
	Seen    bool // an endpoint answered
}

// ObserveCluster records what the observer saw. It leaves the version alone, which guards what people change.
func (s *Store) ObserveCluster(ctx context.Context, id string, o ClusterObservation) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := locked[clusterRow](ctx, tx, id, "cluster "+id)
		if err != nil {
			return err
		}
		columns := map[string]any{"state": o.State, "message": o.Message, "quorate": o.Quorate}
		if o.PVE != "" {
			columns["pve"] = o.PVE
		}
		if o.Seen {
			columns["seen_at"] = microsOf(tx.stamp())
		}
		if err := set[clusterRow](ctx, tx, id, "cluster "+row.Name, columns); err != nil {
			return err
		}
		if row.State != o.State || row.Message != o.Message || row.Quorate != o.Quorate || o.PVE != "" && row.PVE != o.PVE {
			tx.changed(domain.TopicCluster, id)
		}
		return nil
	})
}

// DeleteCluster deletes a cluster that has no nodes.
func (s *Store) DeleteCluster(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := locked[clusterRow](ctx, tx, id, "cluster "+id)
		if err != nil {
			return err
		}
		nodes, err := count[nodeRow](tx, tx.q(ctx).Where("cluster_id = ?", id), "nodes")
		if err != nil {
			return err
		}
		if nodes > 0 {
			return domain.Errorf(domain.Conflict, "cluster %s has %d nodes: delete them first", row.Name, nodes)
		}
		if err := tx.fault(tx.q(ctx).Where("cluster_id = ?", id).Delete(&placementRow{}).Error, "delete placements"); err != nil {
			return err
		}
		if err := tx.forgetVMIDs(ctx, id); err != nil {
			return err
		}
		tx.changed(domain.TopicCluster, id)
		return remove[clusterRow](ctx, tx, id, "cluster "+row.Name)
	})
}
