package store

import (
	"cmp"
	"context"
	"slices"

	"berth/domain"
)

// Quarantines lists what is quarantined, oldest first.
func (s *Store) Quarantines(ctx context.Context) ([]domain.Quarantine, error) {
	return s.quarantines(ctx, "", "")
}

// QuarantinesOf lists what of a container is quarantined, oldest first.
func (s *Store) QuarantinesOf(ctx context.Context, containerID string) ([]domain.Quarantine, error) {
	return s.quarantines(ctx, "h.container_id", containerID)
}

// Quarantine returns what one operation left behind.
func (s *Store) Quarantine(ctx context.Context, id string) (domain.Quarantine, error) {
	found, err := s.quarantines(ctx, "h.quarantine_id", id)
	if err == nil && len(found) == 0 {
		err = domain.Errorf(domain.NotFound, "quarantine %s: not found", id)
	}
	if err != nil {
		return domain.Quarantine{}, err
	}
	return found[0], nil
}

// quarantinedRow is a quarantined row of placements or reservations, with the names that belong to it.
type quarantinedRow struct {
	QuarantineID  string
	QuarantinedAt micros
	ContainerID   string
	Container     string
	Kind          domain.OperationKind
	Reason        string
	SiteID        string
	Address       string
	ClusterID     string
	NodeID        string
	Node          string
	VMID          int `gorm:"column:vmid"`
}

func (s *Store) quarantines(ctx context.Context, column, value string) ([]domain.Quarantine, error) {
	var all []quarantinedRow
	err := s.view(ctx, func(tx *Store) error {
		all = nil
		for _, part := range []struct{ table, columns, join string }{
			{"placements", "h.cluster_id, h.node_id, h.vmid, COALESCE(n.name, '') AS node", "LEFT JOIN nodes n ON n.id = h.node_id"},
			{"reservations", "h.site_id, h.address", ""},
		} {
			q := tx.q(ctx).Table(part.table+" h").
				Select("h.quarantine_id, h.quarantined_at, h.container_id, h.reason, "+part.columns+
					", COALESCE(c.name, o.resource_name, '') AS container, COALESCE(o.kind, '') AS kind").
				Joins("LEFT JOIN operations o ON o.id = h.quarantine_id").
				Joins("LEFT JOIN containers c ON c.id = h.container_id").
				Where("h.state = ?", Quarantined)
			if part.join != "" {
				q = q.Joins(part.join)
			}
			if column != "" {
				q = q.Where(column+" = ?", value)
			}
			var rows []quarantinedRow
			if err := q.Find(&rows).Error; err != nil {
				return tx.fault(err, "list quarantine")
			}
			all = append(all, rows...)
		}
		return nil
	})
	return gathered(all), err
}

// gathered makes one thing to look at out of the rows that one operation left.
func gathered(rows []quarantinedRow) []domain.Quarantine {
	byID := map[string]*domain.Quarantine{}
	for _, r := range rows {
		q := byID[r.QuarantineID]
		if q == nil {
			q = &domain.Quarantine{
				ID: r.QuarantineID, ContainerID: r.ContainerID, Container: r.Container, Kind: r.Kind, Reason: r.Reason,
				Since: r.QuarantinedAt.time(),
			}
			byID[r.QuarantineID] = q
		}
		if r.VMID != 0 {
			q.ClusterID, q.NodeID, q.Node, q.VMID = r.ClusterID, r.NodeID, r.Node, r.VMID
		}
		if r.Address != "" {
			q.SiteID, q.Addresses = r.SiteID, append(q.Addresses, r.Address)
		}
	}
	list := make([]domain.Quarantine, 0, len(byID))
	for _, q := range byID {
		slices.Sort(q.Addresses)
		list = append(list, *q)
	}
	slices.SortFunc(list, func(a, b domain.Quarantine) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// QuarantinePlacement keeps the VMID of a container from everybody until FreeQuarantine, because something of the guest may be
// left on the node by the operation. The container can be placed anew.
func (s *Store) QuarantinePlacement(ctx context.Context, containerID, operationID, reason string) error {
	return s.Transact(ctx, func(tx *Store) error {
		done := tx.q(ctx).Model(&placementRow{}).Where("container_id = ? AND state = ?", containerID, Held).Updates(map[string]any{
			"state": Quarantined, "reason": reason, "quarantine_id": operationID, "quarantined_at": microsOf(tx.stamp()),
		})
		if done.RowsAffected > 0 {
			tx.changed(domain.TopicContainer, containerID)
		}
		return tx.fault(done.Error, "quarantine placement")
	})
}

// QuarantineAddress keeps the addresses and MACs of a container from everybody until FreeQuarantine, because the guest that the
// operation left may still use them. The host name is free again.
func (s *Store) QuarantineAddress(ctx context.Context, containerID, operationID, reason string) error {
	return s.Transact(ctx, func(tx *Store) error {
		var rows []reservationRow
		err := tx.q(ctx).Where("container_id = ? AND state <> ?", containerID, Quarantined).Find(&rows).Error
		if err != nil {
			return tx.fault(err, "quarantine address")
		}
		for _, row := range rows {
			if _, err := tx.BumpSite(ctx, row.SiteID); err != nil {
				return err
			}
			err := set[reservationRow](ctx, tx, row.ID, "reservation", map[string]any{
				"state": Quarantined, "hostname": nil, "reason": reason,
				"quarantine_id": operationID, "quarantined_at": microsOf(tx.stamp()),
			})
			if err != nil {
				return err
			}
			tx.changed(domain.TopicContainer, containerID)
		}
		return nil
	})
}

// FreeQuarantine lets others have what an operation left behind, on an administrator's word that nothing is left of the guest.
func (s *Store) FreeQuarantine(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		q, err := tx.Quarantine(ctx, id)
		if err != nil {
			return err
		}
		if q.SiteID != "" {
			if _, err := tx.BumpSite(ctx, q.SiteID); err != nil {
				return err
			}
		}
		const held = "quarantine_id = ? AND state = ?"
		if err := tx.q(ctx).Where(held, id, Quarantined).Delete(&placementRow{}).Error; err != nil {
			return tx.fault(err, "free quarantine")
		}
		if _, err := tx.drop(ctx, held, id, Quarantined); err != nil {
			return err
		}
		if q.ClusterID != "" {
			tx.changed(domain.TopicCluster, q.ClusterID)
		}
		tx.changed(domain.TopicContainer, q.ContainerID)
		return nil
	})
}
