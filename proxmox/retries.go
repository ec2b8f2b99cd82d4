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
)

// Pause returns how long to wait before try number next (2 is the first repetition); share is a random number in [0, 1).
func (s Schedule) Pause(next int, share float64) time.Duration {
	if len(s.Backoff) == 0 || next < 2 {
		return 0
	}
	return time.Duration(share * float64(s.Backoff[min(next-2, len(s.Backoff)-1)]))
}

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
