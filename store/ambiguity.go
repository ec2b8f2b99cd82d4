package store

import (
	"context"
	"strings"

	"berth/domain"
)

// unambiguous is nil when a name matched in exactly one site; several matches are listed as site/name.
func (s *Store) unambiguous(ctx context.Context, noun, name string, siteIDs []string) error {
	switch len(siteIDs) {
	case 0:
		return domain.Errorf(domain.NotFound, "%s %s: not found", noun, name)
	case 1:
		return nil
	}
	var names []string
	err := s.q(ctx).Model(&siteRow{}).Where("id IN ?", siteIDs).Order("name").Pluck("name", &names).Error
	if err != nil {
		return s.fault(err, "list sites")
	}
	for i, site := range names {
		names[i] = site + "/" + name
	}
	return domain.Errorf(domain.Conflict, "%d %ss are called %s: name the site of the one you mean (%s)",
		len(siteIDs), noun, name, strings.Join(names, ", "))
}
