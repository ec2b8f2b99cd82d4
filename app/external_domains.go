package app

import (
	"context"
	"net/url"

	"berth/domain"
	"berth/publicdns"
	"berth/store"
)

// ExternalDomains are the use cases on the public DNS zones that services are published under. Everybody may look at them,
// administrators change them.
type ExternalDomains struct{ *core }

// ExternalDomainInput is what makes an external domain.
type ExternalDomainInput struct {
	Name       string
	Site       string // name or ID of the default site; empty when there is one only
	AuthServer string // base URL of an oauth2-proxy; empty for none
	// ACMEAccounts are names or IDs of those that certificates are ordered from, in the order in which they are tried.
	ACMEAccounts []string
	DNS          domain.DNSProvider // the zero value means manual
	// RecordsForAll asks for public records of the default site's names too.
	RecordsForAll bool
}

// ExternalDomainPatch changes an external domain; nil leaves a value as it is. The name stays.
type ExternalDomainPatch struct {
	Site          *string
	AuthServer    *string
	ACMEAccounts  *[]string
	DNS           *domain.DNSProvider // whole, but for a secret that stays when provider and server do
	RecordsForAll *bool
}

// ExternalDomain is an external domain with the names of its default site and its ACME accounts.
type ExternalDomain struct {
	domain.ExternalDomain
	Site     string
	Accounts []string // in the order of their IDs in ACMEAccounts
}

// Create makes an external domain.
func (s *ExternalDomains) Create(
	ctx context.Context, actor domain.Actor, in ExternalDomainInput,
) (made ExternalDomain, err error) {
	at := attempt{action: "external-domain.create", resource: "external-domain", name: in.Name}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		provider, err := s.provider(ctx, in.Name, in.DNS, domain.DNSProvider{})
		if err != nil {
			return err
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			var f fields
			name, err := domain.PublicName(in.Name)
			if err != nil {
				f.fail("name", "%s", err)
			}
			home, err := siteOrOnly(ctx, tx, in.Site)
			if err != nil {
				if err := f.name("site", err); err != nil {
					return err
				}
			}
			accounts, err := acmeAccounts(ctx, tx, &f, in.ACMEAccounts)
			if err != nil {
				return err
			}
			d := domain.ExternalDomain{Name: name, SiteID: home.ID, AuthServer: in.AuthServer, ACMEAccounts: accounts, DNS: provider, RecordsForAll: in.RecordsForAll}
			validAuthServer(&f, in.AuthServer)
			if err := f.err("the external domain"); err != nil {
				return err
			}
			if err := tx.CreateExternalDomain(ctx, &d); err != nil {
				return err
			}
			if made, err = named(ctx, tx, d); err != nil {
				return err
			}
			at.resourceID, at.name = made.ID, made.Name
			return s.did(ctx, tx, actor, *at, "default site "+home.Name)
		})
	})
	if err != nil {
		return ExternalDomain{}, err
	}
	return made, nil
}

// provider checks who is said to answer for the zone of a domain, and asks them whether they let Berth change it.
func (s *ExternalDomains) provider(ctx context.Context, name string, given, before domain.DNSProvider) (domain.DNSProvider, error) {
	p, bad := domain.CleanDNSProvider(given, before)
	if len(bad) > 0 || !p.Writes() {
		return p, domain.InvalidFields("the external domain", bad)
	}
	if public, err := domain.PublicName(name); err == nil { // else Create says so
		zone, err := publicdns.Open(public, p, "", s.PublicDNS)
		if err == nil {
			err = zone.Check(ctx)
		}
		if err != nil {
			return p, err
		}
	}
	return p, nil
}

// validAuthServer wants a base URL and nothing that would mean something else once a path is put behind it.
func validAuthServer(f *fields, server string) {
	if server == "" {
		return
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" ||
		u.Fragment != "" || u.Path != "" || u.String() != server {
		f.fail("authServer", "must be a URL of scheme and host alone, such as https://auth.example.com")
	}
}

// Get returns an external domain by name or ID.
func (s *ExternalDomains) Get(ctx context.Context, actor domain.Actor, ref string) (ExternalDomain, error) {
	if err := s.read(ctx, actor, attempt{action: "external-domain.get", resource: "external-domain", name: ref}, toRead); err != nil {
		return ExternalDomain{}, err
	}
	d, err := externalDomain(ctx, s.Store, ref)
	if err != nil {
		return ExternalDomain{}, err
	}
	return named(ctx, s.Store, d)
}

// List returns the external domains.
func (s *ExternalDomains) List(ctx context.Context, actor domain.Actor, page Page) (List[ExternalDomain], error) {
	if err := s.read(ctx, actor, attempt{action: "external-domain.list", resource: "external-domain"}, toRead); err != nil {
		return List[ExternalDomain]{}, err
	}
	found, next, err := s.Store.ExternalDomains(ctx, page.stored())
	all := make([]ExternalDomain, len(found))
	for i, d := range found {
		if err == nil {
			all[i], err = named(ctx, s.Store, d)
		}
	}
	return listOf(all, next, err)
}

// Update changes an external domain, and with it what edges serve.
func (s *ExternalDomains) Update(
	ctx context.Context, actor domain.Actor, ref string, patch ExternalDomainPatch, ifMatch int64,
) (changed ExternalDomain, err error) {
	at := attempt{action: "external-domain.update", resource: "external-domain", name: ref}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		if patch.DNS != nil {
			d, err := externalDomain(ctx, s.Store, ref)
			if err != nil {
				return err
			}
			before, err := s.Store.DNSProvider(ctx, d.ID)
			if err != nil {
				return err
			}
			provider, err := s.provider(ctx, d.Name, *patch.DNS, before)
			if err != nil {
				return err
			}
			patch.DNS = &provider
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			d, err := externalDomain(ctx, tx, ref)
			if err != nil {
				return err
			}
			at.resourceID, at.name = d.ID, d.Name
			if err := matches("external domain "+d.Name, d.Version, ifMatch); err != nil {
				return err
			}
			var f fields
			if patch.Site != nil {
				home, err := site(ctx, tx, *patch.Site)
				if err != nil {
					if err := f.name("site", err); err != nil {
						return err
					}
				}
				d.SiteID = home.ID
			}
			put(&d.AuthServer, patch.AuthServer)
			validAuthServer(&f, d.AuthServer)
			put(&d.DNS, patch.DNS)
			put(&d.RecordsForAll, patch.RecordsForAll)
			if patch.ACMEAccounts != nil {
				if d.ACMEAccounts, err = acmeAccounts(ctx, tx, &f, *patch.ACMEAccounts); err != nil {
					return err
				}
			}
			if err := f.err("the external domain"); err != nil {
				return err
			}
			if err := tx.UpdateExternalDomain(ctx, &d); err != nil {
				return err
			}
			if changed, err = named(ctx, tx, d); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
	if err != nil {
		return ExternalDomain{}, err
	}
	s.publishAll(ctx)
	return changed, nil
}

// Delete forgets an external domain that nothing is published under.
func (s *ExternalDomains) Delete(ctx context.Context, actor domain.Actor, ref string, ifMatch int64) error {
	at := attempt{action: "external-domain.delete", resource: "external-domain", name: ref}
	return s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			d, err := externalDomain(ctx, tx, ref)
			if err != nil {
				return err
			}
			at.resourceID, at.name = d.ID, d.Name
			if err := matches("external domain "+d.Name, d.Version, ifMatch); err != nil {
				return err
			}
			if err := tx.DeleteExternalDomain(ctx, d.ID); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
}

func named(ctx context.Context, db *store.Store, d domain.ExternalDomain) (ExternalDomain, error) {
	home, err := db.Site(ctx, d.SiteID)
	out := ExternalDomain{ExternalDomain: d, Site: home.Name}
	for _, id := range d.ACMEAccounts {
		if err != nil {
			break
		}
		var a domain.ACMEAccount
		a, err = db.ACMEAccount(ctx, id)
		out.Accounts = append(out.Accounts, a.Name)
	}
	return out, err
}

func externalDomain(ctx context.Context, db *store.Store, ref string) (domain.ExternalDomain, error) {
	return lookup(ref,
		func(id string) (domain.ExternalDomain, error) { return db.ExternalDomain(ctx, id) },
		func(name string) (domain.ExternalDomain, error) { return db.ExternalDomainByName(ctx, name) })
}
