package store

import "context"

type foreignVMIDRow struct {
	ClusterID string
	VMID      int `gorm:"column:vmid"`
}

// TableName is GORM's way to name the table.
func (foreignVMIDRow) TableName() string { return "foreign_vmids" }

// ObserveVMIDs keeps which VMIDs of a cluster's range guests were seen to have. Those that Berth did not place are left out by
// Place until they are seen no more. It writes only what changed.
func (s *Store) ObserveVMIDs(ctx context.Context, clusterID string, seen []int) error {
	return s.Transact(ctx, func(tx *Store) error {
		cluster, err := tx.Cluster(ctx, clusterID)
		if err != nil {
			return err
		}
		placed, err := tx.placedVMIDs(ctx, clusterID)
		if err != nil {
			return err
		}
		known, err := tx.foreignVMIDs(ctx, clusterID)
		if err != nil {
			return err
		}
		foreign := map[int]bool{}
		for _, vmid := range seen {
			if vmid >= cluster.VMIDFirst && vmid <= cluster.VMIDLast {
				foreign[vmid] = true
			}
		}
		for _, vmid := range placed {
			delete(foreign, vmid)
		}
		for _, vmid := range known {
			if foreign[vmid] {
				delete(foreign, vmid) // is known already
				continue
			}
			gone := tx.q(ctx).Where("cluster_id = ? AND vmid = ?", clusterID, vmid).Delete(&foreignVMIDRow{})
			if gone.Error != nil {
				return tx.fault(gone.Error, "forget VMID")
			}
		}
		for vmid := range foreign {
			if err := insert(ctx, tx, &foreignVMIDRow{clusterID, vmid}, "VMID"); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) foreignVMIDs(ctx context.Context, clusterID string) (vmids []int, err error) {
	err = s.q(ctx).Model(&foreignVMIDRow{}).Where("cluster_id = ?", clusterID).Pluck("vmid", &vmids).Error
	return vmids, s.fault(err, "list foreign VMIDs")
}

func (s *Store) placedVMIDs(ctx context.Context, clusterID string) (vmids []int, err error) {
	err = s.q(ctx).Model(&placementRow{}).Where("cluster_id = ?", clusterID).Pluck("vmid", &vmids).Error
	return vmids, s.fault(err, "list VMIDs")
}

// forgetVMIDs forgets the VMIDs of a cluster that goes.
func (s *Store) forgetVMIDs(ctx context.Context, clusterID string) error {
	return s.fault(s.q(ctx).Where("cluster_id = ?", clusterID).Delete(&foreignVMIDRow{}).Error, "forget VMIDs")
}
