package api

import (
	"context"

	"berth/domain"
)

// names looks up what IDs are called, each once per request. What the caller may not see, or what is gone, keeps its ID as
// its name: an answer must not fail for want of a label.
type names struct {
	s        *server
	actor    domain.Actor
	sites    map[string]domain.Site
	clusters map[string]Ref
}

func (s *server) namesFor(actor domain.Actor) *names {
	return &names{s, actor, map[string]domain.Site{}, map[string]Ref{}}
}

func (n *names) site(ctx context.Context, id string) domain.Site {
	if site, ok := n.sites[id]; ok {
		return site
	}
	site, err := n.s.app.Sites.Get(ctx, n.actor, id)
	if err != nil {
		site = domain.Site{ID: id, Name: id}
	}
	n.sites[id] = site
	return site
}

func (n *names) siteRef(ctx context.Context, id string) Ref {
	return Ref{ID: id, Name: n.site(ctx, id).Name}
}

func (n *names) cluster(ctx context.Context, id string) Ref {
	if ref, ok := n.clusters[id]; ok {
		return ref
	}
	ref := Ref{ID: id, Name: id}
	if cluster, err := n.s.app.Clusters.Get(ctx, n.actor, id); err == nil {
		ref.Name = cluster.Name
	}
	n.clusters[id] = ref
	return ref
}
