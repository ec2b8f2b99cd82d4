package store

import (
	"context"
	"slices"
	"time"

	"berth/domain"
)

type edgeRow struct {
	ID        string
	Name      string
	SiteID    string
	Address   string
	Retired   bool
	Applied   int64
	Fetched   int64
	Message   string
	Versions  map[string]string `gorm:"serializer:json"`
	Leases    []domain.Lease    `gorm:"serializer:json"`
	Reloads   int64
	LeftOut   []domain.LeftOut `gorm:"serializer:json"`
	SeenAt    micros
	AppliedAt micros
	CreatedAt micros
	Version   int64
}

// TableName is GORM's way to name the table.
func (edgeRow) TableName() string { return "edges" }

func edgeRowOf(e domain.Edge) edgeRow {
	return edgeRow{
		ID: e.ID, Name: e.Name, SiteID: e.SiteID, Address: e.Address, Retired: e.State == domain.EdgeRetired,
		Applied: e.Applied, Fetched: e.Fetched, Message: e.Message, Versions: e.Versions, Leases: e.Leases, Reloads: e.Reloads, LeftOut: e.LeftOut,
		SeenAt: microsOf(e.SeenAt), AppliedAt: microsOf(e.AppliedAt), CreatedAt: microsOf(e.CreatedAt), Version: e.Version,
	}
}

func (r edgeRow) edge(now time.Time) domain.Edge {
	return domain.Edge{
		ID: r.ID, Name: r.Name, SiteID: r.SiteID, Address: r.Address, State: r.state(now),
		Applied: r.Applied, Fetched: r.Fetched, Message: r.Message, Versions: r.Versions, Leases: r.Leases, Reloads: r.Reloads, LeftOut: r.LeftOut,
		SeenAt: r.SeenAt.time(), AppliedAt: r.AppliedAt.time(), CreatedAt: r.CreatedAt.time(), Version: r.Version,
	}
}

func (r edgeRow) state(now time.Time) domain.EdgeState {
	switch {
	case r.Retired:
		return domain.EdgeRetired
	case r.SeenAt == 0:
		return domain.EdgeEnrolled
	case now.Sub(r.SeenAt.time()) > domain.EdgeTimeout:
		return domain.EdgeOffline
	}
	return domain.EdgeOnline
}

// CreateEdge stores a new edge, enrolled and never seen. It fills ID, CreatedAt and Version.
func (s *Store) CreateEdge(ctx context.Context, e *domain.Edge) error {
	s.born(&e.ID, &e.CreatedAt, &e.Version)
	e.State = domain.EdgeEnrolled
	return s.Transact(ctx, func(tx *Store) error {
		if err := tx.claim(ctx, e.SiteID, e.ID, e.Name, e.Address); err != nil {
			return err
		}
		row := edgeRowOf(*e)
		if err := insert(ctx, tx, &row, "edge "+e.Name); err != nil {
			return err
		}
		tx.changed(domain.TopicEdge, e.ID)
		return nil
	})
}

// Edge returns an edge by ID.
func (s *Store) Edge(ctx context.Context, id string) (domain.Edge, error) {
	row, err := one[edgeRow](s, s.q(ctx).Where("id = ?", id), "edge "+id)
	return row.edge(s.now()), err
}

// EdgeByName returns an edge by name, of one site or, with an empty siteID, of any. Several matches are a Conflict.
func (s *Store) EdgeByName(ctx context.Context, siteID, name string) (domain.Edge, error) {
	q := s.q(ctx).Where("name = ?", name)
	if siteID != "" {
		q = q.Where("site_id = ?", siteID)
	}
	rows, _, err := paged(s, q, Page{}, "id", oldestFirst, func(r edgeRow) string { return r.ID }, "edges")
	if err != nil {
		return domain.Edge{}, err
	}
	sites := make([]string, len(rows))
	for i, r := range rows {
		sites[i] = r.SiteID
	}
	if err := s.unambiguous(ctx, "edge", name, sites); err != nil {
		return domain.Edge{}, err
	}
	return rows[0].edge(s.now()), nil
}

// Edges lists the edges of a site or, with an empty siteID, all.
func (s *Store) Edges(ctx context.Context, siteID string, p Page) ([]domain.Edge, string, error) {
	q := s.q(ctx)
	if siteID != "" {
		q = q.Where("site_id = ?", siteID)
	}
	rows, next, err := paged(s, q, p, "id", oldestFirst, func(r edgeRow) string { return r.ID }, "edges")
	list := make([]domain.Edge, len(rows))
	for i, r := range rows {
		list[i] = r.edge(s.now())
	}
	return list, next, err
}

// UpdateEdge renames an edge if its version is still e.Version. Everything else is the edge's to report.
func (s *Store) UpdateEdge(ctx context.Context, e *domain.Edge) error {
	return s.Transact(ctx, func(tx *Store) error {
		row := edgeRow{Name: e.Name, Version: e.Version + 1}
		err := replace(ctx, tx, &row, e.ID, e.Version, "edge "+e.Name, "site_id", "address", "retired", "applied", "fetched",
			"message", "versions", "leases", "reloads", "left_out", "seen_at", "applied_at")
		if err != nil {
			return err
		}
		tx.changed(domain.TopicEdge, e.ID)
		fresh, err := tx.Edge(ctx, e.ID)
		if err != nil {
			return err
		}
		*e = fresh
		return tx.claim(ctx, e.SiteID, e.ID, e.Name, "") // it is named in DNS; the address was claimed before
	})
}

// RetireEdge makes an edge count no longer and voids its tokens. It cannot come back: enrol another one.
func (s *Store) RetireEdge(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := tx.dismiss(ctx, id)
		if err != nil || row.Retired {
			return err
		}
		return set[edgeRow](ctx, tx, id, "edge "+row.Name, map[string]any{
			"retired": true, "address": "", "leases": nil, "version": row.Version + 1,
		})
	})
}

// DeleteEdge deletes an edge and its tokens. From then on it does not count for releasing either.
func (s *Store) DeleteEdge(ctx context.Context, id string) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := tx.dismiss(ctx, id)
		if err != nil {
			return err
		}
		return remove[edgeRow](ctx, tx, id, "edge "+row.Name)
	})
}

// dismiss locks an edge, voids its tokens and takes its name out of DNS.
func (s *Store) dismiss(ctx context.Context, id string) (edgeRow, error) {
	row, err := locked[edgeRow](ctx, s, id, "edge "+id)
	if err != nil {
		return row, err
	}
	if err := s.q(ctx).Where("edge_id = ?", id).Delete(&tokenRow{}).Error; err != nil {
		return row, s.fault(err, "void the tokens of edge "+row.Name)
	}
	s.changed(domain.TopicEdge, id)
	_, err = s.BumpSite(ctx, row.SiteID)
	return row, err
}

// ReportEdge records what an edge says about itself, at the time of the call. Others learn of it when something changed that
// they wait for; a change of address raises the site's revision. A retired edge is Forbidden.
func (s *Store) ReportEdge(ctx context.Context, id string, r domain.EdgeReport) error {
	return s.Transact(ctx, func(tx *Store) error {
		row, err := locked[edgeRow](ctx, tx, id, "edge "+id)
		if err != nil {
			return err
		}
		if row.Retired {
			return domain.Errorf(domain.Forbidden, "edge %s is retired: enrol it anew", row.Name)
		}
		if row.Address != r.Address { // even one that a container has: silence about it would help nobody
			if _, err := tx.BumpSite(ctx, row.SiteID); err != nil {
				return err
			}
		}
		now := tx.stamp()
		told := row.Applied != r.Applied || !slices.Equal(row.LeftOut, r.LeftOut) || row.state(now) != domain.EdgeOnline
		if told || row.Message != r.Message || row.Address != r.Address {
			tx.changed(domain.TopicEdge, id)
		}
		if row.Applied != r.Applied {
			row.AppliedAt = microsOf(now)
		}
		row.Address, row.Fetched, row.Applied, row.Message = r.Address, r.Fetched, r.Applied, r.Message
		row.Versions, row.Leases, row.Reloads, row.LeftOut = r.Versions, r.Leases, r.Reloads, r.LeftOut
		row.SeenAt = microsOf(now)
		done := tx.q(ctx).Model(&row).Select("address", "fetched", "applied", "message", "versions", "leases", "reloads", "left_out", "seen_at",
			"applied_at").Where("id = ?", id).Updates(&row)
		if done.Error != nil || !told {
			return tx.fault(done.Error, "record report of edge "+row.Name)
		}
		return tx.judgeServices(ctx, row.SiteID)
	})
}

// RevisionServed reports how far a revision of a site is. It is live when at least one edge is online and all that are online
// serve it. It is releasable when every enrolled edge serves it, whether online or not, except retired ones: only then has
// nobody an older state. waiting names the edges that do not serve it yet.
func (s *Store) RevisionServed(ctx context.Context, siteID string, revision int64) (live, releasable bool, waiting []string, err error) {
	var rows []edgeRow
	err = s.q(ctx).Select("id", "name", "applied", "seen_at", "retired").Where("site_id = ? AND retired = ?", siteID, false).
		Order("name").Find(&rows).Error
	if err != nil {
		return false, false, nil, s.fault(err, "list edges")
	}
	online := slices.DeleteFunc(slices.Clone(rows), func(r edgeRow) bool { return r.state(s.now()) != domain.EdgeOnline })
	behind := func(r edgeRow) bool { return r.Applied < revision }
	for _, r := range rows {
		if behind(r) {
			waiting = append(waiting, r.Name)
		}
	}
	return len(online) > 0 && !slices.ContainsFunc(online, behind), len(waiting) == 0, waiting, nil
}
