package store

import (
	"context"
	"time"

	"berth/domain"
)

// Figures are what an operator watches, counted at one moment. Nothing in them grows with the number of containers.
type Figures struct {
	Containers   []Counted // by state and power
	Operations   []Counted // open ones, by kind and state
	Attention    int64     // operations that need a human, of containers on which no later one ran
	Addresses    int64     // in quarantine
	VMIDs        int64     // in quarantine
	Clusters     []Counted // by state
	Services     []Counted // by kind and whether they are requested, live or removing
	Certificates []Counted // by source and state
	FirstExpiry  time.Time // of a certificate; zero when there is none
	Nodes        []NodeFigures
	Sites        []SiteFigures
	OldestWaiter time.Duration // age of the oldest open operation that no worker took up; 0 when there is none
}

// Counted is how many rows have the same two properties.
type Counted struct {
	One, Two string
	N        int64
}

// NodeFigures are those of one node.
type NodeFigures struct {
	Node, Cluster string
	State         domain.NodeState
	Slots, Taken  int  // of changes at a time
	BreakerOpen   bool // it is left alone, as it did not answer
	MemoryFree    int64
	DiskFree      int64
}

// SiteFigures are the revisions of one site's network, and which of them its edges serve.
type SiteFigures struct {
	Site               string
	Desired, Published int64
	Edges              []EdgeFigures
}

// EdgeFigures are those of one enrolled edge.
type EdgeFigures struct {
	Edge             string
	Online           bool
	Fetched, Applied int64 // revisions
	Reloads          int64 // since the edge started
}

// Figures counts. Retired edges are left out.
func (s *Store) Figures(ctx context.Context) (f Figures, err error) {
	now := s.now()
	for _, c := range []struct {
		into           *[]Counted
		table, columns string
		states         []domain.OperationState
	}{
		{&f.Containers, "containers", "state AS one, power AS two", nil},
		{&f.Operations, "operations", "kind AS one, state AS two", openStates},
		{&f.Certificates, "certificates", "source AS one, state AS two", nil},
		{&f.Clusters, "clusters", "state AS one, state AS two", nil},
	} {
		q := s.q(ctx).Table(c.table).Select(c.columns + ", COUNT(*) AS n").Group("one, two").Order("one, two")
		if c.states != nil {
			q = q.Where("state IN ?", c.states)
		}
		if err := q.Find(c.into).Error; err != nil {
			return f, s.fault(err, "count "+c.table)
		}
	}
	for _, c := range []struct {
		into  *int64
		count func() (int64, error)
	}{
		{&f.Addresses, func() (int64, error) {
			return count[reservationRow](s, s.q(ctx).Where("state = ?", Quarantined), "quarantined addresses")
		}},
		{&f.VMIDs, func() (int64, error) {
			return count[placementRow](s, s.q(ctx).Where("state = ?", Quarantined), "quarantined VMIDs")
		}},
		{&f.Attention, func() (int64, error) { return s.attention(ctx) }},
	} {
		if *c.into, err = c.count(); err != nil {
			return f, err
		}
	}
	err = s.q(ctx).Table("services").Where("state <> ?", parked).Group("one, two").Order("one, two").Select(
		"kind AS one, CASE WHEN state = ? THEN ? WHEN live_since = 0 THEN ? ELSE ? END AS two, COUNT(*) AS n",
		Releasing, domain.ServiceRemoving, domain.ServiceRequested, domain.ServiceLive,
	).Find(&f.Services).Error
	if err != nil {
		return f, s.fault(err, "count services")
	}
	var first []certificateRow
	if err := s.q(ctx).Select("not_after").Where("not_after > 0").Order("not_after").Limit(1).Find(&first).Error; err != nil {
		return f, s.fault(err, "find the first certificate to expire")
	}
	if len(first) > 0 {
		f.FirstExpiry = first[0].NotAfter.time()
	}
	if f.OldestWaiter, err = s.oldestWaiter(ctx, now); err != nil {
		return f, err
	}
	if f.Nodes, err = s.nodeFigures(ctx, now); err != nil {
		return f, err
	}
	f.Sites, err = s.siteFigures(ctx, now)
	return f, err
}

// attention counts operations that ended for a human to look at. IDs grow with time, so a later operation has a higher one.
func (s *Store) attention(ctx context.Context) (int64, error) {
	later := s.q(ctx).Table("operations AS later").Select("1").
		Where("later.resource_id = operations.resource_id AND later.id > operations.id")
	return count[operationRow](s, s.q(ctx).Where("state = ? AND NOT EXISTS (?)", domain.OpNeedsAttention, later), "operations that need attention")
}

func (s *Store) oldestWaiter(ctx context.Context, now time.Time) (time.Duration, error) {
	var rows []operationRow
	err := s.q(ctx).Select("created_at").Where("state = ?", domain.OpPending).Order("id").Limit(1).Find(&rows).Error
	if err != nil || len(rows) == 0 {
		return 0, s.fault(err, "find the oldest operation")
	}
	return max(0, now.Sub(rows[0].CreatedAt.time())).Truncate(time.Millisecond), nil
}

func (s *Store) nodeFigures(ctx context.Context, now time.Time) ([]NodeFigures, error) {
	var rows []struct {
		Node, Cluster        string
		State                domain.NodeState
		Slots, Taken         int
		OpenUntil            micros
		MemoryFree, DiskFree int64
	}
	err := s.q(ctx).Raw(`SELECT n.name AS node, c.name AS cluster, n.state, n.slots, n.memory_free, n.disk_free,
		(SELECT COUNT(*) FROM slots WHERE slots.node_id = n.id AND slots.expires_at > ?) AS taken,
		COALESCE((SELECT b.open_until FROM breakers b WHERE b.node_id = n.id), 0) AS open_until
		FROM nodes n JOIN clusters c ON c.id = n.cluster_id ORDER BY n.id`, microsOf(now)).Scan(&rows).Error
	figures := make([]NodeFigures, len(rows))
	for i, r := range rows {
		if r.Slots == 0 {
			r.Slots = domain.DefaultSlots
		}
		figures[i] = NodeFigures{
			Node: r.Node, Cluster: r.Cluster, State: r.State, Slots: r.Slots, Taken: r.Taken, MemoryFree: r.MemoryFree, DiskFree: r.DiskFree,
			BreakerOpen: now.Before(r.OpenUntil.time()),
		}
	}
	return figures, s.fault(err, "count the nodes' slots")
}

func (s *Store) siteFigures(ctx context.Context, now time.Time) ([]SiteFigures, error) {
	var sites []siteRow
	if err := s.q(ctx).Select("id", "name", "desired", "published").Order("id").Find(&sites).Error; err != nil {
		return nil, s.fault(err, "list sites")
	}
	var edges []edgeRow
	err := s.q(ctx).Select("site_id", "name", "applied", "fetched", "reloads", "seen_at").Where("retired = ?", false).Order("id").Find(&edges).Error
	if err != nil {
		return nil, s.fault(err, "list edges")
	}
	bySite := map[string][]EdgeFigures{}
	for _, e := range edges {
		bySite[e.SiteID] = append(bySite[e.SiteID], EdgeFigures{
			Edge: e.Name, Online: e.state(now) == domain.EdgeOnline, Fetched: e.Fetched, Applied: e.Applied, Reloads: e.Reloads,
		})
	}
	figures := make([]SiteFigures, len(sites))
	for i, site := range sites {
		figures[i] = SiteFigures{Site: site.Name, Desired: site.Desired, Published: site.Published, Edges: bySite[site.ID]}
	}
	return figures, nil
}
