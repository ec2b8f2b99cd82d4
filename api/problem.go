package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"berth/domain"
)

// problemType starts every problem's type; the stable name of the error kind follows.
const problemType = "urn:berth:problem:"

// titles says in words what each kind of error means. Tests hold it against domain.Kinds.
var titles = map[domain.Kind]string{
	domain.Internal:        "Something went wrong inside Berth",
	domain.Invalid:         "The request is not valid",
	domain.Unauthenticated: "Authentication is required",
	domain.Forbidden:       "The caller may not do this",
	domain.NotFound:        "There is no such thing",
	domain.Conflict:        "Something stands in the way",
	domain.Precondition:    "The object was changed in between",
	domain.Limited:         "A limit is reached",
	domain.Busy:            "Another operation is running",
	domain.Unavailable:     "A part of the system cannot be reached",
	domain.Transient:       "It did not work this time",
	domain.Permanent:       "The outside world refused",
	domain.UnknownOutcome:  "It is not known whether it took effect",
}

// httpError is a failure that belongs to HTTP alone and so has no domain.Kind, such as a method that a path lacks.
type httpError struct {
	status int
	name   string // ends the problem's type
	title  string
	detail string
}

func (e *httpError) Error() string { return e.detail }

// problemOf translates an error into the document that describes it. What an Internal error says stays in the log.
func problemOf(err error, requestID string) Problem {
	var he *httpError
	if errors.As(err, &he) {
		return Problem{
			Type: problemType + he.name, Title: he.title, Status: he.status, Detail: optional(he.detail), Instance: optional(requestID),
		}
	}
	if errors.Is(err, context.DeadlineExceeded) && domain.KindOf(err) == domain.Internal {
		err = &domain.Error{Kind: domain.Unavailable, Message: "the request took too long; look at what it asked for before trying again", Err: err}
	}
	kind := domain.KindOf(err)
	problem := Problem{
		Type: problemType + kind.String(), Title: titles[kind], Status: kind.Policy().HTTP, Instance: optional(requestID),
	}
	var e *domain.Error
	if kind == domain.Internal || !errors.As(err, &e) {
		problem.Detail = optional("the log of the server has the details under the ID in instance")
		return problem
	}
	problem.Detail = optional(domain.Words(err))
	problem.Operation = optional(e.Operation)
	if len(e.Fields) > 0 {
		fields := make([]FieldError, len(e.Fields))
		for i, f := range e.Fields {
			fields[i] = FieldError{Field: f.Field, Rule: f.Rule}
		}
		problem.Errors = &fields
	}
	return problem
}

// fail ends the request with the problem that err is.
func (s *server) fail(c *gin.Context, err error) {
	problem := problemOf(err, requestID(c))
	level := slog.LevelDebug
	if problem.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	s.log.Log(c.Request.Context(), level, "request failed", "request", requestID(c), "status", problem.Status, "error", err.Error())
	c.Abort()
	if c.Writer.Written() {
		return // the answer has begun: all that is left is to break it off
	}
	var e *domain.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	if problem.Status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", `Bearer realm="berth"`)
	}
	body, err := json.Marshal(problem)
	if err != nil {
		c.Status(http.StatusInternalServerError)
		return
	}
	c.Data(problem.Status, "application/problem+json", body)
}

// noRoute answers paths that the contract does not know.
func (s *server) noRoute(c *gin.Context) {
	s.fail(c, domain.Errorf(domain.NotFound, "there is nothing at %s; /api/v1/openapi.yaml describes what there is", c.Request.URL.Path))
}

// noMethod answers methods that a path lacks; Gin has set Allow.
func (s *server) noMethod(c *gin.Context) {
	allowed := strings.Join(c.Writer.Header().Values("Allow"), ", ")
	s.fail(c, &httpError{
		http.StatusMethodNotAllowed, "method-not-allowed", "The path does not take this method",
		c.Request.Method + " is not possible at " + c.Request.URL.Path + "; it takes " + allowed,
	})
}
