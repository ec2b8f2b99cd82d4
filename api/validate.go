package api

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/gin-gonic/gin"

	"berth/domain"
)

// validate holds a request against the contract and lists every offending field.
func (s *server) validate(c *gin.Context) {
	route := s.routes[c.Request.Method+" "+c.FullPath()]
	if route == nil {
		return
	}
	if c.GetHeader("Content-Type") == "" && c.Request.ContentLength != 0 {
		c.Request.Header.Set("Content-Type", "application/json") // the only type there is
	}
	params := make(map[string]string, len(c.Params))
	for _, p := range c.Params {
		params[p.Key] = p.Value
	}
	err := openapi3filter.ValidateRequest(c.Request.Context(), &openapi3filter.RequestValidationInput{
		Request:    c.Request,
		PathParams: params,
		Route:      route,
		Options: &openapi3filter.Options{
			MultiError:          true,
			SkipSettingDefaults: true, // defaults are the domain's
			AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc,
		},
	})
	// The body is read: a deadline that fired later would end long polls.
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Time{})
	if err != nil {
		s.fail(c, s.invalid(c, err))
	}
}

// invalid turns the validator's findings into the one error that lists them all, together with what the domain has to say
// about the same body.
func (s *server) invalid(c *gin.Context, err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &httpError{
			http.StatusRequestEntityTooLarge, "too-large", "The request is too large",
			fmt.Sprintf("a request's body may have %d bytes", tooLarge.Limit),
		}
	}
	fields := offences(err, nil)
	fields = append(fields, furtherRules(s.routes[c.Request.Method+" "+c.FullPath()], c.Request)...)
	slices.SortStableFunc(fields, func(a, b domain.FieldError) int { return strings.Compare(a.Field, b.Field) })
	fields = slices.CompactFunc(fields, func(a, b domain.FieldError) bool { return a.Field == b.Field })
	return domain.InvalidFields("the request", fields)
}

// offences flattens the validator's nested errors into fields and rules.
func offences(err error, found []domain.FieldError) []domain.FieldError {
	switch e := err.(type) { //nolint:errorlint // the tree is walked by hand, as errors.As would stop at the first leaf
	case openapi3.MultiError:
		for _, one := range e {
			found = offences(one, found)
		}
		return found
	case *openapi3filter.RequestError:
		return offencesOfRequest(e, found)
	}
	return append(found, domain.FieldError{Field: "body", Rule: "must follow the API's contract"})
}

func offencesOfRequest(e *openapi3filter.RequestError, found []domain.FieldError) []domain.FieldError {
	prefix := ""
	if e.Parameter != nil {
		prefix = e.Parameter.Name
	}
	leaves := schemaErrors(e.Err, nil)
	for _, leaf := range leaves {
		pointer := leaf.JSONPointer()
		if leaf.SchemaField == "properties" { // an unknown field is named in the reason alone
			if name := quotedName.FindString(leaf.Reason); name != "" {
				pointer = append(pointer, strings.Trim(name, `"`))
			}
		}
		found = append(found, domain.FieldError{Field: fieldPath(prefix, pointer), Rule: rule(leaf)})
	}
	if len(leaves) > 0 {
		return found
	}
	var unparsed *openapi3filter.ParseError
	switch {
	case errors.Is(e.Err, openapi3filter.ErrInvalidRequired):
		return append(found, domain.FieldError{Field: orBody(prefix), Rule: "must be given"})
	case errors.As(e.Err, &unparsed) && e.Parameter != nil:
		return append(found, domain.FieldError{Field: prefix, Rule: "must be " + typeInWords(e.Parameter.Schema.Value)})
	case e.RequestBody != nil && e.Err == nil:
		return append(found, domain.FieldError{Field: "Content-Type", Rule: "must be application/json"})
	case e.RequestBody != nil:
		return append(found, domain.FieldError{Field: "body", Rule: "must be valid JSON"})
	}
	return append(found, domain.FieldError{Field: orBody(prefix), Rule: "must follow the API's contract"})
}

var quotedName = regexp.MustCompile(`"[^"]*"`)

func orBody(field string) string {
	if field == "" {
		return "body"
	}
	return field
}

// schemaErrors collects the leaves of a validation error.
func schemaErrors(err error, found []*openapi3.SchemaError) []*openapi3.SchemaError {
	switch e := err.(type) { //nolint:errorlint // see offences
	case openapi3.MultiError:
		for _, one := range e {
			found = schemaErrors(one, found)
		}
	case *openapi3.SchemaError:
		if inner := schemaErrors(e.Origin, nil); len(inner) > 0 {
			return append(found, inner...)
		}
		found = append(found, e)
	}
	return found
}

// fieldPath writes a JSON pointer the way FieldError does: "env.PATH", "forwarders[1]".
func fieldPath(prefix string, pointer []string) string {
	var b strings.Builder
	b.WriteString(prefix)
	for _, part := range pointer {
		if strings.Trim(part, "0123456789") == "" && b.Len() > 0 {
			b.WriteString("[" + part + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(part)
	}
	return orBody(b.String())
}
