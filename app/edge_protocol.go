package app

import (
	"context"
	"strconv"
	"strings"
	"time"

	"berth/domain"
)

// longestPoll bounds how long an edge's request may wait.
const longestPoll = time.Minute

// Snapshot returns what the actor's edge has to serve. It waits, at most for wait, until that is newer than what etag stands
// for; changed is false when nothing was, and etag then stays good. An unknown or empty etag is answered at once.
func (s *Edges) Snapshot(
	ctx context.Context, actor domain.Actor, etag string, wait time.Duration,
) (snapshot domain.Snapshot, newETag string, changed bool, err error) {
	e, err := s.itself(ctx, actor)
	if err != nil {
		return domain.Snapshot{}, "", false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Subscribed before the first look, so that no change falls between the two.
	news := s.Watcher.Subscribe(ctx, func(c domain.Change) bool {
		return c.Topic == domain.TopicSite && c.ID == e.SiteID || c.Topic == domain.TopicEdge && c.ID == e.ID
	})
	timeout := time.NewTimer(min(max(wait, 0), longestPoll))
	defer timeout.Stop()
	for {
		home, err := s.Store.Site(ctx, e.SiteID)
		if err != nil {
			return domain.Snapshot{}, "", false, err
		}
		if stale(home, etag) {
			snapshot, err := s.Store.Snapshot(ctx, e.SiteID)
			return snapshot, tagOf(snapshot.SiteID, snapshot.Revision), err == nil, err
		}
		select {
		case <-ctx.Done():
			return domain.Snapshot{}, "", false, domain.Errorf(domain.Unavailable, "the edge stopped waiting: %w", ctx.Err())
		case <-timeout.C:
			return domain.Snapshot{}, etag, false, nil
		case <-news:
		}
		if e, err = s.itself(ctx, actor); err != nil { // it may have been retired
			return domain.Snapshot{}, "", false, err
		}
	}
}

// tagOf is the entity tag of a revision: opaque to edges, quoted as HTTP wants it (RFC 9110, 8.8.3).
func tagOf(siteID string, revision int64) string {
	return `"` + siteID + "." + strconv.FormatInt(revision, 10) + `"`
}

// stale reports whether an edge that holds what etag stands for needs another snapshot. One that is ahead of the site comes
// from before the database was put back to an older state.
func stale(home domain.Site, etag string) bool {
	tag := strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
	siteID, number, found := strings.Cut(tag, ".")
	revision, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil || siteID != home.ID {
		return true
	}
	return revision < home.Published || revision > home.Desired
}

// longestMessage bounds what is kept of an edge's own words.
const longestMessage = 4 << 10

// Report records what the actor's edge tells about itself.
func (s *Edges) Report(ctx context.Context, actor domain.Actor, report domain.EdgeReport) error {
	e, err := s.itself(ctx, actor)
	if err != nil {
		return err
	}
	home, err := s.Store.Site(ctx, e.SiteID)
	if err != nil {
		return err
	}
	var f fields
	if report.Address != "" && !within(home, report.Address) {
		f.fail("address", "must be an IPv4 address in the site's network %s", home.CIDR)
	}
	if err := f.err("the report"); err != nil {
		return err
	}
	if len(report.Message) > longestMessage {
		report.Message = strings.ToValidUTF8(report.Message[:longestMessage], "") + "..."
	}
	if report.Applied > home.Desired {
		report.Applied = 0 // of another time, see stale: it says nothing about what is served of this one
	}
	if err := s.Store.ReportEdge(ctx, e.ID, report); err != nil {
		return err
	}
	if report.Address != e.Address {
		s.publish(ctx, home.ID, home.Name)
	}
	return nil
}

// itself returns the edge that the actor is.
func (s *Edges) itself(ctx context.Context, actor domain.Actor) (domain.Edge, error) {
	if actor.EdgeID == "" {
		if actor.User == "" {
			return domain.Edge{}, domain.Errorf(domain.Unauthenticated, "the edge protocol needs the token of an edge")
		}
		err := domain.Errorf(domain.Forbidden, "the edge protocol is for edges, with the token that their enrolment gave")
		s.refused(ctx, actor, attempt{action: "edge.protocol", resource: "edge"}, err)
		return domain.Edge{}, err
	}
	if !actor.Has(domain.ScopeEdge) {
		return domain.Edge{}, domain.Errorf(domain.Forbidden, "the token lacks the scope %s", domain.ScopeEdge)
	}
	e, err := s.Store.Edge(ctx, actor.EdgeID)
	if domain.Is(err, domain.NotFound) || err == nil && e.State == domain.EdgeRetired {
		return domain.Edge{}, domain.Errorf(domain.Unauthenticated, "the edge is retired or deleted: enrol it anew")
	}
	return e, err
}
