package main

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"
	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector takes spans as OpenTelemetry's own would.
type collector struct {
	mu   sync.Mutex
	raw  []byte
	seen map[string]map[string]bool // trace -> names of its spans
}

// collect starts a collector and names it in the environment.
func collect(t *testing.T) *collector {
	t.Helper()
	c := &collector{seen: map[string]map[string]bool{}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100000")
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var sent collectortrace.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(body, &sent) != nil {
		http.Error(w, "not an export of spans", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, body...)
	for _, resource := range sent.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				id := string(span.TraceId)
				if c.seen[id] == nil {
					c.seen[id] = map[string]bool{}
				}
				c.seen[id][span.Name] = true
			}
		}
	}
}

func (c *collector) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.raw)
}

// wantTraced looks for one trace that leads from a request through workflow and step to the node.
func (h *installation) wantTraced() {
	h.t.Helper()
	provider, ok := h.sys.traces.provider.(*sdktrace.TracerProvider)
	if !ok {
		h.t.Fatal("nothing is traced, although a collector is named")
	}
	h.must(provider.ForceFlush(h.t.Context()))
	h.spans.mu.Lock()
	defer h.spans.mu.Unlock()
	var names []string
	for _, trace := range h.spans.seen {
		if trace["POST /api/v1/containers"] && trace["RunWorkflow:Provision"] && trace["RunActivity:Create"] && trace["Proxmox POST /nodes/{node}/lxc"] {
			return
		}
		if trace["POST /api/v1/containers"] {
			names = append(names, strings.Join(slices.Sorted(maps.Keys(trace)), ", "))
		}
	}
	h.t.Errorf("no trace leads from request to node; those of requests have\n%s", strings.Join(names, "\n"))
}

func TestTracesAreOffUnlessNamed(t *testing.T) {
	for name, variables := range map[string]map[string]string{
		"no collector":   {},
		"switched off":   {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
		"metrics only":   {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
		"and on at last": {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, key := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"} {
				t.Setenv(key, variables[key])
			}
			made, err := newTraces(context.WithoutCancel(t.Context()))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = made.close() }()
			if _, off := made.provider.(noop.TracerProvider); off == strings.HasSuffix(name, "last") {
				t.Errorf("the spans go to %T", made.provider)
			}
		})
	}
}
