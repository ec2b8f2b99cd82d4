package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxProblem bounds what is read of a failed answer, in bytes.
const maxProblem = 1 << 20

// problemType starts the type of every problem of Berth's.
const problemType = "urn:berth:problem:"

// Error returns the problem in words, with every offending field.
func (p *Problem) Error() string {
	text := p.Title
	if p.Detail != nil && *p.Detail != "" {
		text = *p.Detail
	}
	if p.Operation != nil {
		text += " (operation " + *p.Operation + ")"
	}
	return text
}

// Kind returns the stable name that ends the problem's type, such as "not-found".
func (p *Problem) Kind() string { return strings.TrimPrefix(p.Type, problemType) }

// Busy returns the ID of the operation that stands in the way; empty when none does.
func (p *Problem) Busy() string {
	if p.Operation == nil {
		return ""
	}
	return *p.Operation
}

// Unreachable says that no answer came from the server.
type Unreachable struct {
	URL string
	Err error
}

// Error returns what failed and what to look at.
func (u *Unreachable) Error() string {
	return fmt.Sprintf("the API at %s cannot be reached: %v", u.URL, u.Err)
}

// Unwrap returns the cause.
func (u *Unreachable) Unwrap() error { return u.Err }

// readProblem decodes the problem document of a failed answer. Something else in between, such as a proxy, is quoted.
func readProblem(response *http.Response) *Problem {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	if err != nil {
		body = nil
	}
	var p Problem
	if json.Unmarshal(body, &p) == nil && p.Type != "" {
		p.Status = response.StatusCode
		return &p
	}
	detail := strings.TrimSpace(string(body))
	if len(detail) > 200 {
		detail = detail[:200]
	}
	detail = strings.TrimSpace("the server answered " + response.Status + ", which is not an answer of Berth's. " + detail)
	return &Problem{Type: "about:blank", Title: http.StatusText(response.StatusCode), Status: response.StatusCode, Detail: &detail}
}
