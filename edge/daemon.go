package edge

import (
	"context"

	"berth/domain"
	"berth/templates"
)

// Daemon is one program that an edge configures and keeps running.
type Daemon interface {
	// Apply makes the daemon serve a snapshot and returns once it was seen to. It is called again for the same snapshot
	// at every interval, to heal what was changed from outside, and costs next to nothing then. What had to be left out
	// is returned. On error the daemon serves what it served before, and the error carries the program's own words.
	Apply(ctx context.Context, snapshot domain.Snapshot) ([]templates.Problem, error)
	// Status returns what is reported about the daemon.
	Status(ctx context.Context) (Status, error)
	// Died yields a value after the daemon ended unasked. The next Apply starts it again.
	Died() <-chan struct{}
	// Detach stops looking after the daemon, which runs on.
	Detach()
	// Stop ends the daemon. It survives everything else, the end of the edge's own process included.
	Stop(ctx context.Context) error
}

// Status is what is reported about a daemon.
type Status struct {
	Name    string
	Version string
	Leases  []domain.Lease
	Reloads int64 // signals and restarts since the edge started, its first start left out
}
