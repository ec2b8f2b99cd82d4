package api

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// unfit is what no rule for people holds: marks of Go, of JSON Schema and of the validator.
var unfit = regexp.MustCompile(`(?i)schema|regexp|kin-openapi|unmarshal|strconv|parsing "|<nil>|%!|::|\.\.|contract`)

// TestBadInputIsNamedEverywhere sends a body that fits nowhere to every operation that takes one: a new operation is held
// to it too.
func TestBadInputIsNamedEverywhere(t *testing.T) {
	h := validating(t)
	asked := 0
	for _, r := range routesOf(contract(t)) {
		if r.Operation.RequestBody == nil {
			continue
		}
		asked++
		target := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(r.Path, "some")
		t.Run(r.Method+" "+r.Path, func(t *testing.T) {
			for _, body := range []string{`{"nonsense":[1]}`, `[]`, `"text"`, `{`} {
				w, p := request(t, h, r.Method, target, "", strings.NewReader(body))
				if w.Code != http.StatusUnprocessableEntity || p.Errors == nil {
					t.Fatalf("%s is answered with %d %s, want 422 with errors", body, w.Code, w.Body)
				}
				named := map[string]bool{}
				for _, e := range *p.Errors {
					named[e.Field] = true
					if e.Field == "" || !strings.Contains(e.Rule, " ") || unfit.MatchString(e.Rule) {
						t.Errorf("%s: field %q, rule %q", body, e.Field, e.Rule)
					}
					if !strings.Contains(value(p.Detail), e.Field+" "+e.Rule) {
						t.Errorf("%s: the detail %q leaves out %s", body, value(p.Detail), e.Field)
					}
				}
				closed := r.Operation.RequestBody.Value.Content["application/json"].Schema.Value.AdditionalProperties.Has
				if strings.Contains(body, "nonsense") && closed != nil && !*closed && !named["nonsense"] {
					t.Errorf("%s: the errors name %v", body, named)
				}
			}
		})
	}
	if asked < 10 {
		t.Errorf("%d operations were asked", asked)
	}
}
