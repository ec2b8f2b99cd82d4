package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(registry *prometheus.Registry) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_http_requests_total",
			Help: "Requests that the API answered, by method, route and status.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "berth_http_request_duration_seconds",
			Help:    "Time until the answer was complete, by method and route. Long polls and event streams are in it.",
			Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"method", "route"}),
	}
	return m, errors.Join(registry.Register(m.requests), registry.Register(m.duration))
}

func (m *metrics) observe(method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(method, route).Observe(took.Seconds())
}

// exposition answers a scrape with Prometheus' own handler, which chooses the format by the request's headers.
type exposition struct {
	handler http.Handler
	request *http.Request
}

// VisitGetMetricsResponse writes the metrics.
func (e exposition) VisitGetMetricsResponse(w http.ResponseWriter) error {
	e.handler.ServeHTTP(w, e.request)
	return nil
}

// GetMetrics answers GET /metrics.
func (s *server) GetMetrics(ctx context.Context, _ GetMetricsRequestObject) (GetMetricsResponseObject, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	return exposition{promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{}), request}, nil
}

// GetSpecification answers GET /api/v1/openapi.yaml.
func (s *server) GetSpecification(context.Context, GetSpecificationRequestObject) (GetSpecificationResponseObject, error) {
	return GetSpecification200ApplicationYamlResponse{Body: bytes.NewReader(specification), ContentLength: int64(len(specification))}, nil
}
