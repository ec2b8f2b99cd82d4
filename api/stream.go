package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"berth/app"
)

// streamPatience is how long a client may take to read one event before the connection is given up.
const streamPatience = 20 * time.Second

// eventStream writes an operation's log as server-sent events (WHATWG HTML, 9.2): each line with its seq as the ID, so that
// a client that reconnects with Last-Event-ID misses nothing, and the operation itself when it has ended.
type eventStream struct {
	ctx       context.Context //nolint:containedctx // the generated Visit method has no place for it
	updates   <-chan app.OperationUpdate
	heartbeat time.Duration
}

// VisitListOperationEventsResponse writes until the operation has ended or the client is gone.
func (e eventStream) VisitListOperationEventsResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // NGINX would hold events back otherwise
	w.WriteHeader(http.StatusOK)
	out := &sseWriter{w: w, control: http.NewResponseController(w)}
	// A comment at once, so that clients and proxies see that the stream is there.
	if err := out.write(": following\n\n"); err != nil {
		return nil
	}
	beat := time.NewTicker(e.heartbeat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-e.ctx.Done():
			return nil
		case <-beat.C:
			err = out.write(": alive\n\n")
		case update, open := <-e.updates:
			if !open {
				return nil // the server stops, or fell behind: the client reconnects
			}
			var done bool
			if done, err = out.update(update); done {
				return nil
			}
		}
		if err != nil {
			return nil // the client is gone, and nobody is left to tell
		}
	}
}

type sseWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// update writes one update; done is true after the operation's end.
func (s *sseWriter) update(u app.OperationUpdate) (done bool, err error) {
	switch {
	case u.Event != nil:
		return false, s.event("log", u.Event.Seq, eventJSON(*u.Event))
	case u.Operation != nil && u.Operation.State.Open():
		return false, s.event("state", 0, operationJSON(*u.Operation))
	case u.Operation != nil:
		return true, s.event("end", 0, operationJSON(*u.Operation))
	}
	return false, nil
}

func (s *sseWriter) event(name string, id int64, body any) error {
	data, err := json.Marshal(body) // one line: JSON escapes line breaks
	if err != nil {
		return err
	}
	text := "event: " + name + "\n"
	if id > 0 {
		text += fmt.Sprintf("id: %d\n", id)
	}
	return s.write(text + "data: " + string(data) + "\n\n")
}

func (s *sseWriter) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(streamPatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}
