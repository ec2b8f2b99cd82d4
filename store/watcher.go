package store

import (
	"context"
	"sync"
	"time"

	"berth/domain"
)

// WatchInterval is how often a Watcher reads changes: with it, news crosses processes well within half a second.
const WatchInterval = 100 * time.Millisecond

const (
	watchBatch    = 1000
	pruneInterval = 5 * time.Minute
)

// restInterval lies between two reads at least: what comes in a burst is read together.
const restInterval = 10 * time.Millisecond

// Watcher tells subscribers what changed in the database, whichever process changed it: at once when it was this one. One per
// process is enough, and a second one would get the news later.
type Watcher struct {
	Interval time.Duration // between reads without news; WatchInterval unless changed before Run

	store *Store
	last  int64
	mu    sync.Mutex
	subs  map[*subscription]struct{}
}

// NewWatcher makes a watcher of all changes from now on.
func NewWatcher(ctx context.Context, s *Store) (*Watcher, error) {
	last, err := s.LastChange(ctx)
	if err != nil {
		return nil, err
	}
	return &Watcher{Interval: WatchInterval, store: s, last: last, subs: map[*subscription]struct{}{}}, nil
}

// Run reads changes until ctx ends, and prunes old ones. While the database cannot be reached it goes on trying: changes are
// numbered without gaps, so none is missed.
func (w *Watcher) Run(ctx context.Context) error {
	tick := time.NewTicker(w.Interval)
	defer tick.Stop()
	pruned := w.store.now()
	for {
		if err := w.read(ctx); err != nil && ctx.Err() == nil {
			w.store.log.WarnContext(ctx, "cannot read changes, trying again", "error", err)
		}
		if now := w.store.now(); now.Sub(pruned) > pruneInterval {
			pruned = now
			if _, err := w.store.PruneChanges(ctx); err != nil && ctx.Err() == nil {
				w.store.log.WarnContext(ctx, "cannot prune changes, trying again", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-w.store.news:
			if !rest(ctx, min(restInterval, w.Interval)) {
				return nil
			}
		}
	}
}

// rest waits for d and tells whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (w *Watcher) read(ctx context.Context) error {
	for {
		changes, err := w.store.Changes(ctx, w.last, watchBatch)
		if err != nil || len(changes) == 0 {
			return err
		}
		if changes[0].Seq != w.last+1 { // asleep for longer than changes are kept
			changes = append([]domain.Change{{Seq: changes[0].Seq - 1, Time: changes[0].Time}}, changes...)
		}
		w.mu.Lock()
		for sub := range w.subs {
			sub.add(changes)
		}
		w.mu.Unlock()
		w.last = changes[len(changes)-1].Seq
		if len(changes) < watchBatch {
			return nil
		}
	}
}

// Subscribe returns the changes from now on that filter takes, until ctx ends, which closes the channel; nil takes all. A reader
// that is slow loses nothing: changes wait for it, of one row only the last. A change without topic means that any row may
// have changed, as after the machine slept; it passes every filter.
func (w *Watcher) Subscribe(ctx context.Context, filter func(domain.Change) bool) <-chan domain.Change {
	sub := &subscription{
		filter: filter,
		out:    make(chan domain.Change),
		wake:   make(chan struct{}, 1),
		latest: map[rowKey]domain.Change{},
	}
	w.mu.Lock()
	w.subs[sub] = struct{}{}
	w.mu.Unlock()
	go func() {
		sub.deliver(ctx)
		w.mu.Lock()
		delete(w.subs, sub)
		w.mu.Unlock()
	}()
	return sub.out
}

type rowKey struct {
	topic domain.Topic
	id    string
}

// subscription is a queue between the watcher, which never waits, and a reader, which may.
type subscription struct {
	filter func(domain.Change) bool
	out    chan domain.Change
	wake   chan struct{}

	mu     sync.Mutex
	queue  []rowKey
	latest map[rowKey]domain.Change // what waits, by row
}

func (s *subscription) add(changes []domain.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range changes {
		if c.Topic != "" && s.filter != nil && !s.filter(c) {
			continue
		}
		key := rowKey{c.Topic, c.ID}
		if _, waits := s.latest[key]; !waits {
			s.queue = append(s.queue, key)
		}
		s.latest[key] = c
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscription) deliver(ctx context.Context) {
	defer close(s.out)
	for {
		c, ok := s.next()
		if !ok {
			select {
			case <-ctx.Done():
				return
			case <-s.wake:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case s.out <- c:
		}
	}
}

func (s *subscription) next() (domain.Change, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return domain.Change{}, false
	}
	key := s.queue[0]
	s.queue = s.queue[1:]
	c := s.latest[key]
	delete(s.latest, key)
	return c, true
}
