package client_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/client"
)

const ended = `{"id":"op-1","name":"provision web01","state":"succeeded","kind":"provision"}`

func event(seq int) string {
	return fmt.Sprintf(`{"seq":%d,"time":"2026-01-01T00:00:00Z","level":"info","message":"line %d"}`, seq, seq)
}

// follow follows op-1 and returns the numbers of its events.
func follow(t *testing.T, handler http.HandlerFunc) (seqs []int64, o *client.Operation, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	o, err = serve(t, handler).FollowOperation(ctx, "op-1", func(e client.OperationEvent) { seqs = append(seqs, e.Seq) })
	return seqs, o, err
}

func TestFollowGoesOnWhereAStreamBroke(t *testing.T) {
	var calls atomic.Int32
	seqs, o, err := follow(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		switch calls.Add(1) {
		case 1:
			fmt.Fprintf(w, ": following\n\nevent: log\nid: 1\ndata: %s\n\nevent: log\nid: 2\ndata: %s\n\nevent: log\nid: 3\nda", event(1), event(2))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case 2:
			if got := r.Header.Get("Last-Event-ID"); got != "2" {
				t.Errorf("Last-Event-ID is %q, want 2", got)
			}
			fmt.Fprintf(w, "event: log\nid: 2\ndata: %s\n\nevent: log\nid: 3\ndata: %s\n\n: alive\n\n", event(2), event(3))
			fmt.Fprintf(w, "event: state\ndata: {}\n\nevent: end\ndata: %s\n\n", ended)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{1, 2, 3}, seqs); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if o.State != client.OperationStateSucceeded {
		t.Errorf("the operation ended as %s", o.State)
	}
}

func TestFollowFallsBackToTheList(t *testing.T) {
	var polls atomic.Int32
	seqs, o, err := follow(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Header.Get("Accept") == "text/event-stream":
			fmt.Fprint(w, `{"items":[]}`) // a proxy that does not pass streams on
		case r.URL.Path == "/api/v1/operations/op-1" && polls.Add(1) == 1:
			fmt.Fprint(w, `{"id":"op-1","state":"running"}`)
		case r.URL.Path == "/api/v1/operations/op-1":
			fmt.Fprint(w, ended)
		case r.URL.Query().Get("after") == "0":
			fmt.Fprintf(w, `{"items":[%s]}`, event(1))
		default:
			fmt.Fprintf(w, `{"items":[%s]}`, event(2))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{1, 2}, seqs); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if o.State != client.OperationStateSucceeded {
		t.Errorf("the operation ended as %s", o.State)
	}
}

func TestFollowGivesUpOnWhatWaitingCannotMend(t *testing.T) {
	_, _, err := follow(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"type":"urn:berth:problem:not-found","title":"There is no such thing","status":404}`)
	})
	if err == nil || err.Error() != "There is no such thing" {
		t.Errorf("the error is %v", err)
	}
}

func TestFollowEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": following\n\n")
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	})
	if _, err := c.FollowOperation(ctx, "op-1", nil); err == nil {
		t.Error("an operation ended that nobody ended")
	}
}
