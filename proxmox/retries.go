package proxmox

import (
	"context"
	"time"

	"berth/domain"
)

// Schedule says how often and how late something is tried again.
type Schedule struct {
	Tries   int             // calls in all, the first included
	Backoff []time.Duration // longest pause before each further try; the last one repeats
}

// Schedules. The pauses are upper bounds: full jitter (a random part of each) keeps fifty creates that met the same
// storage lock from meeting it again together.
var (
	// ReadRetries is for GET: dial error, timeout, 59x, 502-504, and 500 with "got timeout".
	ReadRetries = Schedule{Tries: 4, Backoff: []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second}}
	// ChangeRetries is for calls and tasks that Proxmox refused or undid itself for a reason that passes: locks, no free worker.
	// Config locks are held for 10 s at a time, storage locks up to 60 s.
	ChangeRetries = Schedule{Tries: 6, Backoff: []time.Duration{
		1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second,
	}}
	// NewVMIDRetries is for a VMID that somebody else took: at once, with another one.
	NewVMIDRetries = Schedule{Tries: 5, Backoff: []time.Duration{0}}
	// QuorumRetries is for a cluster without quorum; reads go on meanwhile.
	QuorumRetries = Schedule{Tries: 20, Backoff: []time.Duration{30 * time.Second}}
)

// Pause returns how long to wait before try number next (2 is the first repetition); share is a random number in [0, 1).
func (s Schedule) Pause(next int, share float64) time.Duration {
	if len(s.Backoff) == 0 || next < 2 {
		return 0
	}
	return time.Duration(share * float64(s.Backoff[min(next-2, len(s.Backoff)-1)]))
}

// Deadlines by operation: how long a task may take before its outcome counts as unknown.
const (
	PullDeadline    = 15 * time.Minute // a large image over a slow line
	UploadDeadline  = 15 * time.Minute
	CreateDeadline  = 10 * time.Minute // unpacking a large image on slow disks
	StartDeadline   = 6 * time.Minute  // host-managed DHCP alone waits up to 300 s for a lease
	StopDeadline    = 1 * time.Minute
	DestroyDeadline = 5 * time.Minute
	ResizeDeadline  = 5 * time.Minute
	DeleteDeadline  = 2 * time.Minute // deleting an image
	SyncDeadline    = 5 * time.Minute // a realm
	MigrateDeadline = 30 * time.Minute
)

// ShutdownDeadline is that of a shutdown or reboot whose guest gets timeout to end.
func ShutdownDeadline(timeout time.Duration) time.Duration { return timeout + 30*time.Second }

// The breaker of a node: after so many failures in a row that never reached it, it is left alone for a while. Callers keep the
// count, as it has to hold across processes.
const (
	BreakerFailures = 3
	BreakerPause    = 60 * time.Second
)

// TripsBreaker says whether err counts towards the breaker of its node.
func TripsBreaker(err error) bool { return Unreachable(err) }

// Unreachable says whether err means that a node, or the whole API, could not be talked to.
func Unreachable(err error) bool {
	if err == nil {
		return false
	}
	name := Classify(err).Name
	return name == rowNodeUnreachable || name == rowAPIUnreachable
}

// Retry runs change until it ends with success, an error that a repetition does not heal, or the end of ChangeRetries. It never
// repeats what may have happened: an unknown outcome is returned at once.
func (c *Client) Retry(ctx context.Context, change func(context.Context) error) error {
	for try := 1; ; try++ {
		err := change(ctx)
		if err == nil || try >= ChangeRetries.Tries || domain.Is(err, domain.UnknownOutcome) ||
			Classify(err).Reaction != RetrySame {
			return err
		}
		if sleepErr := c.cfg.Sleep(ctx, ChangeRetries.Pause(try+1, c.cfg.Random())); sleepErr != nil {
			return err
		}
	}
}
