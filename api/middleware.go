package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gin-gonic/gin"

	"berth/app"
	"berth/domain"
)

type (
	actorKey   struct{}
	requestKey struct{}
)

// headerRequestID carries the ID under which the log knows a request.
const headerRequestID = "X-Request-Id"

// caller returns the request's own context, which outlives Gin's pooled one, and who makes the request.
func caller(ctx context.Context) (context.Context, domain.Actor) {
	if c, ok := ctx.(*gin.Context); ok {
		ctx = c.Request.Context()
	}
	actor, _ := ctx.Value(actorKey{}).(domain.Actor)
	return ctx, actor
}

func requestID(c *gin.Context) string {
	id, _ := c.Request.Context().Value(requestKey{}).(string)
	return id
}

// identify gives the request an ID. One that a proxy gave is not taken over: it could forge lines of the log.
func (s *server) identify(c *gin.Context) {
	id := domain.NewID()
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), requestKey{}, id))
	c.Header(headerRequestID, id)
	c.Header("Cache-Control", "no-store")
	c.Header("X-Content-Type-Options", "nosniff")
}

// record writes the access log and the metrics. Queries stay out of both: callers put all sorts of things there.
func (s *server) record(c *gin.Context) {
	start := s.now()
	c.Next()
	took := s.now().Sub(start)
	route := c.FullPath()
	if route == "" {
		route = "none"
	}
	s.metrics.observe(c.Request.Method, route, c.Writer.Status(), took)
	_, actor := caller(c)
	level := slog.LevelInfo
	if known := s.routes[c.Request.Method+" "+route]; known != nil && public(known.Operation) {
		level = slog.LevelDebug // probes and scrapes come every few seconds
	}
	s.log.Log(c.Request.Context(), level, "request", "request", requestID(c), "method", c.Request.Method, "path", c.Request.URL.Path,
		"status", c.Writer.Status(), "bytes", c.Writer.Size(), "took", took, "actor", actor.String(), "from", s.source(c))
}

// recovered turns a panic into an Internal problem, with the stack in the log.
func (s *server) recovered(c *gin.Context) {
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		if err, ok := r.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			panic(r) // net/http's own way to break off an answer
		}
		s.log.Error("panic in a handler", "request", requestID(c), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		s.fail(c, domain.Errorf(domain.Internal, "panic: %v", r))
	}()
	c.Next()
}

// limit bounds the time and the size of a request. The body must arrive within bodyTimeout; the answer within what the
// operation is given. Deadlines are set here and not on the server, as long polls and event streams need their own.
func (s *server) limit(c *gin.Context) {
	route := s.routes[c.Request.Method+" "+c.FullPath()]
	timeout := timeoutOf(route)
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
	control := http.NewResponseController(c.Writer)
	// Writers without deadlines, as in tests, are served without them.
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout))
	_ = control.SetWriteDeadline(time.Now().Add(timeout + bodyTimeout))
	if !wantsStream(c) {
		ctx, cancel := context.WithTimeout(c.Request.Context(), timeout)
		defer cancel()
		c.Request = c.Request.WithContext(ctx)
	}
	c.Next()
}

// authenticate finds out who calls. Paths that the contract opens to everybody, and unknown ones, need nobody.
func (s *server) authenticate(c *gin.Context) {
	route := s.routes[c.Request.Method+" "+c.FullPath()]
	if route == nil || public(route.Operation) {
		return
	}
	token, found := app.Bearer(c.GetHeader("Authorization"))
	if !found || token == "" {
		s.fail(c, domain.Errorf(domain.Unauthenticated, "send an API token as Authorization: Bearer <token>"))
		return
	}
	actor, err := s.app.Auth.Authenticate(c.Request.Context(), token, s.source(c))
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), actorKey{}, actor))
}

// source returns the address that the request came from; proxies' headers count only from trusted proxies.
func (s *server) source(c *gin.Context) string { return c.ClientIP() }
