package store

import (
	"context"
	"time"

	"berth/domain"
)

// HoldState is how a row holds an address or a VMID. None of the states lets another container have it.
type HoldState string

// The states of reservations and placements.
const (
	Held        HoldState = "held"
	Releasing   HoldState = "releasing"   // an edge may still serve it
	Quarantined HoldState = "quarantined" // a guest that cannot be reached may still use it
)

// Reservation is an address with its MAC and host name.
type Reservation struct {
	SiteID          string
	ContainerID     string
	Address         string
	MAC             string
	Hostname        string // empty once quarantined
	State           HoldState
	ReleaseRevision int64 // once releasing: the revision that no longer has it
	Reason          string
	CreatedAt       time.Time
}

type reservationRow struct {
	ID              string
	SiteID          string
	ContainerID     string
	Address         string
	MAC             string `gorm:"column:mac"`
	Hostname        *string
	State           HoldState
	ReleaseRevision int64
	Reason          string
	CreatedAt       micros
}

// TableName is GORM's way to name the table.
func (reservationRow) TableName() string { return "reservations" }

func (r reservationRow) reservation() Reservation {
	hostname := ""
	if r.Hostname != nil {
		hostname = *r.Hostname
	}
	return Reservation{
		SiteID: r.SiteID, ContainerID: r.ContainerID, Address: r.Address, MAC: r.MAC, Hostname: hostname, State: r.State,
		ReleaseRevision: r.ReleaseRevision, Reason: r.Reason, CreatedAt: r.CreatedAt.time(),
	}
}

// RenameReservation gives what a container holds another host name and raises the site's revision, which it returns. A name that
// is taken is a Conflict.
func (s *Store) RenameReservation(ctx context.Context, containerID, hostname string) (revision int64, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		row, err := tx.heldBy(ctx, containerID)
		if err != nil {
			return err
		}
		if revision, err = tx.BumpSite(ctx, row.SiteID); err != nil {
			return err
		}
		if err := tx.freeHostname(ctx, row.SiteID, containerID, hostname); err != nil {
			return err
		}
		tx.changed(domain.TopicContainer, containerID)
		return set[reservationRow](ctx, tx, row.ID, "reservation", map[string]any{"hostname": hostname})
	})
	return revision, err
}

// heldBy returns what a container holds, NotFound when it holds nothing.
func (s *Store) heldBy(ctx context.Context, containerID string) (reservationRow, error) {
	return one[reservationRow](s, s.q(ctx).Where("container_id = ? AND state = ?", containerID, Held), "reservation of the container")
}

// Release stops holding the address, MAC and host name of a container: they leave the site's next revision, which it returns, and
// may be dropped once every edge serves it. held is false when the container held nothing; if it is releasing already, revision
// is the one of then.
func (s *Store) Release(ctx context.Context, containerID string) (revision int64, held bool, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		revision, held = 0, false
		row, err := one[reservationRow](tx, tx.q(ctx).Where("container_id = ? AND state <> ?", containerID, Quarantined).
			Order("state"), "reservation of the container") // "held" sorts before "releasing"
		if domain.Is(err, domain.NotFound) {
			return nil
		}
		if err != nil || row.State == Releasing {
			revision = row.ReleaseRevision
			return err
		}
		if revision, err = tx.BumpSite(ctx, row.SiteID); err != nil {
			return err
		}
		held = true
		tx.changed(domain.TopicContainer, containerID)
		return set[reservationRow](ctx, tx, row.ID, "reservation", map[string]any{"state": Releasing, "release_revision": revision})
	})
	return revision, held, err
}

// DropReleased frees the address that a container was releasing up to a revision of its site. The caller made sure that no edge
// is behind that revision (RevisionServed), and that the lease is released.
func (s *Store) DropReleased(ctx context.Context, containerID string, revision int64) error {
	return s.Transact(ctx, func(tx *Store) error {
		dropped, err := tx.drop(ctx, "container_id = ? AND state = ? AND release_revision <= ?", containerID, Releasing, revision)
		if dropped > 0 {
			tx.changed(domain.TopicContainer, containerID)
		}
		return err
	})
}

// Reservations lists all that a site has reserved, by the order in which it was.
func (s *Store) Reservations(ctx context.Context, siteID string) ([]Reservation, error) {
	return s.reservations(ctx, "site_id = ?", siteID)
}

// ReservationsOf lists what a container holds, is releasing, or has in quarantine.
func (s *Store) ReservationsOf(ctx context.Context, containerID string) ([]Reservation, error) {
	return s.reservations(ctx, "container_id = ?", containerID)
}

// Releasing lists what waits to be dropped, in all sites.
func (s *Store) Releasing(ctx context.Context) ([]Reservation, error) {
	return s.reservations(ctx, "state = ?", Releasing)
}

func (s *Store) reservations(ctx context.Context, where string, arg any) ([]Reservation, error) {
	var rows []reservationRow
	if err := s.q(ctx).Where(where, arg).Order("id").Find(&rows).Error; err != nil {
		return nil, s.fault(err, "list reservations")
	}
	list := make([]Reservation, len(rows))
	for i, r := range rows {
		list[i] = r.reservation()
	}
	return list, nil
}
