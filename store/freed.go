package store

import (
	"context"
	"net/netip"

	"berth/domain"
)

type freedAddressRow struct {
	SiteID  string
	Address string
	FreedAt micros
}

// TableName is GORM's way to name the table.
func (freedAddressRow) TableName() string { return "freed_addresses" }

// drop deletes the reservations that match and notes when their addresses became free. It returns how many there were.
func (s *Store) drop(ctx context.Context, where string, args ...any) (int, error) {
	var rows []reservationRow
	if err := s.q(ctx).Where(where, args...).Find(&rows).Error; err != nil {
		return 0, s.fault(err, "free address")
	}
	for _, row := range rows {
		if err := s.q(ctx).Where("id = ?", row.ID).Delete(&reservationRow{}).Error; err != nil {
			return 0, s.fault(err, "free address")
		}
		freed := freedAddressRow{row.SiteID, row.Address, microsOf(s.stamp())}
		if err := s.q(ctx).Clauses(upsert("site_id,address", "freed_at")).Create(&freed).Error; err != nil {
			return 0, s.fault(err, "note that an address is free")
		}
	}
	return len(rows), nil
}

// longestFree returns the address of the site's range that nobody has for the longest time: one that nobody ever had, the lowest
// of these, or else the one that was freed first. An address that changes hands at once is shadowed for up to a minute by what its
// neighbours remember of it (ARP).
func (s *Store) longestFree(ctx context.Context, site domain.Site) (string, error) {
	taken, err := s.takenAddresses(ctx, site.ID)
	if err != nil {
		return "", err
	}
	var rows []freedAddressRow
	if err := s.q(ctx).Where("site_id = ?", site.ID).Find(&rows).Error; err != nil {
		return "", s.fault(err, "list freed addresses")
	}
	freedAt := make(map[string]micros, len(rows))
	for _, r := range rows {
		freedAt[r.Address] = r.FreedAt
	}
	free := ""
	site.Allocatable(func(a netip.Addr) bool {
		address := a.String()
		if _, ok := taken[address]; ok {
			return true
		}
		at, used := freedAt[address]
		if free == "" || !used || at < freedAt[free] {
			free = address
		}
		return used
	})
	if free == "" {
		return "", domain.Errorf(domain.Limited, "site %s has no free address left between %s and %s: delete a container or widen the range",
			site.Name, site.RangeFirst, site.RangeLast)
	}
	return free, nil
}
