package activities

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"berth/domain"
	"berth/store"
)

// Network waits for the edges of a site.
type Network struct {
	Store *store.Store
	// Changed tells the site's Network workflow that the desired revision rose.
	Changed func(ctx context.Context, siteID, site string) error
	// Poll is how often SQL is asked whether the edges are there.
	Poll   time.Duration
	Logger *slog.Logger
}

func (n *Network) journal() journal { return journal{n.Store, n.Logger} }

// AwaitServed waits until every edge of the site that is online, and at least one, serves a revision.
func (n *Network) AwaitServed(ctx context.Context, in domain.RevisionInput) (struct{}, error) {
	since := time.Now()
	var away []string
	err := n.wait(ctx, in, func(live, _ bool, waiting []string) bool {
		away = waiting
		return live
	})
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return struct{}{}, domain.Errorf(domain.Permanent, "No edge of site %s serves address and name in time (waited for %s); see `berth edge list`.",
			in.Site, orNone(away))
	}
	if err == nil {
		n.journal().add(ctx, in.OperationInput, "network",
			info, "The edges serve it, "+time.Since(since).Round(time.Millisecond).String()+" after they were asked.")
	}
	return struct{}{}, err
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "one to be enrolled"
	}
	return strings.Join(names, ", ")
}

// releaseShare is the share of its time after which AwaitReleased leaves the rest to the reconciler.
const releaseShare = 10

// AwaitReleased waits until every enrolled edge has let go of what a revision no longer has, and then frees it. Edges
// that are away do not hold it up for long: the reconciler frees it once they are back or retired.
func (n *Network) AwaitReleased(ctx context.Context, in domain.RevisionInput) (struct{}, error) {
	total := time.Until(activity.GetInfo(ctx).Deadline)
	bounded, cancel := context.WithTimeout(ctx, total/releaseShare)
	defer cancel()
	var away []string
	err := n.wait(bounded, in, func(_, releasable bool, waiting []string) bool {
		away = waiting
		return releasable
	})
	if ctx.Err() == nil && bounded.Err() != nil {
		n.journal().add(ctx, in.OperationInput, "release", warning,
			"What was given up stays reserved until these edges have let go of it or are retired: "+strings.Join(away, ", ")+".")
		return struct{}{}, nil
	}
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, drop(ctx, n.Store, in.ContainerID, in.Revision)
}

// drop frees what a container was releasing up to a revision of its site that no edge is behind.
func drop(ctx context.Context, db *store.Store, containerID string, revision int64) error {
	return db.Transact(ctx, func(tx *store.Store) error {
		if err := tx.DropReleased(ctx, containerID, revision); err != nil {
			return err
		}
		return tx.DropServices(ctx, containerID, revision)
	})
}

// AwaitLive waits until services are served by every edge of the site that is online, and at least one. It fails for good when
// an edge says that it leaves one out.
func (n *Network) AwaitLive(ctx context.Context, in domain.LiveInput) (struct{}, error) {
	since := time.Now()
	var waiting []string
	err := until(ctx, n.Poll, func() (bool, []string, error) {
		now, err := n.notLive(ctx, in)
		if err == nil {
			waiting = now
		}
		return len(now) == 0, now, err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return struct{}{}, domain.Errorf(domain.Permanent, "Not served in time: %s; see `berth edge list`.", strings.Join(waiting, ", "))
	}
	if err == nil {
		n.journal().add(ctx, in.OperationInput, "expose", info,
			"The edges serve it, "+time.Since(since).Round(time.Millisecond).String()+" after they were asked.")
	}
	return struct{}{}, err
}

// notLive names the services that are not live yet.
func (n *Network) notLive(ctx context.Context, in domain.LiveInput) (waiting []string, err error) {
	services, err := n.Store.Services(ctx, in.ContainerID)
	if err != nil {
		return nil, err
	}
	edges, err := all(func(p store.Page) ([]domain.Edge, string, error) { return n.Store.Edges(ctx, in.SiteID, p) })
	if err != nil {
		return nil, err
	}
	for _, v := range services {
		wanted := v.State == domain.ServiceRequested && (len(in.Services) == 0 || slices.Contains(in.Services, v.ID))
		if !wanted {
			continue
		}
		if by, ok := v.RefusedBy(edges); ok {
			return nil, domain.Errorf(domain.Permanent, "Edge %s leaves out %s: %s", by.Edge, v.Title(), by.Message)
		}
		waiting = append(waiting, v.Title())
	}
	return waiting, nil
}

func (n *Network) wait(ctx context.Context, in domain.RevisionInput, done func(live, releasable bool, waiting []string) bool) error {
	if err := n.Changed(ctx, in.SiteID, in.Site); err != nil {
		return domain.Errorf(domain.Unavailable, "cannot publish the network of site %s: %w", in.Site, err)
	}
	return until(ctx, n.Poll, func() (bool, []string, error) {
		live, releasable, waiting, err := n.Store.RevisionServed(ctx, in.SiteID, in.Revision)
		return err == nil && done(live, releasable, waiting), waiting, err
	})
}

// until asks again and again until something is done, and tells in its heartbeats what it still waits for.
func until(ctx context.Context, poll time.Duration, ask func() (done bool, waiting []string, err error)) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		done, waiting, err := ask()
		if err != nil || done {
			return err
		}
		activity.RecordHeartbeat(ctx, strings.Join(waiting, ", "))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
