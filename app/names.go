package app

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"berth/domain"
	"berth/store"
)

var identifier = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// lookup finds something by ID, if ref looks like one, else by name.
func lookup[T any](ref string, byID, byName func(string) (T, error)) (T, error) {
	if identifier.MatchString(ref) {
		found, err := byID(ref)
		if !domain.Is(err, domain.NotFound) {
			return found, err
		}
	}
	return byName(ref)
}

func cluster(ctx context.Context, db *store.Store, ref string) (domain.Cluster, error) {
	return lookup(ref,
		func(id string) (domain.Cluster, error) { return db.Cluster(ctx, id) },
		func(name string) (domain.Cluster, error) { return db.ClusterByName(ctx, name) })
}

func registry(ctx context.Context, db *store.Store, ref string) (domain.Registry, error) {
	return lookup(ref,
		func(id string) (domain.Registry, error) { return db.Registry(ctx, id) },
		func(name string) (domain.Registry, error) {
			host, err := domain.RegistryHost(name)
			if err != nil {
				return domain.Registry{}, missing("registry", shortened(name))
			}
			return db.RegistryByHost(ctx, host)
		})
}

func site(ctx context.Context, db *store.Store, ref string) (domain.Site, error) {
	return lookup(ref,
		func(id string) (domain.Site, error) { return db.Site(ctx, id) },
		func(name string) (domain.Site, error) { return db.SiteByName(ctx, name) })
}

// siteOrOnly finds a site, or with an empty ref the only one there is.
func siteOrOnly(ctx context.Context, db *store.Store, ref string) (domain.Site, error) {
	if ref != "" {
		return site(ctx, db, ref)
	}
	sites, _, err := db.Sites(ctx, store.Page{})
	if err != nil {
		return domain.Site{}, err
	}
	if len(sites) == 1 {
		return sites[0], nil
	}
	names := make([]string, len(sites))
	for i, s := range sites {
		names[i] = s.Name
	}
	if len(names) == 0 {
		return domain.Site{}, domain.Errorf(domain.Conflict, "there is no site yet: an administrator has to create one")
	}
	return domain.Site{}, domain.Errorf(domain.Conflict, "must be given, one of %s", strings.Join(names, ", "))
}

// node finds a node of a site or, with an empty siteID, of any.
func node(ctx context.Context, db *store.Store, siteID, ref string) (domain.Node, error) {
	return lookup(ref,
		func(id string) (domain.Node, error) {
			n, err := db.Node(ctx, id)
			if err == nil && siteID != "" && n.SiteID != siteID {
				return domain.Node{}, domain.Errorf(domain.NotFound, "node %s: not in this site", ref)
			}
			return n, err
		},
		func(name string) (domain.Node, error) { return db.NodeByName(ctx, siteID, name) })
}

func edge(ctx context.Context, db *store.Store, ref string) (domain.Edge, error) {
	return lookup(ref,
		func(id string) (domain.Edge, error) { return db.Edge(ctx, id) },
		func(name string) (domain.Edge, error) { return db.EdgeByName(ctx, "", name) })
}

// container finds a container that the actor may see, by ID or by name: of a site when one is given, else of any, where
// several matches are a Conflict that lists them. What the actor may not see does not exist for it, and is no match either.
func container(ctx context.Context, db *store.Store, actor domain.Actor, ref, siteRef string) (domain.Container, error) {
	siteID := ""
	if siteRef != "" {
		found, err := site(ctx, db, siteRef)
		if err != nil {
			return domain.Container{}, err
		}
		siteID = found.ID
	}
	return lookup(ref,
		func(id string) (domain.Container, error) {
			c, err := db.Container(ctx, id)
			if err == nil && (!sees(actor, c) || siteID != "" && c.SiteID != siteID) {
				return domain.Container{}, missing("container", ref)
			}
			return c, err
		},
		func(name string) (domain.Container, error) {
			if actor.Admin {
				return db.ContainerByName(ctx, siteID, name)
			}
			return ownContainer(ctx, db, actor.User, siteID, name)
		})
}

// ownContainer is the store's ContainerByName among the containers of one owner.
func ownContainer(ctx context.Context, db *store.Store, owner, siteID, name string) (domain.Container, error) {
	all, err := store.All(func(p store.Page) ([]domain.Container, string, error) {
		return db.Containers(ctx, store.ContainerFilter{Owner: owner, SiteID: siteID, Name: name}, p)
	})
	if err != nil {
		return domain.Container{}, err
	}
	best := map[string]domain.Container{} // by site: the holder of the name, else the newest
	var sites []string
	for _, c := range slices.Backward(all) {
		if c.Name != name { // the filter takes prefixes
			continue
		}
		have, ok := best[c.SiteID]
		if !ok {
			sites = append(sites, c.SiteID)
		}
		if !ok || have.Address == "" && c.Address != "" {
			best[c.SiteID] = c
		}
	}
	switch len(sites) {
	case 0:
		return domain.Container{}, missing("container", name)
	case 1:
		return db.Container(ctx, best[sites[0]].ID) // with its environment, which lists leave out
	}
	names := make([]string, len(sites))
	for i, id := range sites {
		found, err := db.Site(ctx, id)
		if err != nil {
			return domain.Container{}, err
		}
		names[i] = found.Name + "/" + name
	}
	slices.Sort(names)
	return domain.Container{}, domain.Errorf(domain.Conflict, "%d containers are called %s: name the site of the one you mean (%s)",
		len(names), name, strings.Join(names, ", "))
}

// sees reports whether an actor may know of a container.
func sees(actor domain.Actor, c domain.Container) bool { return actor.Admin || c.Owner == actor.User }

func missing(noun, ref string) error {
	return domain.Errorf(domain.NotFound, "%s %s: not found", noun, ref)
}
