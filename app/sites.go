package app

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"berth/domain"
	"berth/store"
)

// Sites are the use cases on sites. Everybody may look at them, administrators change them.
type Sites struct{ *core }

// SiteInput is what makes a site.
type SiteInput struct {
	Name         string
	Domain       string
	CIDR         string
	Gateway      string
	RangeFirst   string
	RangeLast    string
	DynamicFirst string
	DynamicLast  string
	Nameservers  []string
	Forwarders   []string
	LeaseTime    time.Duration // 0 = domain.DefaultLeaseTime
	PortFirst    int           // of the external ports; 0 in both means the defaults
	PortLast     int
	// PublicAddresses lead to the edges from outside: IP addresses, or one DNS name.
	PublicAddresses []string
}

// SitePatch changes a site; nil leaves a value as it is. What a site is built on, its CIDR, stays.
type SitePatch struct {
	Name         *string
	Domain       *string
	Gateway      *string
	RangeFirst   *string
	RangeLast    *string
	DynamicFirst *string
	DynamicLast  *string
	Nameservers  *[]string
	Forwarders   *[]string
	LeaseTime    *time.Duration
	PortFirst    *int
	PortLast     *int

	PublicAddresses *[]string
}

// Create makes a site.
func (s *Sites) Create(ctx context.Context, actor domain.Actor, in SiteInput) (made domain.Site, err error) {
	at := attempt{action: "site.create", resource: "site", name: in.Name}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		fresh := domain.Site{
			Name: in.Name, Domain: in.Domain, CIDR: in.CIDR, Gateway: in.Gateway, RangeFirst: in.RangeFirst, RangeLast: in.RangeLast,
			DynamicFirst: in.DynamicFirst, DynamicLast: in.DynamicLast, Nameservers: in.Nameservers, Forwarders: in.Forwarders,
			LeaseTime: in.LeaseTime, PortFirst: in.PortFirst, PortLast: in.PortLast, PublicAddresses: in.PublicAddresses,
		}
		if err := domain.InvalidFields("the site", fresh.Validate()); err != nil {
			return err
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			made = fresh
			if err := tx.CreateSite(ctx, &made); err != nil {
				return err
			}
			at.resourceID = made.ID
			return s.did(ctx, tx, actor, *at, made.CIDR)
		})
	})
	if err != nil {
		return domain.Site{}, err
	}
	return made, nil
}

// Get returns a site by name or ID.
func (s *Sites) Get(ctx context.Context, actor domain.Actor, ref string) (domain.Site, error) {
	if err := s.read(ctx, actor, attempt{action: "site.get", resource: "site", name: ref}, toRead); err != nil {
		return domain.Site{}, err
	}
	return site(ctx, s.Store, ref)
}

// List returns the sites.
func (s *Sites) List(ctx context.Context, actor domain.Actor, page Page) (List[domain.Site], error) {
	if err := s.read(ctx, actor, attempt{action: "site.list", resource: "site"}, toRead); err != nil {
		return List[domain.Site]{}, err
	}
	return listOf(s.Store.Sites(ctx, page.stored()))
}

// Update changes a site, and with it what its edges serve. What is held must stay within the new range.
func (s *Sites) Update(
	ctx context.Context, actor domain.Actor, ref string, patch SitePatch, ifMatch int64,
) (changed domain.Site, err error) {
	at := attempt{action: "site.update", resource: "site", name: ref}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			old, err := site(ctx, tx, ref)
			if err != nil {
				return err
			}
			at.resourceID, at.name = old.ID, old.Name
			if err := matches("site "+old.Name, old.Version, ifMatch); err != nil {
				return err
			}
			changed = resited(old, patch)
			if err := domain.InvalidFields("the site", changed.Validate()); err != nil {
				return err
			}
			if _, err := tx.BumpSite(ctx, old.ID); err != nil { // its lock keeps new reservations away while old ones are looked at
				return err
			}
			if err := stillFits(ctx, tx, old, changed); err != nil {
				return err
			}
			if err := tx.UpdateSite(ctx, &changed); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
	if err != nil {
		return domain.Site{}, err
	}
	s.publish(ctx, changed.ID, changed.Name)
	return changed, nil
}

func resited(s domain.Site, p SitePatch) domain.Site {
	put(&s.Name, p.Name)
	put(&s.Domain, p.Domain)
	put(&s.Gateway, p.Gateway)
	put(&s.RangeFirst, p.RangeFirst)
	put(&s.RangeLast, p.RangeLast)
	put(&s.DynamicFirst, p.DynamicFirst)
	put(&s.DynamicLast, p.DynamicLast)
	put(&s.Nameservers, p.Nameservers)
	put(&s.Forwarders, p.Forwarders)
	put(&s.PortFirst, p.PortFirst)
	put(&s.PortLast, p.PortLast)
	put(&s.PublicAddresses, p.PublicAddresses)
	put(&s.LeaseTime, p.LeaseTime)
	if s.LeaseTime == 0 {
		s.LeaseTime = domain.DefaultLeaseTime
	}
	return s
}

// stillFits is nil when a change of a site takes no address away from a container.
func stillFits(ctx context.Context, tx *store.Store, before, after domain.Site) error {
	held, err := tx.Reservations(ctx, before.ID)
	if err != nil {
		return err
	}
	for _, r := range held {
		lost := before.Contains(r.Address) && !after.Contains(r.Address)
		if lost || r.Address == after.Gateway {
			return domain.Errorf(domain.Conflict, "the address %s is held by container %s: delete it first, or leave its address to it",
				r.Address, r.Hostname)
		}
	}
	return nil
}

// Delete deletes a site that nothing belongs to any more.
func (s *Sites) Delete(ctx context.Context, actor domain.Actor, ref string, ifMatch int64) error {
	at := attempt{action: "site.delete", resource: "site", name: ref}
	return s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			old, err := site(ctx, tx, ref)
			if err != nil {
				return err
			}
			at.resourceID, at.name = old.ID, old.Name
			if err := matches("site "+old.Name, old.Version, ifMatch); err != nil {
				return err
			}
			if err := tx.DeleteSite(ctx, old.ID); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
}

// SiteNetwork is what a site's network holds and how far its edges are.
type SiteNetwork struct {
	Site         domain.Site
	Reservations []Reservation // sorted by address
	Edges        []domain.Edge // with their leases
}

// Reservation is one address of a site that is held.
type Reservation struct {
	Address     string
	MAC         string
	Hostname    string
	ContainerID string // empty when the address is quarantined
	Container   string // name
	Releasing   bool   // no longer in use, but not yet forgotten by every edge
	Reason      string // of the quarantine
}

// Network returns what a site's network holds and how far its edges are. It is for administrators.
func (s *Sites) Network(ctx context.Context, actor domain.Actor, ref string) (SiteNetwork, error) {
	if err := s.read(ctx, actor, attempt{action: "site.network", resource: "site", name: ref}, toAdminister); err != nil {
		return SiteNetwork{}, err
	}
	found, err := site(ctx, s.Store, ref)
	if err != nil {
		return SiteNetwork{}, err
	}
	network := SiteNetwork{Site: found}
	network.Edges, err = store.All(func(p store.Page) ([]domain.Edge, string, error) { return s.Store.Edges(ctx, found.ID, p) })
	if err != nil {
		return SiteNetwork{}, err
	}
	held, err := s.Store.Reservations(ctx, found.ID)
	if err != nil {
		return SiteNetwork{}, err
	}
	for _, r := range held {
		network.Reservations = append(network.Reservations, reservation(r))
	}
	slices.SortFunc(network.Reservations, func(a, b Reservation) int {
		x, _ := netip.ParseAddr(a.Address)
		y, _ := netip.ParseAddr(b.Address)
		return x.Compare(y)
	})
	return network, nil
}

func reservation(r store.Reservation) Reservation {
	out := Reservation{
		Address: r.Address, MAC: r.MAC, Hostname: r.Hostname, ContainerID: r.ContainerID, Container: r.Hostname,
		Releasing: r.State == store.Releasing, Reason: r.Reason,
	}
	if r.State == store.Quarantined {
		out.ContainerID = ""
	}
	return out
}

// publish tells the Network workflow of a site that there is something new. When that fails the change still gets there: with
// the next one, or by the reconciler.
func (k *core) publish(ctx context.Context, siteID, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), launchTimeout)
	defer cancel()
	if err := k.Workflows.NetworkChanged(ctx, siteID, name); err != nil {
		k.Logger.WarnContext(ctx, "network not published yet, the reconciler will", "site", name, "error", err)
	}
}
