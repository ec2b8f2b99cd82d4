package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"berth/app"
	"berth/domain"
)

func TestEventStream(t *testing.T) {
	updates := make(chan app.OperationUpdate)
	gone := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		if err := (eventStream{r.Context(), updates, time.Millisecond}).VisitListOperationEventsResponse(w); err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	go func() {
		updates <- app.OperationUpdate{Event: &domain.OperationEvent{Seq: 7, Step: "create", Level: "info", Message: "two\nlines"}}
		updates <- app.OperationUpdate{Operation: &domain.Operation{ID: "op-1", State: domain.OpRunning}}
		updates <- app.OperationUpdate{Operation: &domain.Operation{ID: "op-1", State: domain.OpSucceeded}}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := response.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	var all strings.Builder
	if _, err := io.Copy(&all, response.Body); err != nil {
		t.Fatal(err)
	}
	<-gone // the stream ends by itself with the operation
	for _, want := range []string{
		": following\n\n", "event: log\nid: 7\ndata: {", `two\nlines`, "event: state\n", "event: end\ndata: {", `"state":"succeeded"`,
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the stream lacks %q:\n%s", want, all.String())
		}
	}
}

func TestEventStreamHeartbeatAndEnd(t *testing.T) {
	updates := make(chan app.OperationUpdate)
	ctx, cancel := context.WithCancel(t.Context())
	w := &stopping{ResponseRecorder: httptest.NewRecorder(), stop: cancel, after: ": alive"}
	done := make(chan error, 1)
	go func() { done <- eventStream{ctx, updates, time.Millisecond}.VisitListOperationEventsResponse(w) }()
	select {
	case err := <-done:
		if err != nil || !strings.Contains(w.Body.String(), ": alive\n\n") {
			t.Errorf("%v, and the stream is %q", err, w.Body.String())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a quiet stream sends no heartbeat, or outlives its client")
	}
}

// stopping is a client that leaves once it has read something.
type stopping struct {
	*httptest.ResponseRecorder
	stop  func()
	after string
}

func (s *stopping) Write(p []byte) (int, error) {
	if strings.Contains(string(p), s.after) {
		s.stop()
	}
	return s.ResponseRecorder.Write(p)
}
