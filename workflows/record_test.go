package workflows_test

import (
	"bufio"
	"context"
	"flag"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"berth/domain"
	"berth/workflows"
)

// TestMain adds the flag that records fixtures.
func TestMain(m *testing.M) {
	flag.Bool("record", false, "record the histories of TestReplay again, with a real server from ../bin/berth-temporal")
	flag.Parse()
	os.Exit(m.Run())
}

// recorder stands in histories where the machine and process would be named.
const recorder = "recorder"

// recordAll runs every scenario on a real server and writes the histories down.
func recordAll(t *testing.T) {
	t.Helper()
	c, err := client.Dial(client.Options{
		HostPort: serveTemporal(t), Identity: recorder, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, s := range scenarios() {
		history := s.record(t, c)
		raw, err := temporalproto.CustomJSONMarshalOptions{Indent: " "}.Marshal(history)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(fixture(s.name), append(raw, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// serveTemporal runs a server with an empty database until the test ends, and returns its address.
func serveTemporal(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0") // the server takes no port 0, so one is borrowed for it
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	server := exec.CommandContext(t.Context(), "../bin/berth-temporal", "-data", t.TempDir(), "-listen", address, "-ui", "",
		"-search-attributes", strings.Join(domain.SearchAttributes(), ","), "-parent-pid", strconv.Itoa(os.Getpid()))
	server.Stderr = os.Stderr
	server.Cancel = func() error { return server.Process.Signal(os.Interrupt) }
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatalf("make bin/berth-temporal first: %v", err)
	}
	t.Cleanup(func() { _ = server.Wait() }) // it was told to end with the test
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, `"ready":true`) {
		t.Fatalf("the server did not start: it says %q (%v)", line, err)
	}
	return address
}

// record runs the scenario and returns the history of its first run.
func (s scenario) record(t *testing.T, c client.Client) *historypb.History {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	options := worker.Options{Identity: recorder, MaxHeartbeatThrottleInterval: 50 * time.Millisecond}
	s.script.cancel = func(ctx context.Context) {
		if err := c.CancelWorkflow(ctx, s.name, ""); err != nil {
			t.Error(err)
		}
		for tick := time.NewTicker(50 * time.Millisecond); ctx.Err() == nil; <-tick.C {
			activity.RecordHeartbeat(ctx) // its answer tells that the workflow was cancelled
		}
	}
	for _, queue := range []string{domain.TaskQueue, domain.PullQueue} {
		w := worker.New(c, queue, options)
		workflows.Register(w)
		s.script.register(w)
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
	}
	start := client.StartWorkflowOptions{ID: s.name, TaskQueue: domain.TaskQueue}
	var run client.WorkflowRun
	var err error
	if s.workflow == domain.WorkflowNetwork { // it is only ever started by a signal
		run, err = c.SignalWithStartWorkflow(ctx, s.name, domain.SignalNetworkChanged, nil, start, s.workflow, s.in)
	} else {
		run, err = c.ExecuteWorkflow(ctx, start, s.workflow, s.in)
	}
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	first := run.GetRunID()
	if err := run.Get(ctx, nil); err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	history := &historypb.History{}
	events := c.GetWorkflowHistory(ctx, s.name, first, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if queue := event.GetWorkflowTaskScheduledEventAttributes().GetTaskQueue(); queue.GetKind() == enumspb.TASK_QUEUE_KIND_STICKY {
			queue.Name = recorder // it holds the machine's name
		}
		history.Events = append(history.Events, event)
	}
	return history
}
