package app

import (
	"context"

	"berth/domain"
	"berth/store"
)

// Edges are the use cases on edges. Everybody may look at them, administrators change them.
type Edges struct{ *core }

// Enroll makes an edge of a site and the only token that it can ever have, which is shown this once. The name of a retired edge
// may be used again.
func (s *Edges) Enroll(
	ctx context.Context, actor domain.Actor, siteRef, name string,
) (made domain.Edge, token domain.Secret, err error) {
	at := attempt{action: "edge.enroll", resource: "edge", name: name}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		var f fields
		home, err := siteOrOnly(ctx, s.Store, siteRef)
		if err != nil {
			if err := f.name("site", err); err != nil {
				return err
			}
		}
		if !domain.ValidHostname(name) {
			f.fail("name", "must be 1 to 63 of a-z, 0-9 and -, and start and end with a letter or digit")
		}
		if err := f.err("the edge"); err != nil {
			return err
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			made = domain.Edge{Name: name, SiteID: home.ID}
			former, err := tx.EdgeByName(ctx, home.ID, name)
			if err == nil && former.State == domain.EdgeRetired {
				err = tx.DeleteEdge(ctx, former.ID)
			}
			if err != nil && !domain.Is(err, domain.NotFound) {
				return err
			}
			if err := freeName(ctx, tx, home.ID, "", name); err != nil {
				return err
			}
			if err := tx.CreateEdge(ctx, &made); err != nil {
				return err
			}
			t := domain.Token{Name: "edge " + name, Scopes: []domain.Scope{domain.ScopeEdge}, EdgeID: made.ID}
			if token, err = mint(ctx, tx, &t); err != nil {
				return err
			}
			at.resourceID = made.ID
			return s.did(ctx, tx, actor, *at, "site "+home.Name)
		})
	})
	if err != nil {
		return domain.Edge{}, "", err
	}
	return made, token, nil
}

// Get returns an edge by name or ID.
func (s *Edges) Get(ctx context.Context, actor domain.Actor, ref string) (domain.Edge, error) {
	if err := s.read(ctx, actor, attempt{action: "edge.get", resource: "edge", name: ref}, toRead); err != nil {
		return domain.Edge{}, err
	}
	e, err := edge(ctx, s.Store, ref)
	return revealed(actor, e), err
}

// List returns the edges of a site or, with an empty site, all.
func (s *Edges) List(ctx context.Context, actor domain.Actor, siteRef string, page Page) (List[domain.Edge], error) {
	if err := s.read(ctx, actor, attempt{action: "edge.list", resource: "edge"}, toRead); err != nil {
		return List[domain.Edge]{}, err
	}
	siteID := ""
	if siteRef != "" {
		found, err := site(ctx, s.Store, siteRef)
		if err != nil {
			return List[domain.Edge]{}, err
		}
		siteID = found.ID
	}
	all, next, err := s.Store.Edges(ctx, siteID, page.stored())
	for i, e := range all {
		all[i] = revealed(actor, e)
	}
	return listOf(all, next, err)
}

// revealed is what an actor may know of an edge: leases name other people's containers.
func revealed(actor domain.Actor, e domain.Edge) domain.Edge {
	if !actor.Admin {
		e.Leases = nil
	}
	return e
}

// Retire makes an edge count no longer, as when its host is gone for good, and voids its token.
func (s *Edges) Retire(ctx context.Context, actor domain.Actor, ref string) (retired domain.Edge, err error) {
	err = s.dismiss(ctx, actor, "edge.retire", ref, 0, func(tx *store.Store, e domain.Edge) error {
		if err := tx.RetireEdge(ctx, e.ID); err != nil {
			return err
		}
		retired, err = tx.Edge(ctx, e.ID)
		return err
	})
	return retired, err
}

// Delete forgets an edge and voids its token.
func (s *Edges) Delete(ctx context.Context, actor domain.Actor, ref string, ifMatch int64) error {
	return s.dismiss(ctx, actor, "edge.delete", ref, ifMatch, func(tx *store.Store, e domain.Edge) error {
		return tx.DeleteEdge(ctx, e.ID)
	})
}

func (s *Edges) dismiss(
	ctx context.Context, actor domain.Actor, action, ref string, ifMatch int64, do func(*store.Store, domain.Edge) error,
) error {
	var home domain.Site
	err := s.change(ctx, actor, attempt{action: action, resource: "edge", name: ref}, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			e, err := edge(ctx, tx, ref)
			if err != nil {
				return err
			}
			at.resourceID, at.name = e.ID, e.Name
			if err := matches("edge "+e.Name, e.Version, ifMatch); err != nil {
				return err
			}
			if home, err = tx.Site(ctx, e.SiteID); err != nil {
				return err
			}
			if err := do(tx, e); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "site "+home.Name)
		})
	})
	if err == nil {
		s.publish(ctx, home.ID, home.Name)
	}
	return err
}
