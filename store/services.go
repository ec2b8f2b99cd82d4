package store

import (
	"context"
	"slices"

	"berth/domain"

	"gorm.io/gorm"
)

// parked is the state of services of a container that failed: they hold nothing, and are claimed again when it is retried.
const parked HoldState = "parked"

type serviceRow struct {
	ID          string
	ContainerID string
	SiteID      string
	Kind        domain.ServiceKind
	Spec        domain.ServiceSpec `gorm:"serializer:json"`
	State       HoldState          // Held, Releasing or parked
	Revision    int64              // of the site: the first that has it, or once releasing the first that has it no longer
	LiveSince   micros
	CreatedAt   micros
	Version     int64
}

// TableName is GORM's way to name the table.
func (serviceRow) TableName() string { return "services" }

func (r serviceRow) service() domain.Service {
	state := domain.ServiceRequested
	switch {
	case r.State == Releasing:
		state = domain.ServiceRemoving
	case r.State == parked:
		state = domain.ServiceParked
	case r.LiveSince != 0:
		state = domain.ServiceLive
	}
	return domain.Service{
		ID: r.ID, ContainerID: r.ContainerID, SiteID: r.SiteID, ServiceSpec: r.Spec, State: state, Revision: r.Revision,
		LiveSince: r.LiveSince.time(), CreatedAt: r.CreatedAt.time(), Version: r.Version,
	}
}

// claimRow says that a container has something for itself, see domain.ServiceSpec.Claims.
type claimRow struct {
	ID          string
	ContainerID string
}

// TableName is GORM's way to name the table.
func (claimRow) TableName() string { return "service_claims" }

// ChangeServices takes services away from a container and gives it others, all or none, raises the site's revision and returns it.
// The services to add must be valid; those without an external port get one of the site's range. It fills ID, Revision and
// what else is new. What somebody else has, or an edge may still serve for somebody else, is a Conflict.
//
// The caller holds the lock of the container's row.
func (s *Store) ChangeServices(
	ctx context.Context, c domain.Container, add []domain.Service, remove []string,
) (added []domain.Service, revision int64, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		if revision, err = tx.BumpSite(ctx, c.SiteID); err != nil {
			return err
		}
		rows, err := tx.serviceRows(ctx, "container_id = ?", c.ID)
		if err != nil {
			return err
		}
		for _, id := range remove {
			i := slices.IndexFunc(rows, func(r serviceRow) bool { return r.ID == id })
			if i < 0 || rows[i].State == Releasing {
				return domain.Errorf(domain.NotFound, "container %s has no service %s", c.Name, id)
			}
			if err := tx.releaseService(ctx, rows[i], revision); err != nil {
				return err
			}
			rows[i].State = Releasing
		}
		added, err = tx.addServices(ctx, c, rows, add, revision)
		tx.changed(domain.TopicContainer, c.ID)
		return err
	})
	return added, revision, err
}

func (s *Store) addServices(
	ctx context.Context, c domain.Container, have []serviceRow, add []domain.Service, revision int64,
) ([]domain.Service, error) {
	held := slices.DeleteFunc(slices.Clone(have), func(r serviceRow) bool { return r.State != Held })
	if len(held)+len(add) > domain.MaxServices {
		return nil, domain.Errorf(domain.Limited, "a container may have %d services at most", domain.MaxServices)
	}
	added := make([]domain.Service, len(add))
	for i, v := range add {
		v.ContainerID, v.SiteID, v.Revision, v.State = c.ID, c.SiteID, revision, domain.ServiceRequested
		s.born(&v.ID, &v.CreatedAt, &v.Version)
		if err := s.choosePort(ctx, &v); err != nil {
			return nil, err
		}
		if err := unlikeOthers(v, held); err != nil {
			return nil, err
		}
		if err := s.claimFor(ctx, v); err != nil {
			return nil, err
		}
		row := serviceRow{
			ID: v.ID, ContainerID: c.ID, SiteID: c.SiteID, Kind: v.Kind, Spec: v.ServiceSpec, State: Held, Revision: revision,
			CreatedAt: microsOf(v.CreatedAt), Version: v.Version,
		}
		if err := insert(ctx, s, &row, "service "+v.Title()); err != nil {
			return nil, err
		}
		held, added[i] = append(held, row), v
	}
	return added, nil
}

// unlikeOthers is nil when none of the container's own services is published in the same place.
func unlikeOthers(v domain.Service, held []serviceRow) error {
	for _, r := range held {
		if r.Spec.Title() == v.Title() && v.Kind != domain.ServiceSRV {
			return inTheWay(v, "the container publishes "+v.Title()+" already")
		}
	}
	return nil
}

func fieldOf(k domain.ServiceKind) string {
	switch k {
	case domain.ServiceHTTP:
		return "host"
	case domain.ServiceSRV:
		return "srv.name"
	}
	return "externalPort"
}

// choosePort gives a tcp or udp service without external port the lowest of the site's range that nobody has. The site is locked.
func (s *Store) choosePort(ctx context.Context, v *domain.Service) error {
	if v.Kind != domain.ServiceTCP && v.Kind != domain.ServiceUDP {
		return nil
	}
	site, err := s.Site(ctx, v.SiteID)
	if err != nil {
		return err
	}
	if v.ExternalPort != 0 {
		if v.ExternalPort < site.PortFirst || v.ExternalPort > site.PortLast {
			return domain.InvalidFields("the service", []domain.FieldError{{
				Field: "externalPort", Rule: "must be in the site's range, " + site.PortRange(),
			}})
		}
		return nil
	}
	var taken []string
	err = s.q(ctx).Model(&claimRow{}).Where("id LIKE ?", v.Kind.PortClaims(v.SiteID)+"%").Pluck("id", &taken).Error
	if err != nil {
		return s.fault(err, "list ports")
	}
	for port := site.PortFirst; port <= site.PortLast; port++ {
		v.ExternalPort = port
		if !slices.Contains(taken, v.Claims(v.SiteID)[0]) {
			return nil
		}
	}
	return domain.Errorf(domain.Limited, "site %s has no free %s port left of %s", site.Name, v.Kind, site.PortRange())
}

// claimFor takes what a service needs for itself.
func (s *Store) claimFor(ctx context.Context, v domain.Service) error {
	for _, id := range v.Claims(v.SiteID) {
		row, err := one[claimRow](s, s.q(ctx).Where("id = ?", id), "claim")
		switch {
		case err == nil && row.ContainerID == v.ContainerID:
			continue
		case err == nil:
			return s.claimed(ctx, v, row)
		case !domain.Is(err, domain.NotFound):
			return err
		}
		if err := insert(ctx, s, &claimRow{id, v.ContainerID}, "claim"); domain.Is(err, domain.Conflict) {
			return taken(v) // in a transaction that runs beside this one
		} else if err != nil {
			return err
		}
	}
	return nil
}

// claimed says why something cannot be had; not who has it.
func (s *Store) claimed(ctx context.Context, v domain.Service, by claimRow) error {
	rows, err := s.serviceRows(ctx, "container_id = ? AND state = ?", by.ContainerID, Held)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if slices.Contains(r.Spec.Claims(r.SiteID), by.ID) {
			return taken(v)
		}
	}
	return inTheWay(v, v.Title()+" was just given up and some edge may still serve it: try again shortly")
}

// inTheWay is the Conflict of a service that cannot be published.
func inTheWay(v domain.Service, message string) error {
	return &domain.Error{
		Kind: domain.Conflict, Message: message, Fields: []domain.FieldError{{Field: fieldOf(v.Kind), Rule: "must be free"}},
	}
}

func taken(v domain.Service) error { return inTheWay(v, v.Title()+" is taken") }

// Services lists what a container exposes, oldest first, and what it gives up and some edge may still serve.
func (s *Store) Services(ctx context.Context, containerID string) ([]domain.Service, error) {
	rows, err := s.serviceRows(ctx, "container_id = ?", containerID)
	list := make([]domain.Service, len(rows))
	for i, r := range rows {
		list[i] = r.service()
	}
	return list, err
}

// ServicesUnder returns how many services are published under an external domain.
func (s *Store) ServicesUnder(ctx context.Context, d domain.ExternalDomain) (int, error) {
	var hosts []string
	err := s.q(ctx).Model(&claimRow{}).Where("id = ? OR id LIKE ?", "host "+d.Name, "host %."+d.Name).Pluck("id", &hosts).Error
	return len(hosts), s.fault(err, "count services")
}

func (s *Store) serviceRows(ctx context.Context, where string, args ...any) ([]serviceRow, error) {
	var rows []serviceRow
	err := s.q(ctx).Where(where, args...).Order("id").Find(&rows).Error
	return rows, s.fault(err, "list services")
}

// RestoreServices undoes ChangeServices: what it added is released, and what it removed is wanted again. What is no longer there
// is left out. It returns the site's new revision, 0 when there was nothing to do.
func (s *Store) RestoreServices(ctx context.Context, containerID string, added, removed []string) (revision int64, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		revision = 0
		rows, err := tx.serviceRows(ctx, "container_id = ? AND id IN ?", containerID, append(slices.Clone(added), removed...))
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(r serviceRow) bool { return (r.State == Held) != slices.Contains(added, r.ID) })
		if len(rows) == 0 {
			return nil
		}
		if revision, err = tx.BumpSite(ctx, rows[0].SiteID); err != nil {
			return err
		}
		for _, r := range rows {
			if r.State == Held {
				err = tx.releaseService(ctx, r, revision)
			} else { // its claims are its own until it is dropped
				err = set[serviceRow](ctx, tx, r.ID, "service", map[string]any{"state": Held, "revision": revision})
			}
			if err != nil {
				return err
			}
		}
		tx.changed(domain.TopicContainer, containerID)
		return nil
	})
	return revision, err
}

// ReleaseServices takes all services of a container out of the site's next revision, which it returns; 0 when it has none.
func (s *Store) ReleaseServices(ctx context.Context, containerID string) (revision int64, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		revision = 0
		rows, err := tx.serviceRows(ctx, "container_id = ? AND state = ?", containerID, Held)
		if err != nil || len(rows) == 0 {
			return err
		}
		if revision, err = tx.BumpSite(ctx, rows[0].SiteID); err != nil {
			return err
		}
		for _, r := range rows {
			if err := tx.releaseService(ctx, r, revision); err != nil {
				return err
			}
		}
		tx.changed(domain.TopicContainer, containerID)
		return nil
	})
	return revision, err
}

func (s *Store) releaseService(ctx context.Context, r serviceRow, revision int64) error {
	return set[serviceRow](ctx, s, r.ID, "service", map[string]any{"state": Releasing, "revision": revision, "live_since": 0})
}

// DropServices frees what services of a container were releasing up to a revision of their site that no edge is behind. Those of
// a container that did not come into being are parked: it gets them again when it is retried.
func (s *Store) DropServices(ctx context.Context, containerID string, revision int64) error {
	return s.Transact(ctx, func(tx *Store) error {
		rows, err := tx.serviceRows(ctx, "container_id = ? AND state = ? AND revision <= ?", containerID, Releasing, revision)
		if err != nil || len(rows) == 0 {
			return err
		}
		c, err := one[containerRow](tx, tx.q(ctx).Where("id = ?", containerID), "container")
		if err != nil && !domain.Is(err, domain.NotFound) {
			return err
		}
		for _, r := range rows {
			if err == nil && (c.State == domain.ContainerFailed || c.State == domain.ContainerProvisioning) {
				err = set[serviceRow](ctx, tx, r.ID, "service", map[string]any{"state": parked, "revision": 0})
			} else {
				err = remove[serviceRow](ctx, tx, r.ID, "service")
			}
			if err != nil {
				return err
			}
		}
		tx.changed(domain.TopicContainer, containerID)
		return tx.dropClaims(ctx, containerID)
	})
}

// dropClaims frees what none of a container's services needs any more.
func (s *Store) dropClaims(ctx context.Context, containerID string) error {
	rows, err := s.serviceRows(ctx, "container_id = ? AND state <> ?", containerID, parked)
	if err != nil {
		return err
	}
	needed := []string{""} // never empty: NOT IN () means nothing at all
	for _, r := range rows {
		needed = append(needed, r.Spec.Claims(r.SiteID)...)
	}
	err = s.q(ctx).Where("container_id = ? AND id NOT IN ?", containerID, needed).Delete(&claimRow{}).Error
	return s.fault(err, "free names and ports")
}

// ReviveServices makes the container hold again what it exposed before it failed. The site's revision is raised by it. What
// somebody else has taken meanwhile is a Conflict.
func (s *Store) ReviveServices(ctx context.Context, containerID string) error {
	return s.Transact(ctx, func(tx *Store) error {
		rows, err := tx.serviceRows(ctx, "container_id = ? AND state <> ?", containerID, Held)
		if err != nil || len(rows) == 0 {
			return err
		}
		revision, err := tx.BumpSite(ctx, rows[0].SiteID)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := tx.claimFor(ctx, r.service()); err != nil {
				return err
			}
			if err := set[serviceRow](ctx, tx, r.ID, "service", map[string]any{"state": Held, "revision": revision}); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReleasingServices returns, by container, the site and the highest revision of services that wait to be dropped.
func (s *Store) ReleasingServices(ctx context.Context) (map[string]domain.Service, error) {
	rows, err := s.serviceRows(ctx, "state = ?", Releasing)
	waiting := map[string]domain.Service{}
	for _, r := range rows {
		if r.Revision >= waiting[r.ContainerID].Revision {
			waiting[r.ContainerID] = r.service()
		}
	}
	return waiting, err
}

// judgeServices notes which services of a site went live or are left out, after what an edge reported.
func (s *Store) judgeServices(ctx context.Context, siteID string) error {
	var edges []edgeRow
	err := s.q(ctx).Select("id", "applied", "left_out", "seen_at", "retired").
		Where("site_id = ? AND retired = ?", siteID, false).Find(&edges).Error
	if err != nil {
		return s.fault(err, "list edges")
	}
	edges = slices.DeleteFunc(edges, func(e edgeRow) bool { return e.state(s.now()) != domain.EdgeOnline })
	if len(edges) == 0 {
		return nil
	}
	applied, leftOut := edges[0].Applied, []string{""}
	for _, e := range edges {
		applied = min(applied, e.Applied)
		for _, l := range e.LeftOut {
			leftOut = append(leftOut, l.ServiceID)
		}
	}
	held := func() *gorm.DB { return s.q(ctx).Model(&serviceRow{}).Where("site_id = ? AND state = ?", siteID, Held) }
	live := held().Where("live_since = 0 AND revision <= ? AND id NOT IN ?", applied, leftOut)
	if err := live.Update("live_since", microsOf(s.stamp())).Error; err != nil {
		return s.fault(err, "note what is live")
	}
	failing := held().Where("live_since <> 0 AND id IN ?", leftOut)
	return s.fault(failing.Update("live_since", 0).Error, "note what is left out")
}
