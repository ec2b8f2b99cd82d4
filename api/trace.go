package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceparent carries the span of a caller, by W3C Trace Context.
var traceparent propagation.TraceContext //nolint:gochecknoglobals // it has no state

// trace puts the request into a span, below the caller's if it names one. The span has the route and no more: paths, queries
// and headers may hold anything.
func (s *server) trace(c *gin.Context) {
	known := s.routes[c.Request.Method+" "+c.FullPath()]
	if known == nil || public(known.Operation) {
		return // probes and scrapes would drown everything else
	}
	ctx := traceparent.Extract(c.Request.Context(), propagation.HeaderCarrier(c.Request.Header))
	ctx, span := s.tracer.Start(ctx, c.Request.Method+" "+c.FullPath(), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", c.Request.Method), attribute.String("http.route", c.FullPath()),
		attribute.String("berth.request", requestID(c)),
	))
	defer span.End()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
	span.SetAttributes(attribute.Int("http.response.status_code", c.Writer.Status()))
	if c.Writer.Status() >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(c.Writer.Status()))
	}
}
