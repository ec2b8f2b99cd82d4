package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"

	"berth/proxmox"
)

// measure starts the process' traces and metrics, with those of its database connections.
func (s *system) measure(ctx context.Context) (err error) {
	if s.traces, err = newTraces(ctx); err != nil {
		return err
	}
	if s.metrics, err = newMetrics(s.logger); err != nil {
		return err
	}
	pool, err := s.store.Pool()
	if err != nil {
		return err
	}
	return s.metrics.registry.Register(collectors.NewDBStatsCollector(pool, "berth"))
}

// dial connects to Temporal with what this process measures.
func (s *system) dial(ctx context.Context) (client.Client, error) {
	spans, err := s.traces.temporal()
	if err != nil {
		return nil, err
	}
	return awaitTemporal(ctx, s.cfg, s.ring, s.logger,
		client.Options{MetricsHandler: s.metrics.temporal, Interceptors: []interceptor.ClientInterceptor{spans}})
}

// observe is told of requests to Proxmox VE, see proxmox.Config.
type observe = func(context.Context, proxmox.Call) func(status int)

// called measures a request to Proxmox VE, and puts it into a span. The span has the template of the path: what the node
// is told may hold secrets.
func (s *system) called(ctx context.Context, call proxmox.Call) func(status int) {
	started := time.Now()
	_, span := s.traces.provider.Tracer("berth/proxmox").Start(ctx, "Proxmox "+name(call), trace.WithSpanKind(trace.SpanKindClient))
	return func(status int) {
		s.metrics.called(call, status, time.Since(started))
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status == 0 || status >= http.StatusBadRequest {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}
