package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Pauses of FollowOperation.
const (
	reconnectFirst = 200 * time.Millisecond // after a broken stream, doubled with each failure in a row
	reconnectMost  = 5 * time.Second
	patience       = 2 * time.Minute // without any answer before giving up: a server restarts in less
)

// FollowOperation calls event for each line of an operation's log, each once and in order, until the operation ends, and
// returns the operation as it ended. It reads the event stream, goes on where a broken one stopped, and falls back to
// reading the log as a list when streams do not get through. It gives up with the last error when the server was silent
// for two minutes, and at once when the answer is a problem that waiting cannot mend.
func (c *Client) FollowOperation(ctx context.Context, id string, event func(OperationEvent)) (*Operation, error) {
	f := follower{client: c, id: id, event: event, heard: time.Now()}
	pause := reconnectFirst
	for {
		before := f.last
		done, err := f.read(ctx)
		if done != nil {
			return done, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && !temporary(err) {
			return nil, err
		}
		if err == nil || f.last > before {
			f.heard, pause = time.Now(), reconnectFirst
		}
		if time.Since(f.heard) > patience {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, reconnectMost)
	}
}

type follower struct {
	client *Client
	id     string
	event  func(OperationEvent)
	last   int64     // seq of the last event handed on
	heard  time.Time // when the server last answered
	failed int       // streams that broke in a row without bringing anything
}

// read reads the stream, or the list after two streams in a row that brought nothing. It returns the operation once it has
// ended.
func (f *follower) read(ctx context.Context) (*Operation, error) {
	if f.failed >= 2 {
		return f.poll(ctx)
	}
	before := f.last
	done, err := f.stream(ctx)
	if done == nil && f.last == before {
		f.failed++
	} else {
		f.failed = 0
	}
	return done, err
}

func (f *follower) stream(ctx context.Context) (*Operation, error) {
	params := &ListOperationEventsParams{}
	if f.last > 0 {
		params.LastEventID = &f.last
	}
	response, err := f.client.stream.ListOperationEvents(ctx, f.id, params, func(_ context.Context, r *http.Request) error {
		r.Header.Set("Accept", "text/event-stream")
		return nil
	})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		f.failed++ // something in between does not pass streams on
		return nil, nil
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxProblem)
	var name, data string
	for lines.Scan() {
		field, text, _ := strings.Cut(lines.Text(), ":")
		text = strings.TrimPrefix(text, " ")
		switch field {
		case "event":
			name = text
		case "data":
			data += text
		case "":
			if lines.Text() != "" {
				continue // a heartbeat
			}
			done, err := f.dispatch(name, data)
			if done != nil || err != nil {
				return done, err
			}
			name, data = "", ""
		}
	}
	if err := lines.Err(); err != nil {
		return nil, &Unreachable{URL: f.client.Server(), Err: fmt.Errorf("the event stream broke: %w", err)}
	}
	return nil, nil
}

func (f *follower) dispatch(name, data string) (*Operation, error) {
	switch name {
	case "log":
		var e OperationEvent
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return nil, fmt.Errorf("reading an event: %w", err)
		}
		f.deliver(e)
	case "end":
		var operation Operation
		if err := json.Unmarshal([]byte(data), &operation); err != nil {
			return nil, fmt.Errorf("reading the end of an operation: %w", err)
		}
		return &operation, nil
	}
	return nil, nil
}

func (f *follower) deliver(e OperationEvent) {
	if e.Seq <= f.last {
		return
	}
	f.last = e.Seq
	if f.event != nil {
		f.event(e)
	}
}

// poll asks for the operation before its events, so that an ended operation's events are all there.
func (f *follower) poll(ctx context.Context) (*Operation, error) {
	operation, err := f.client.GetOperationWithResponse(ctx, f.id)
	if err != nil {
		return nil, err
	}
	if operation.JSON200 == nil {
		return nil, fmt.Errorf("the server answered %s without an operation", strconv.Itoa(operation.StatusCode()))
	}
	events, err := f.client.ListOperationEventsWithResponse(ctx, f.id, &ListOperationEventsParams{After: &f.last})
	if err != nil {
		return nil, err
	}
	if events.JSON200 != nil {
		for _, e := range events.JSON200.Items {
			f.deliver(e)
		}
	}
	if operation.JSON200.State.Open() {
		return nil, nil
	}
	return operation.JSON200, nil
}

// Open reports whether an operation in this state has not ended.
func (s OperationState) Open() bool {
	return s == OperationStatePending || s == OperationStateWaiting || s == OperationStateRunning
}

// temporary reports whether the same request may succeed later without anybody doing anything.
func temporary(err error) bool {
	var p *Problem
	if errors.As(err, &p) {
		return p.Status >= http.StatusInternalServerError || p.Status == http.StatusTooManyRequests
	}
	var u *Unreachable
	return errors.As(err, &u)
}

// Server returns the address of the API.
func (c *Client) Server() string {
	if raw, ok := c.ClientInterface.(*Raw); ok {
		return strings.TrimSuffix(raw.Server, "/")
	}
	return ""
}
