package store

import (
	"context"
	"strings"

	"berth/domain"
)

// ContainerFilter picks containers; what is empty does not count.
type ContainerFilter struct {
	SiteID string
	Owner  string
	State  domain.ContainerState
	NodeID string // where it is placed
	Name   string // prefix
}

// Containers lists containers. Of the environment they carry the names, with empty values.
func (s *Store) Containers(ctx context.Context, f ContainerFilter, p Page) ([]domain.Container, string, error) {
	q := s.containerViews(ctx)
	for _, w := range []struct{ column, value string }{
		{"containers.site_id", f.SiteID},
		{"containers.owner", f.Owner},
		{"containers.state", string(f.State)},
		{"p.node_id", f.NodeID},
	} {
		if w.value != "" {
			q = q.Where(w.column+" = ?", w.value)
		}
	}
	if f.Name != "" { // a range instead of LIKE, which folds case on SQLite and needs escapes
		q = q.Where("containers.name >= ? AND containers.name < ?", f.Name, f.Name+strings.Repeat("\U0010ffff", 2))
	}
	id := func(v containerView) string { return v.Row.ID }
	views, next, err := paged(s, q, p, "containers.id", oldestFirst, id, "containers")
	if err != nil {
		return nil, "", err
	}
	list := make([]domain.Container, len(views))
	for i, v := range views {
		if list[i], err = s.container(v); err != nil {
			return nil, "", err
		}
		for name := range list[i].Spec.Env {
			list[i].Spec.Env[name] = ""
		}
	}
	return list, next, nil
}
