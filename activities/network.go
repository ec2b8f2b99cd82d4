package activities

import (
	"context"
	"errors"
	"log/slog"
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
			"Address and name stay reserved until these edges have let go of them or are retired: "+strings.Join(away, ", ")+".")
		return struct{}{}, nil
	}
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, n.Store.DropReleased(ctx, in.ContainerID)
}

func (n *Network) wait(ctx context.Context, in domain.RevisionInput, done func(live, releasable bool, waiting []string) bool) error {
	if err := n.Changed(ctx, in.SiteID, in.Site); err != nil {
		return domain.Errorf(domain.Unavailable, "cannot publish the network of site %s: %w", in.Site, err)
	}
	tick := time.NewTicker(n.Poll)
	defer tick.Stop()
	for {
		live, releasable, waiting, err := n.Store.RevisionServed(ctx, in.SiteID, in.Revision)
		if err != nil {
			return err
		}
		if done(live, releasable, waiting) {
			return nil
		}
		activity.RecordHeartbeat(ctx, strings.Join(waiting, ", "))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
