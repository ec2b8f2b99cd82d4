package activities

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"berth/domain"
	"berth/publicdns"
	"berth/store"
)

// Zones opens the public zones of external domains.
type Zones struct {
	Store   *store.Store
	Network publicdns.Network
}

// open returns the zone of an external domain; domain.Permanent when Berth may not change it.
func (z Zones) open(ctx context.Context, domainID string) (publicdns.Zone, error) {
	d, err := z.Store.ExternalDomain(ctx, domainID)
	if err != nil {
		return nil, err
	}
	provider, err := z.Store.DNSProvider(ctx, domainID)
	if err != nil {
		return nil, err
	}
	owner, err := z.Store.InstallationID(ctx)
	if err != nil {
		return nil, err
	}
	return publicdns.Open(d.Name, provider, owner, z.Network)
}

// PublicDNS leads public names to the edges of their sites, by records in zones that Berth may change. What it writes is in SQL before it
// is written.
type PublicDNS struct {
	Zones

	Now    func() time.Time
	Logger *slog.Logger
}

// PublishNames sees to it that every name that a container is published under has its records.
func (p *PublicDNS) PublishNames(ctx context.Context, in domain.OperationInput) (none struct{}, err error) {
	wanted, known, err := publicNames(ctx, p.Store, in.ContainerID)
	if err != nil {
		return none, err
	}
	note := journal{p.Store, p.Logger}
	for _, name := range wanted {
		if known[name.Name].Has(name) {
			continue
		}
		activity.RecordHeartbeat(ctx)
		if err := p.publish(ctx, name, known[name.Name]); err != nil {
			return none, err
		}
		note.add(ctx, in, "public DNS", info, "Public DNS has "+listed(name.Records)+".")
	}
	return none, nil
}

// WithdrawNames takes away the records of names that a container is no longer published under.
func (p *PublicDNS) WithdrawNames(ctx context.Context, in domain.OperationInput) (none struct{}, err error) {
	wanted, known, err := publicNames(ctx, p.Store, in.ContainerID)
	if err != nil {
		return none, err
	}
	for _, name := range wanted {
		delete(known, name.Name)
	}
	note := journal{p.Store, p.Logger}
	for _, name := range known {
		activity.RecordHeartbeat(ctx)
		if err := p.withdraw(ctx, name); err != nil {
			return none, err
		}
		note.add(ctx, in, "public DNS", info, "Public DNS has no records of "+name.Name+" any more.")
	}
	return none, nil
}

// publicNames returns the names of a container, or of all, that are to have records, and those that have some or are being given some.
func publicNames(
	ctx context.Context, db *store.Store, containerID string,
) (wanted []domain.PublishedName, known map[string]domain.PublishedName, err error) {
	if wanted, err = db.WantedNames(ctx, containerID); err != nil {
		return nil, nil, err
	}
	kept, err := db.PublishedNames(ctx, containerID)
	known = make(map[string]domain.PublishedName, len(kept))
	for _, name := range kept {
		known[name.Name] = name
	}
	return wanted, known, err
}

// publish writes the records of a name. before is what was known of it.
func (p *PublicDNS) publish(ctx context.Context, name, before domain.PublishedName) error {
	name.TriedAt = p.Now()
	if before.DomainID != "" && before.DomainID != name.DomainID { // a new external domain holds the name
		if err := p.withdraw(ctx, before); err != nil {
			return err
		}
	}
	if !before.Has(name) {
		if err := p.Store.PutPublishedName(ctx, name); err != nil {
			return err
		}
	}
	zone, err := p.open(ctx, name.DomainID)
	if err == nil {
		err = zone.Publish(ctx, name.Name, name.Records)
	}
	if err != nil {
		name.Message = domain.Words(err)
	} else {
		name.CheckedAt = p.Now()
	}
	return errors.Join(err, p.Store.PutPublishedName(context.WithoutCancel(ctx), name))
}

// withdraw takes the records of a name away. In a zone that Berth may not change any more they are left.
func (p *PublicDNS) withdraw(ctx context.Context, name domain.PublishedName) error {
	d, err := p.Store.ExternalDomain(ctx, name.DomainID)
	if err != nil && !domain.Is(err, domain.NotFound) {
		return err
	}
	if d.DNS.Writes() {
		zone, err := p.open(ctx, d.ID)
		if err == nil {
			err = zone.Withdraw(ctx, name.Name)
		}
		if err != nil {
			name.Records, name.Message, name.TriedAt, name.CheckedAt = nil, domain.Words(err), p.Now(), time.Time{}
			return errors.Join(err, p.Store.PutPublishedName(context.WithoutCancel(ctx), name))
		}
	}
	return p.Store.DropPublishedName(ctx, name)
}

func listed(records []domain.DNSRecord) string {
	all := make([]string, len(records))
	for i, r := range records {
		all[i] = r.String()
	}
	return strings.Join(all, ", ")
}

// Pauses of the reconciler's pass over names.
const (
	nameRetry = 5 * time.Minute // after a provider refused
	nameCheck = time.Hour       // until records that are there are looked at again
	nameLooks = 20              // names that one pass looks at again at most
)

// names writes records that names lack, takes away those that they have no longer, and looks now and then whether they are still there.
func (p *pass) names(ctx context.Context) error {
	wanted, known, err := publicNames(ctx, p.Store, "")
	if err != nil {
		return err
	}
	looks := nameLooks
	for _, name := range wanted {
		before := known[name.Name]
		delete(known, name.Name)
		if p.Now().Sub(before.TriedAt) < nameRetry && before.DomainID != "" || p.busy(ctx, name.ContainerID) {
			continue
		}
		if !before.Has(name) {
			repair := domain.Repair{What: "public DNS differs", Subject: name.Name, Action: "write its records", Detail: listed(name.Records)}
			p.heal(ctx, repair, func() error { return p.Names.publish(ctx, name, before) })
		} else if looks > 0 && !p.DryRun && p.Now().Sub(before.CheckedAt) > nameCheck {
			looks--
			if err := p.Names.publish(ctx, name, before); err != nil {
				p.report(ctx, domain.Repair{What: "public DNS differs", Subject: name.Name, Action: "reported", Detail: words(err)})
			}
		}
	}
	for _, name := range known {
		if name.Message != "" && p.Now().Sub(name.TriedAt) < nameRetry || p.busy(ctx, name.ContainerID) {
			continue
		}
		repair := domain.Repair{What: "public DNS has a name that nothing is published under", Subject: name.Name, Action: "take its records away"}
		p.heal(ctx, repair, func() error { return p.Names.withdraw(ctx, name) })
	}
	return nil
}

// busy reports whether an operation that sees to it by itself is open on a container.
func (p *pass) busy(ctx context.Context, containerID string) bool {
	c, err := p.Store.Container(ctx, containerID)
	return err == nil && c.Operation != "" || err != nil && !domain.Is(err, domain.NotFound)
}
