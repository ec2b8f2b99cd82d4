package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"berth/domain"
	"berth/proxmox"
	"berth/store"
)

func TestFiguresAreTold(t *testing.T) {
	counted, now := 0, time.Now()
	f := &figures{now: func() time.Time { return now }, logger: slog.New(slog.DiscardHandler)}
	f.count = func(context.Context) (store.Figures, error) {
		counted++
		return store.Figures{
			Containers: []store.Counted{{One: "ready", Two: "running", N: 3}}, Attention: 2, Addresses: 1, OldestWaiter: 90 * time.Second,
			Nodes: []store.NodeFigures{{Node: "pve1", Cluster: "alpha", State: domain.NodeOnline, Slots: 2, Taken: 1, BreakerOpen: true}},
			Sites: []store.SiteFigures{{Site: "demo", Desired: 9, Published: 8, Edges: []store.EdgeFigures{{Edge: "edge1", Online: true, Applied: 5}}}},
		}, nil
	}
	want := `
# HELP berth_containers Containers, by state and power.
# TYPE berth_containers gauge
berth_containers{power="running",state="ready"} 3
# HELP berth_edge_revision_lag Published revisions that an edge does not serve yet.
# TYPE berth_edge_revision_lag gauge
berth_edge_revision_lag{edge="edge1",site="demo"} 3
# HELP berth_needs_attention Operations that a human has to look at, and after which no other one ran.
# TYPE berth_needs_attention gauge
berth_needs_attention 2
# HELP berth_node_breaker_open 1 while a node is left alone because it did not answer.
# TYPE berth_node_breaker_open gauge
berth_node_breaker_open{cluster="alpha",node="pve1"} 1
# HELP berth_node_slots_taken How many changes a node works on.
# TYPE berth_node_slots_taken gauge
berth_node_slots_taken{cluster="alpha",node="pve1"} 1
# HELP berth_oldest_pending_operation_seconds Age of the oldest operation that no worker took up; 0 when there is none.
# TYPE berth_oldest_pending_operation_seconds gauge
berth_oldest_pending_operation_seconds 90
# HELP berth_quarantined What nobody gets until an administrator frees it, by what it is.
# TYPE berth_quarantined gauge
berth_quarantined{what="address"} 1
berth_quarantined{what="vmid"} 0
`
	for range 2 {
		err := testutil.CollectAndCompare(f, strings.NewReader(want), "berth_containers", "berth_edge_revision_lag", "berth_needs_attention",
			"berth_node_breaker_open", "berth_node_slots_taken", "berth_oldest_pending_operation_seconds", "berth_quarantined")
		if err != nil {
			t.Error(err)
		}
	}
	if counted != 1 {
		t.Errorf("two scrapes at once were counted %d times, want once", counted)
	}
	now = now.Add(figuresAge)
	f.count = func(context.Context) (store.Figures, error) {
		return store.Figures{}, errors.New("the database is gone")
	}
	if n := testutil.CollectAndCount(f); n != 1 || testutil.ToFloat64(only(f, "berth_figures_ok")) != 0 {
		t.Errorf("%d figures are told of a database that is gone, want berth_figures_ok 0 alone", n)
	}
}

// only passes the one metric of a collector on that has a name.
func only(c prometheus.Collector, name string) prometheus.Collector { return one{c, name} }

type one struct {
	prometheus.Collector
	name string
}

func (o one) Collect(out chan<- prometheus.Metric) {
	all := make(chan prometheus.Metric)
	go func() { o.Collector.Collect(all); close(all) }()
	for m := range all {
		if strings.Contains(m.Desc().String(), `"`+o.name+`"`) {
			out <- m
		}
	}
}

func TestProcessIsMeasured(t *testing.T) {
	m, err := newMetrics(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	made := time.Now()
	m.ended(domain.Operation{Kind: domain.OpProvision, State: domain.OpSucceeded, CreatedAt: made, EndedAt: made.Add(3 * time.Second)})
	m.called(proxmox.Call{Method: "GET", Path: "/nodes/{node}/status"}, 200, 10*time.Millisecond)
	m.called(proxmox.Call{Method: "GET", Path: "/nodes/{node}/status"}, 0, time.Second)
	tagged := m.temporal.WithTags(map[string]string{"task_queue": "berth"})
	tagged.Counter("temporal_sticky_cache_hit").Inc(2)
	tagged.Timer("temporal_activity_execution_latency").Record(70 * time.Millisecond)
	tagged.Gauge("temporal_worker_task_slots_used").Update(4)
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`berth_operation_duration_seconds_bucket{kind="provision",result="succeeded",le="4"} 1`,
		`berth_operation_duration_seconds_bucket{kind="provision",result="succeeded",le="2"} 0`,
		`berth_proxmox_call_duration_seconds_count{call="GET /nodes/{node}/status",status="200"} 1`,
		`berth_proxmox_call_duration_seconds_count{call="GET /nodes/{node}/status",status="0"} 1`,
		`temporal_sticky_cache_hit_total{task_queue="berth"} 2`,
		`temporal_activity_execution_latency_seconds_bucket{task_queue="berth",le="0.1"} 1`,
		`temporal_activity_execution_latency_seconds_bucket{task_queue="berth",le="0.05"} 0`,
		`temporal_worker_task_slots_used{task_queue="berth"} 4`,
		`go_goroutines `, `process_open_fds `,
	} {
		if !strings.Contains(w.Body.String(), line) {
			t.Errorf("%s is missing in\n%s", line, w.Body)
		}
	}
}
