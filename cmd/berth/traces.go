package main

import (
	"context"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	temporalotel "go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"

	"berth/domain"
)

// traces are the spans of one process, from requests through workflows and their steps to calls of Proxmox VE.
type traces struct {
	provider trace.TracerProvider
	close    func() error // sends what is left
}

// newTraces starts sending spans by OTLP over HTTP if the standard variables of OpenTelemetry name a collector; otherwise
// spans cost nothing. The variables are read by the exporter and the SDK themselves.
func newTraces(ctx context.Context) (*traces, error) {
	off := &traces{provider: noop.NewTracerProvider(), close: func() error { return nil }}
	endpoint := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") + os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	if endpoint == "" || strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return off, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, domain.Errorf(domain.Invalid, "the OTEL_EXPORTER_OTLP_* variables: %w", err)
	}
	// The arguments of the process stay out of the resource: an edge's may hold its token.
	about, err := resource.New(ctx, resource.WithHost(), resource.WithAttributes(
		attribute.String("service.name", "berth"), attribute.String("service.version", version()),
	), resource.WithFromEnv())
	if err != nil {
		return nil, domain.Errorf(domain.Invalid, "OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
	return &traces{provider: provider, close: func() error {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastSpans)
		defer cancel()
		return provider.Shutdown(last)
	}}, nil
}

// lastSpans is how long an ending process tries to send what it has.
const lastSpans = 3 * time.Second

// temporal carries spans through Temporal, in the headers of workflows and activities.
func (t *traces) temporal() (interceptor.ClientInterceptor, error) {
	return temporalotel.NewTracingInterceptor(temporalotel.TracerOptions{
		Tracer: t.provider.Tracer("temporal"), TextMapPropagator: propagation.TraceContext{},
	})
}
