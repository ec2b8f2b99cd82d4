package api

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"berth/app"
)

func contract(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(Specification())
	if err != nil {
		t.Fatalf("openapi.yaml does not load: %v", err)
	}
	return doc
}

func newHandler(t *testing.T, opts Options) http.Handler {
	t.Helper()
	h, err := New(&app.App{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestContractIsValid(t *testing.T) {
	doc := contract(t)
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation()); err != nil {
		t.Errorf("openapi.yaml is not a valid OpenAPI document: %v", err)
	}
	tags := map[string]bool{}
	for _, tag := range doc.Tags {
		tags[tag.Name] = true
	}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			if o.OperationID == "" || o.Summary == "" {
				t.Errorf("%s %s lacks an operationId or a summary", method, path)
			}
			if len(o.Tags) != 1 || !tags[o.Tags[0]] {
				t.Errorf("%s %s has tags %v, want one that the document describes", method, path, o.Tags)
			}
			if !public(o) && o.Responses.Default() == nil {
				t.Errorf("%s %s does not say that it may answer a problem", method, path)
			}
		}
	}
}

func TestEveryOperationHasAHandler(t *testing.T) {
	served := map[string]bool{}
	engine, ok := newHandler(t, Options{}).(*gin.Engine)
	if !ok {
		t.Fatal("the handler is not Gin's engine")
	}
	for _, r := range engine.Routes() {
		served[r.Method+" "+r.Path] = true
	}
	handlers := reflect.TypeFor[StrictServerInterface]()
	routes := routesOf(contract(t))
	for key, r := range routes {
		if !served[key] {
			t.Errorf("%s is in openapi.yaml and not served", key)
		}
		name := strings.ToUpper(r.Operation.OperationID[:1]) + r.Operation.OperationID[1:]
		if _, ok := handlers.MethodByName(name); !ok {
			t.Errorf("operation %s has no handler: run make generate", r.Operation.OperationID)
		}
	}
	for key := range served {
		if routes[key] == nil {
			t.Errorf("%s is served and not in openapi.yaml", key)
		}
	}
	for id := range timeouts {
		found := false
		for _, r := range routes {
			found = found || r.Operation.OperationID == id
		}
		if !found {
			t.Errorf("a timeout is set for %s, which is no operation", id)
		}
	}
}

// Secrets go in and never come out, except where a new token is shown once.
func TestAnswersHoldNoSecrets(t *testing.T) {
	doc := contract(t)
	for _, name := range []string{"Cluster", "Node", "Edge", "Container", "Token"} {
		for field := range doc.Components.Schemas[name].Value.Properties {
			if field == "token" || field == "secret" || field == "env" {
				t.Errorf("%s answers %s", name, field)
			}
		}
	}
	for _, path := range []struct{ schema, field string }{
		{"ClusterCreate", "token"},
		{"ClusterUpdate", "token"},
		{"NodeCreate", "token"},
		{"ContainerCreate", "env"},
		{"ContainerUpdate", "env"},
	} {
		if !doc.Components.Schemas[path.schema].Value.Properties[path.field].Value.WriteOnly {
			t.Errorf("%s.%s is not marked write-only", path.schema, path.field)
		}
	}
}
