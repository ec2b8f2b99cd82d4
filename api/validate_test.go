package api

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
)

// validating answers 204 to every request that the contract lets through.
func validating(t *testing.T) http.Handler {
	t.Helper()
	opts := quiet()
	s := &server{log: opts.Logger, routes: routesOf(contract(t))}
	e := gin.New()
	e.UseRawPath = true
	e.Use(s.identify, s.recovered, s.limit, s.validate)
	for _, r := range s.routes {
		e.Handle(r.Method, ginPath(r.Path), func(c *gin.Context) { c.Status(http.StatusNoContent) })
	}
	return e
}

func TestEveryOffendingFieldIsNamed(t *testing.T) {
	h := validating(t)
	for _, c := range []struct {
		name, method, target, body string
		want                       []string // offending fields; none when the request is fine
	}{
		{"fine", "POST", "/api/v1/containers", `{"name":"web01","image":"nginx","env":{"A":"b"}}`, nil},
		{"names with anything in them", "GET", "/api/v1/containers/a%2Fb", "", nil},
		{"no body", "POST", "/api/v1/containers", "", []string{"body"}},
		{"not JSON", "POST", "/api/v1/containers", "{", []string{"body"}},
		{
			"everything wrong", "POST", "/api/v1/containers",
			`{"name":"Web_01","image":"","cores":0,"memoryMiB":1,"diskGiB":"big","env":{"A":1},"colour":"red"}`,
			[]string{"colour", "cores", "diskGiB", "env.A", "image", "memoryMiB", "name"},
		},
		{"missing", "POST", "/api/v1/containers", `{}`, []string{"image", "name"}},
		{
			"what only the domain knows", "POST", "/api/v1/containers", `{"name":"_","image":"a b","env":{"1A":"x","B":"a\nb"}}`,
			[]string{"env.1A", "env.B", "image", "name"},
		},
		{
			"site", "POST", "/api/v1/sites",
			`{"name":"demo","domain":"Demo","cidr":"10.0.0.0/24","gateway":"10.0.1.1","rangeFirst":"10.0.0.9","rangeLast":"10.0.0.8","forwarders":["x",1]}`,
			[]string{"forwarders[1]"},
		},
		{
			"site, of the right shape", "POST", "/api/v1/sites",
			`{"name":"-","domain":"Demo","cidr":"10.0.0.0/24","gateway":"10.0.1.1","rangeFirst":"10.0.0.9","rangeLast":"10.0.0.8","forwarders":["x"]}`,
			[]string{"domain", "forwarders[0]", "gateway", "name", "rangeLast"},
		},
		{"query", "GET", "/api/v1/containers?limit=0&state=odd", "", []string{"limit", "state"}},
		{"query of the wrong type", "GET", "/api/v1/containers?limit=many", "", []string{"limit"}},
		{"required query", "GET", "/api/v1/images/inspect", "", []string{"reference"}},
		{"power", "POST", "/api/v1/containers/web01/power", `{"action":"explode","timeoutSeconds":0}`, []string{"action", "timeoutSeconds"}},
		{"null removes a variable", "PATCH", "/api/v1/containers/web01", `{"env":{"A":null}}`, nil},
		{"no body is needed", "POST", "/api/v1/reconcile", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, p := request(t, h, c.method, c.target, "", strings.NewReader(c.body))
			if c.want == nil {
				if w.Code != http.StatusNoContent {
					t.Fatalf("refused with %d: %s", w.Code, w.Body)
				}
				return
			}
			if w.Code != http.StatusUnprocessableEntity || p.Errors == nil {
				t.Fatalf("%d %s, want 422 with errors", w.Code, w.Body)
			}
			var fields []string
			for _, e := range *p.Errors {
				fields = append(fields, e.Field)
				if e.Rule == "" || strings.Contains(e.Rule, "contract") {
					t.Errorf("the rule of %s says %q, which helps nobody", e.Field, e.Rule)
				}
			}
			slices.Sort(fields)
			if diff := cmp.Diff(c.want, fields); diff != "" {
				t.Errorf("offending fields (-want +got):\n%s\n%s", diff, w.Body)
			}
		})
	}
}

func TestRulesNeverRepeatValues(t *testing.T) {
	w, _ := request(t, validating(t), "POST", "/api/v1/clusters", "",
		strings.NewReader(`{"endpoints":["https://a"],"tokenId":"hunter2","token":{"x":"hunter2"},"name":"hunter2 "}`))
	if w.Code != http.StatusUnprocessableEntity || strings.Contains(w.Body.String(), "hunter2") {
		t.Errorf("%d %s, want 422 without the values", w.Code, w.Body)
	}
}

func TestHeaders(t *testing.T) {
	h := validating(t)
	for header, fine := range map[string]bool{`"12"`: true, "*": true, `12`: false, `W/"12"`: false, `"a"`: false} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, "/api/v1/sites/demo", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("If-Match", header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if (w.Code == http.StatusNoContent) != fine {
			t.Errorf("If-Match: %s answers %d", header, w.Code)
		}
	}
	one, star := `"12"`, "*"
	for header, want := range map[*string]int64{nil: 0, &star: 0, &one: 12} {
		if got := ifMatch(header); got != want {
			t.Errorf("If-Match is version %d, want %d", got, want)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	body := append([]byte(`{"name":"`), bytes.Repeat([]byte("a"), maxBody)...)
	w, p := request(t, validating(t), "POST", "/api/v1/containers", "", bytes.NewReader(body))
	if w.Code != http.StatusRequestEntityTooLarge || p.Type != problemType+"too-large" {
		t.Errorf("a body beyond the limit answers %d %s", w.Code, p.Type)
	}
}
