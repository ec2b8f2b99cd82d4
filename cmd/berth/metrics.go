package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus" // the SDK of Temporal measures through OpenTelemetry
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	temporalotel "go.temporal.io/sdk/contrib/opentelemetry" // kept by Temporal itself

	"berth/domain"
	"berth/proxmox"
)

// metrics is what one process measures. Labels are templates, kinds and states, and the names of sites, edges and nodes, so
// that their number does not grow with that of containers.
type metrics struct {
	registry   *prometheus.Registry
	temporal   client.MetricsHandler
	operations *prometheus.HistogramVec
	calls      *prometheus.HistogramVec
}

// newMetrics makes the registry that /metrics answers from.
func newMetrics(logger *slog.Logger) (*metrics, error) {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		operations: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "berth_operation_duration_seconds",
			Help:    "From the request of an operation to its end, by kind and result.",
			Buckets: []float64{.25, .5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800},
		}, []string{"kind", "result"}),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "berth_proxmox_call_duration_seconds",
			Help:    "Requests to the Proxmox VE API, by call and status; the status is 0 when no answer came.",
			Buckets: []float64{.005, .02, .05, .1, .25, .5, 1, 3, 10, 40},
		}, []string{"call", "status"}),
	}
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(m.registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, fmt.Errorf("metrics of Temporal's SDK: %w", err)
	}
	// Its default buckets are for milliseconds, and the SDK measures seconds.
	seconds := metric.NewView(metric.Instrument{Name: "temporal_*", Kind: metric.InstrumentKindHistogram}, metric.Stream{
		Aggregation: metric.AggregationExplicitBucketHistogram{Boundaries: []float64{.005, .02, .05, .1, .25, .5, 1, 3, 10, 30, 120, 600}},
	})
	provider := metric.NewMeterProvider(metric.WithReader(exporter), metric.WithView(seconds))
	m.temporal = temporalotel.NewMetricsHandler(temporalotel.MetricsHandlerOptions{
		Meter: provider.Meter("temporal"), UseMonotonicCounters: true,
		OnError: func(err error) { logger.Warn("metric of Temporal's SDK lost", "error", err) },
	})
	return m, errors.Join(
		m.registry.Register(m.operations), m.registry.Register(m.calls), m.registry.Register(collectors.NewGoCollector()),
		m.registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})),
	)
}

// ended counts an operation that ended.
func (m *metrics) ended(o domain.Operation) {
	m.operations.WithLabelValues(string(o.Kind), string(o.State)).Observe(max(0, o.EndedAt.Sub(o.CreatedAt)).Seconds())
}

// called counts a request to Proxmox VE.
func (m *metrics) called(call proxmox.Call, status int, took time.Duration) {
	m.calls.WithLabelValues(name(call), strconv.Itoa(status)).Observe(took.Seconds())
}

func name(call proxmox.Call) string { return call.Method + " " + call.Path }

// handler answers GET /metrics of a process without an API.
func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
