package store

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"berth/domain"
)

// Snapshot returns all that an edge needs to serve a site, as of one moment, with the desired revision of that moment. A
// snapshot may be ahead of the published revision, never behind it.
func (s *Store) Snapshot(ctx context.Context, siteID string) (snap domain.Snapshot, err error) {
	err = s.view(ctx, func(tx *Store) error {
		site, err := tx.Site(ctx, siteID)
		if err != nil {
			return err
		}
		snap = domain.Snapshot{
			SiteID: site.ID, Site: site.Name, Revision: site.Desired, Domain: site.Domain, CIDR: site.CIDR, Gateway: site.Gateway,
			RangeFirst: site.RangeFirst, RangeLast: site.RangeLast, DynamicFirst: site.DynamicFirst, DynamicLast: site.DynamicLast,
			Nameservers: site.Nameservers, Forwarders: site.Forwarders, LeaseSeconds: int64(site.LeaseTime / time.Second),
			Hosts: []domain.Host{}, Names: []domain.HostName{},
		}
		if err := tx.snapHosts(ctx, &snap); err != nil {
			return err
		}
		if err := tx.snapNames(ctx, &snap); err != nil {
			return err
		}
		if snap.Challenges, err = tx.challenges(ctx, "site_id = ?", siteID); err != nil {
			return err
		}
		return tx.snapServices(ctx, &snap)
	})
	return snap, err
}

func (s *Store) snapHosts(ctx context.Context, snap *domain.Snapshot) error {
	var rows []reservationRow
	err := s.q(ctx).Where("site_id = ? AND state = ?", snap.SiteID, Held).Order("container_id").Find(&rows).Error
	if err != nil {
		return s.fault(err, "list reservations")
	}
	for _, row := range rows {
		r := row.reservation()
		snap.Hosts = append(snap.Hosts, domain.Host{ID: r.ContainerID, Hostname: r.Hostname, MAC: r.MAC, Address: r.Address})
	}
	return nil
}

func (s *Store) snapNames(ctx context.Context, snap *domain.Snapshot) error {
	for _, q := range []any{&nodeRow{}, &edgeRow{}} {
		var names []domain.HostName
		err := s.q(ctx).Model(q).Select("name", "address").Where("site_id = ? AND address <> ''", snap.SiteID).Find(&names).Error
		if err != nil {
			return s.fault(err, "list names")
		}
		snap.Names = append(snap.Names, names...)
		if _, edges := q.(*edgeRow); edges {
			for _, e := range names {
				snap.Edges = append(snap.Edges, e.Address)
			}
			slices.Sort(snap.Edges)
		}
	}
	slices.SortFunc(snap.Names, func(a, b domain.HostName) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Address, b.Address))
	})
	return nil
}

// snapServices adds what containers expose, with the certificates for it and no others. A container that is not reachable by a name in
// the site is not published.
func (s *Store) snapServices(ctx context.Context, snap *domain.Snapshot) error {
	rows, err := s.serviceRows(ctx, "site_id = ? AND state = ?", snap.SiteID, Held)
	if err != nil || len(rows) == 0 {
		return err
	}
	domains, have, err := s.covered(ctx)
	if err != nil {
		return err
	}
	hostnames := make(map[string]string, len(snap.Hosts))
	for _, h := range snap.Hosts {
		hostnames[h.ID] = h.Hostname
	}
	used := map[string]bool{}
	for _, r := range rows {
		hostname, found := hostnames[r.ContainerID]
		if !found {
			continue
		}
		v := domain.ServedService{ID: r.ID, Hostname: hostname, ServiceSpec: r.Spec}
		if r.Spec.Host != "" {
			v.AuthServer = domain.DomainOf(domains, r.Spec.Host).AuthServer
			v.Certificate = domain.CertificateFor(have.Covering(r.Spec.Host), domains, r.Spec.Host, snap.SiteID, s.now()).ID
			used[v.Certificate] = true
		}
		snap.Services = append(snap.Services, v)
	}
	delete(used, "")
	for _, id := range slices.Sorted(maps.Keys(used)) {
		c, err := s.edgeCertificate(ctx, id)
		if err != nil {
			return err
		}
		snap.Certificates = append(snap.Certificates, c)
	}
	return nil
}
