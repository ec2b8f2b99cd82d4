package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"berth/domain"
)

// rule says in words what a field must be; it never repeats the value, which may be a secret.
func rule(e *openapi3.SchemaError) string {
	s := e.Schema
	switch e.SchemaField {
	case "required":
		return "must be given"
	case "properties", "additionalProperties":
		return "is not known here"
	case "minimum", "maximum":
		return between("", s.Min, s.Max)
	case "minLength", "maxLength":
		if s.MinLength > 0 && s.MaxLength == nil {
			return "must not be empty"
		}
		return between("characters", floatOf(s.MinLength), floatOfPtr(s.MaxLength))
	case "minItems", "maxItems":
		return between("items", floatOf(s.MinItems), floatOfPtr(s.MaxItems))
	case "minProperties", "maxProperties":
		return between("entries", floatOf(s.MinProps), floatOfPtr(s.MaxProps))
	case "enum":
		words := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			words[i] = fmt.Sprint(v)
		}
		return "must be one of " + strings.Join(words, ", ")
	case "pattern":
		if s.Description != "" {
			return "must be " + lowerFirst(s.Description)
		}
		return "must match " + s.Pattern
	case "type", "format", "nullable":
		return "must be " + typeInWords(s)
	}
	return "must follow the API's contract: " + e.SchemaField
}

func floatOf(n uint64) *float64 {
	f := float64(n)
	return &f
}

func floatOfPtr(n *uint64) *float64 {
	if n == nil {
		return nil
	}
	return floatOf(*n)
}

func between(unit string, lowest, highest *float64) string {
	number := func(f *float64) string { return strconv.FormatFloat(*f, 'f', -1, 64) }
	text := ""
	switch {
	case lowest != nil && highest != nil:
		text = "must be between " + number(lowest) + " and " + number(highest)
	case lowest != nil:
		text = "must be at least " + number(lowest)
	case highest != nil:
		text = "must be at most " + number(highest)
	}
	return strings.TrimSpace(text + " " + unit)
}

// typeInWords names the type that a schema asks for.
func typeInWords(s *openapi3.Schema) string {
	switch {
	case s.Format == "date-time":
		return "a time such as 2027-01-31T12:00:00Z"
	case s.Type.Is("integer"):
		return "a whole number"
	case s.Type.Is("number"):
		return "a number"
	case s.Type.Is("boolean"):
		return "true or false"
	case s.Type.Is("array"):
		return "a list"
	case s.Type.Is("object"):
		return "an object"
	}
	return "a text"
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}

// furtherRules asks the domain about a body that broke the contract, where the domain knows rules that a schema cannot say,
// so that one answer lists everything. A body of the wrong shape has been reported already.
func furtherRules(r *route, request *http.Request) []domain.FieldError {
	if r == nil || request.Body == nil {
		return nil
	}
	switch r.Operation.OperationID {
	case "createContainer":
		var body ContainerCreate
		if decode(request.Body, &body) {
			return specOf(&body).WithDefaults().Validate()
		}
	case "createSite":
		var body SiteCreate
		if decode(request.Body, &body) {
			return (&domain.Site{
				Name: body.Name, Domain: body.Domain, CIDR: body.CIDR, Gateway: body.Gateway, RangeFirst: body.RangeFirst,
				RangeLast: body.RangeLast, DynamicFirst: value(body.DynamicFirst), DynamicLast: value(body.DynamicLast),
				Nameservers: value(body.Nameservers), Forwarders: value(body.Forwarders),
			}).Validate()
		}
	}
	return nil
}

func decode(body io.Reader, into any) bool { return json.NewDecoder(body).Decode(into) == nil }

// specOf reads what a container is asked to be.
func specOf(body *ContainerCreate) domain.Spec {
	return domain.Spec{
		Image: body.Image, Cores: value(body.Cores), MemoryMiB: value(body.MemoryMiB), SwapMiB: value(body.SwapMiB),
		DiskGiB: value(body.DiskGiB), Env: value(body.Env), Entrypoint: value(body.Entrypoint), NodeID: value(body.Node),
	}
}

var durationParts = regexp.MustCompile(`^([0-9]+(h|m|s))+$`)

// durationOf reads a duration that the contract's pattern let through; one that is too long for Go is refused.
func durationOf(field string, text *string) (time.Duration, error) {
	if text == nil || !durationParts.MatchString(*text) {
		return 0, nil
	}
	d, err := time.ParseDuration(*text)
	if err != nil {
		return 0, domain.InvalidFields("the request", []domain.FieldError{{Field: field, Rule: "must be a duration such as 12h or 30m"}})
	}
	return d, nil
}
