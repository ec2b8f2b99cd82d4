package store

import (
	"context"
	"slices"
	"strings"

	"berth/domain"

	"gorm.io/gorm"
)

type containerRow struct {
	ID           string
	Name         string
	SiteID       string
	Owner        string
	Image        string
	Cores        int
	MemoryMiB    int `gorm:"column:memory_mib"`
	SwapMiB      int `gorm:"column:swap_mib"`
	DiskGiB      int `gorm:"column:disk_gib"`
	EnvSealed    string
	Entrypoint   string
	WantedNodeID string
	State        domain.ContainerState
	Power        domain.Power
	WantPower    domain.Power
	Message      string
	Unmanaged    bool
	Digest       string
	OperationID  string
	CreatedAt    micros
	ReadyAt      micros
	Version      int64
}

// TableName is GORM's way to name the table.
func (containerRow) TableName() string { return "containers" }

// containerView is a container with what it holds, which has tables of its own.
type containerView struct {
	Row          containerRow `gorm:"embedded"`
	PlacedOn     string       // cluster
	PlacedNodeID string
	PlacedNode   string
	PlacedVMID   int `gorm:"column:placed_vmid"`
	PlacedReason string
	HeldAddress  string
	HeldMAC      string `gorm:"column:held_mac"`
}

func (s *Store) containerRow(c domain.Container) (containerRow, error) {
	env, err := s.sealEnv(c.ID, c.Spec.Env)
	return containerRow{
		ID: c.ID, Name: c.Name, SiteID: c.SiteID, Owner: c.Owner, Image: c.Spec.Image, Cores: c.Spec.Cores,
		MemoryMiB: c.Spec.MemoryMiB, SwapMiB: c.Spec.SwapMiB, DiskGiB: c.Spec.DiskGiB, EnvSealed: env,
		Entrypoint: c.Spec.Entrypoint, WantedNodeID: c.Spec.NodeID, State: c.State, Power: c.Power, WantPower: c.WantPower,
		Message: c.Message, Unmanaged: c.Unmanaged, Digest: c.Digest, OperationID: c.Operation,
		CreatedAt: microsOf(c.CreatedAt), ReadyAt: microsOf(c.ReadyAt), Version: c.Version,
	}, err
}

func (s *Store) container(v containerView) (domain.Container, error) {
	r := v.Row
	env, err := s.unsealEnv(r.ID, r.EnvSealed)
	return domain.Container{
		ID: r.ID, Name: r.Name, SiteID: r.SiteID, Owner: r.Owner,
		Spec: domain.Spec{
			Image: r.Image, Cores: r.Cores, MemoryMiB: r.MemoryMiB, SwapMiB: r.SwapMiB, DiskGiB: r.DiskGiB, Env: env,
			Entrypoint: r.Entrypoint, NodeID: r.WantedNodeID,
		},
		State: r.State, Power: r.Power, WantPower: r.WantPower, Message: r.Message,
		Placement: domain.Placement{
			ClusterID: v.PlacedOn, NodeID: v.PlacedNodeID, Node: v.PlacedNode, VMID: v.PlacedVMID, Reason: v.PlacedReason,
		},
		Address: v.HeldAddress, MAC: v.HeldMAC, Unmanaged: r.Unmanaged, Digest: r.Digest, Operation: r.OperationID,
		CreatedAt: r.CreatedAt.time(), ReadyAt: r.ReadyAt.time(), Version: r.Version,
	}, err
}

// containerViews starts a query for containers with what they hold. No container holds two of a kind, so each is found once.
func (s *Store) containerViews(ctx context.Context) *gorm.DB {
	return s.q(ctx).Table("containers").
		Select("containers.*, COALESCE(p.cluster_id, '') AS placed_on, COALESCE(p.node_id, '') AS placed_node_id,"+
			" COALESCE(n.name, '') AS placed_node, COALESCE(p.vmid, 0) AS placed_vmid, COALESCE(p.reason, '') AS placed_reason,"+
			" COALESCE(r.address, '') AS held_address, COALESCE(r.mac, '') AS held_mac").
		Joins("LEFT JOIN placements p ON p.container_id = containers.id AND p.state = ?", Held).
		Joins("LEFT JOIN nodes n ON n.id = p.node_id").
		Joins("LEFT JOIN reservations r ON r.container_id = containers.id AND r.state = ?", Held)
}

// CreateContainer stores a new container. It fills ID, CreatedAt, Version, and what has a default. Address, MAC and Placement are
// not stored by it: Reserve and Place do that.
func (s *Store) CreateContainer(ctx context.Context, c *domain.Container) error {
	s.born(&c.ID, &c.CreatedAt, &c.Version)
	if c.State == "" {
		c.State = domain.ContainerProvisioning
	}
	if c.Power == "" {
		c.Power = domain.PowerUnknown
	}
	if c.WantPower == "" {
		c.WantPower = domain.PowerRunning
	}
	return s.Transact(ctx, func(tx *Store) error {
		row, err := tx.containerRow(*c)
		if err != nil {
			return err
		}
		if err := insert(ctx, tx, &row, "container "+c.Name); err != nil {
			return err
		}
		tx.changed(domain.TopicContainer, c.ID)
		return nil
	})
}

// Container returns a container by ID, with its environment.
func (s *Store) Container(ctx context.Context, id string) (domain.Container, error) {
	view, err := one[containerView](s, s.containerViews(ctx).Where("containers.id = ?", id), "container "+id)
	if err != nil {
		return domain.Container{}, err
	}
	return s.container(view)
}

// ContainerByName returns a container by name, of one site or, with an empty siteID, of any. Several matches are a Conflict that
// lists them. A failed or vanished container may share its name with a later one: the one that holds the name wins.
func (s *Store) ContainerByName(ctx context.Context, siteID, name string) (domain.Container, error) {
	q := s.containerViews(ctx).Where("containers.name = ?", name)
	if siteID != "" {
		q = q.Where("containers.site_id = ?", siteID)
	}
	var views []containerView
	// Sorted here: asked for an order, SQLite walks all containers of the site by ID instead of using the index on names.
	if err := q.Find(&views).Error; err != nil {
		return domain.Container{}, s.fault(err, "container "+name)
	}
	slices.SortFunc(views, func(a, b containerView) int { return strings.Compare(b.Row.ID, a.Row.ID) })
	best := map[string]containerView{} // by site: the holder of the name, else the newest
	var sites []string
	for _, v := range views {
		have, ok := best[v.Row.SiteID]
		if !ok {
			sites = append(sites, v.Row.SiteID)
		}
		if !ok || have.HeldAddress == "" && v.HeldAddress != "" {
			best[v.Row.SiteID] = v
		}
	}
	if err := s.unambiguous(ctx, "container", name, sites); err != nil {
		return domain.Container{}, err
	}
	return s.container(best[sites[0]])
}

// UpdateContainer replaces a container, environment included, if its version is still c.Version. Address, MAC and Placement are
// not changed by it. Never give it a container from a list, whose environment lacks the values.
func (s *Store) UpdateContainer(ctx context.Context, c *domain.Container) error {
	return s.Transact(ctx, func(tx *Store) error {
		next := *c
		next.Version++
		row, err := tx.containerRow(next)
		if err != nil {
			return err
		}
		if err := replace(ctx, tx, &row, c.ID, c.Version, "container "+c.Name); err != nil {
			return err
		}
		if err := tx.resizePlacement(ctx, row); err != nil {
			return err
		}
		tx.changed(domain.TopicContainer, c.ID)
		*c = next
		return nil
	})
}

// ModifyContainer reads a container under its row's lock, lets change edit it, and writes it back. It is the way for activities,
// which do not hold a version. When change fails nothing is written.
func (s *Store) ModifyContainer(ctx context.Context, id string, change func(*domain.Container) error) error {
	return s.Transact(ctx, func(tx *Store) error {
		if _, err := locked[containerRow](ctx, tx, id, "container "+id); err != nil {
			return err
		}
		c, err := tx.Container(ctx, id)
		if err != nil {
			return err
		}
		version := c.Version
		if err := change(&c); err != nil {
			return err
		}
		c.ID, c.Version = id, version
		return tx.UpdateContainer(ctx, &c)
	})
}

// ObservePower records whether a container runs. It leaves the version alone, which guards what people change.
func (s *Store) ObservePower(ctx context.Context, id string, power domain.Power) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := locked[containerRow](ctx, tx, id, "container "+id)
		if err != nil || row.Power == power {
			return err
		}
		tx.changed(domain.TopicContainer, id)
		return set[containerRow](ctx, tx, id, "container "+row.Name, map[string]any{"power": power})
	})
}

// DeleteContainer deletes a container's row. What it still holds must be released before, or be quarantined.
func (s *Store) DeleteContainer(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		c, err := locked[containerRow](ctx, tx, id, "container "+id)
		if err != nil {
			return err
		}
		for _, held := range []any{&reservationRow{}, &placementRow{}, &serviceRow{}} {
			var n int64
			if err := tx.q(ctx).Model(held).Where("container_id = ? AND state = ?", id, Held).Count(&n).Error; err != nil {
				return tx.fault(err, "delete container "+c.Name)
			}
			if n > 0 {
				return domain.Errorf(domain.Conflict, "container %s still holds an address, a VMID or a service", c.Name)
			}
		}
		// What edges may still serve stays until they have let go of it.
		if err := tx.q(ctx).Where("container_id = ? AND state <> ?", id, Releasing).Delete(&serviceRow{}).Error; err != nil {
			return tx.fault(err, "delete services of container "+c.Name)
		}
		if err := tx.dropClaims(ctx, id); err != nil {
			return err
		}
		tx.changed(domain.TopicContainer, id)
		return remove[containerRow](ctx, tx, id, "container "+c.Name)
	})
}
