package app

import (
	"context"
	"fmt"
	"strings"

	"berth/domain"
	"berth/store"
)

// Health tells whether the platform can do its job.
type Health struct{ *core }

// Ready is nil once a container could be created: SQL and Temporal answer, a worker polls, and some site has an online node
// of a cluster that is ready and has quorum, and an online edge. Otherwise it is Unavailable and says what is missing.
func (s *Health) Ready(ctx context.Context) error {
	if err := s.Store.Ping(ctx); err != nil {
		return domain.Errorf(domain.Unavailable, "the database does not answer: %w", err)
	}
	if err := s.Workflows.Healthy(ctx); err != nil {
		return domain.Errorf(domain.Unavailable, "no container can be created: %w", err)
	}
	sites, err := store.All(func(p store.Page) ([]domain.Site, string, error) { return s.Store.Sites(ctx, p) })
	if err != nil {
		return err
	}
	if len(sites) == 0 {
		return domain.Errorf(domain.Unavailable, "no container can be created: there is no site")
	}
	clusters, err := s.clusters(ctx)
	if err != nil {
		return err
	}
	var reasons []string
	for _, site := range sites {
		lacks, err := s.lacks(ctx, site, clusters)
		if err != nil {
			return err
		}
		if lacks == "" {
			return nil
		}
		reasons = append(reasons, fmt.Sprintf("site %s lacks %s", site.Name, lacks))
	}
	return domain.Errorf(domain.Unavailable, "no container can be created: %s", strings.Join(reasons, "; "))
}

func (s *Health) clusters(ctx context.Context) (map[string]domain.Cluster, error) {
	all, err := store.All(func(p store.Page) ([]domain.Cluster, string, error) { return s.Store.Clusters(ctx, p) })
	byID := map[string]domain.Cluster{}
	for _, c := range all {
		byID[c.ID] = c
	}
	return byID, err
}

// lacks says what a site is short of, or "" when a container could be created there.
func (s *Health) lacks(ctx context.Context, site domain.Site, clusters map[string]domain.Cluster) (string, error) {
	nodes, err := store.All(func(p store.Page) ([]domain.Node, string, error) {
		return s.Store.Nodes(ctx, store.NodeFilter{SiteID: site.ID}, p)
	})
	if err != nil {
		return "", err
	}
	edges, err := store.All(func(p store.Page) ([]domain.Edge, string, error) { return s.Store.Edges(ctx, site.ID, p) })
	if err != nil {
		return "", err
	}
	var lacks []string
	fit := false
	for _, n := range nodes {
		c := clusters[n.ClusterID]
		fit = fit || n.State == domain.NodeOnline && !n.Maintenance && c.State == domain.ClusterReady && c.Quorate
	}
	if !fit {
		lacks = append(lacks, "an online node of a ready cluster")
	}
	online := false
	for _, e := range edges {
		online = online || e.State == domain.EdgeOnline
	}
	if !online {
		lacks = append(lacks, "an online edge")
	}
	return strings.Join(lacks, " and "), nil
}
