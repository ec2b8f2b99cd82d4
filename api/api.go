package api

import (
	_ "embed"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"berth/app"
)

//go:embed openapi.yaml
var specification []byte

// Specification returns the contract, openapi.yaml.
func Specification() []byte { return specification }

// Options is what the handler needs besides the use cases. The zero value works.
type Options struct {
	Logger         *slog.Logger         // access log and failures; slog.Default when nil
	Registry       *prometheus.Registry // what /metrics answers from, and where the API's own metrics go; a new one when nil
	TrustedProxies []string             // addresses or networks whose X-Forwarded-For counts; none when empty
	Traces         trace.TracerProvider // where the spans of requests go; nowhere when nil
	Heartbeat      time.Duration        // between comments on a quiet event stream; 15s when 0
}

// The limits of one request.
const (
	maxBody     = 1 << 20          // bytes; environments of 500 variables fit
	bodyTimeout = 20 * time.Second // for the body to arrive, and for the answer to leave beyond the operation's own time
)

// server holds what handlers share. It implements the StrictServerInterface that the contract asks for.
type server struct {
	app       *app.App
	log       *slog.Logger
	registry  *prometheus.Registry
	metrics   *metrics
	tracer    trace.Tracer
	routes    map[string]*route // by "METHOD /path/:param"
	heartbeat time.Duration
	now       func() time.Time
}

var _ StrictServerInterface = (*server)(nil)

// New returns the handler of the whole API. TLS, listening and timeouts of idle connections are the caller's; its
// http.Server must leave ReadTimeout and WriteTimeout at zero, as each operation sets its own.
func New(a *app.App, opts Options) (http.Handler, error) {
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.Registry == nil {
		opts.Registry = prometheus.NewRegistry()
	}
	if opts.Traces == nil {
		opts.Traces = noop.NewTracerProvider()
	}
	if opts.Heartbeat == 0 {
		opts.Heartbeat = 15 * time.Second
	}
	contract, err := openapi3.NewLoader().LoadFromData(specification)
	if err != nil {
		return nil, fmt.Errorf("reading the API's contract: %w", err)
	}
	measured, err := newMetrics(opts.Registry)
	if err != nil {
		return nil, fmt.Errorf("registering the API's metrics: %w", err)
	}
	s := &server{
		app: a, log: opts.Logger, registry: opts.Registry, metrics: measured, tracer: opts.Traces.Tracer("berth/api"),
		routes: routesOf(contract), heartbeat: opts.Heartbeat, now: time.Now,
	}
	return s.engine(opts.TrustedProxies)
}

func (s *server) engine(proxies []string) (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode) // otherwise Gin prints its routes to standard output
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false // an unknown path is a 404 document, not a redirect
	e.UseRawPath = true             // names may hold an escaped slash
	e.ContextWithFallback = true    // handlers see the request's deadline and values through Gin's context
	if err := e.SetTrustedProxies(proxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	e.Use(s.identify, s.trace, s.record, s.recovered, s.limit, s.authenticate, s.validate)
	e.NoRoute(s.noRoute)
	e.NoMethod(s.noMethod)
	strict := NewStrictHandlerWithOptions(s, nil, StrictGinServerOptions{
		RequestErrorHandlerFunc:  s.fail,
		HandlerErrorFunc:         s.fail,
		ResponseErrorHandlerFunc: s.fail,
	})
	RegisterHandlersWithOptions(e, strict, GinServerOptions{
		ErrorHandler: func(c *gin.Context, err error, _ int) { s.fail(c, err) },
	})
	return e, nil
}
