package app

import (
	"context"
	"time"

	"berth/domain"
)

// OperationUpdate is one thing that happened to a watched operation.
type OperationUpdate struct {
	Event     *domain.OperationEvent // a new line in its log, or
	Operation *domain.Operation      // its new state
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// Watch returns what happens to an operation: first how it stands and the lines of its log after a number, then whatever comes,
// until it has ended or ctx has, which closes the channel. The last update of an operation that ended is the operation.
func (s *Operations) Watch(
	ctx context.Context, actor domain.Actor, id string, afterSeq int64,
) (<-chan OperationUpdate, error) {
	if _, err := s.Get(ctx, actor, id); err != nil {
		return nil, err
	}
	subscribed, cancel := context.WithCancel(ctx)
	// Subscribed before the first look, so that no change falls between the two.
	news := s.Watcher.Subscribe(subscribed, func(c domain.Change) bool { return c.Topic == domain.TopicOperation && c.ID == id })
	w := watch{core: s.core, id: id, seq: afterSeq, out: make(chan OperationUpdate)}
	go func() {
		defer close(w.out)
		defer cancel()
		for {
			ended, err := w.look(ctx)
			if err != nil && ctx.Err() == nil {
				s.Logger.WarnContext(ctx, "cannot watch the operation any more", "operation", id, "error", err)
			}
			if ended || err != nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-news:
			}
		}
	}()
	return w.out, nil
}

// watch is how far one watcher has got.
type watch struct {
	*core
	id      string
	seq     int64 // of the last line that was sent
	version int64 // of the operation as it was sent
	out     chan OperationUpdate
}

// look sends what is new. The state is read before the log and sent after it, so that nothing follows the end.
func (w *watch) look(ctx context.Context) (ended bool, err error) {
	op, err := w.Store.Operation(ctx, w.id)
	if err != nil {
		return false, err
	}
	for {
		events, err := w.Store.Events(ctx, w.id, w.seq)
		if err != nil {
			return false, err
		}
		for _, e := range events {
			if err := w.send(ctx, OperationUpdate{Event: &e}); err != nil {
				return false, err
			}
			w.seq = e.Seq
		}
		if len(events) == 0 {
			break
		}
	}
	if op.Version != w.version {
		w.version = op.Version
		if err := w.send(ctx, OperationUpdate{Operation: &op}); err != nil {
			return false, err
		}
	}
	return !op.State.Open(), nil
}

func (w *watch) send(ctx context.Context, u OperationUpdate) error {
	select {
	case w.out <- u:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
