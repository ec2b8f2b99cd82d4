package acme

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"berth/domain"

	"github.com/go-acme/lego/v5/acme"
)

// fault says what an error of the CA, or of the way to it, means: domain.Limited with the time to wait, domain.Unavailable when
// it heals by itself, domain.Permanent when the CA refused.
func (c *Client) fault(what string, err error) error {
	var problem *acme.ProblemDetails
	if errors.As(err, &problem) {
		return c.problem(problem)
	}
	if domain.KindOf(err) != domain.Internal { // such as an address that may not be dialled
		return err
	}
	return &domain.Error{Kind: domain.Unavailable, Message: "The CA could not be reached to " + what + ".", Err: err}
}

// problem puts a problem document (RFC 8555, 6.7) into words.
func (c *Client) problem(p *acme.ProblemDetails) error {
	short := p.Type[strings.LastIndexByte(p.Type, ':')+1:]
	words := []string{p.Detail}
	for _, sub := range p.SubProblems {
		words = append(words, sub.Identifier.Value+": "+sub.Detail)
	}
	said := "The CA says (" + short + "): " + strings.Join(words, "; ")
	switch {
	case p.Type == acme.RateLimitedErrorType || p.HTTPStatus == http.StatusTooManyRequests:
		return &domain.Error{Kind: domain.Limited, Message: said, RetryAfter: max(c.last.retryAfter(), shortestWait)}
	case p.HTTPStatus >= 500, p.Type == acme.ServerInternalErrorType, p.Type == acme.BadNonceErrorType:
		return &domain.Error{Kind: domain.Unavailable, Message: said, RetryAfter: c.last.retryAfter()}
	}
	return &domain.Error{Kind: domain.Permanent, Message: said}
}

// shortestWait is how long a CA that names no time after a rate limit is left alone.
const shortestWait = time.Minute

// memory is a transport that remembers the last Retry-After, bounds what a CA may answer, and makes every error one that can be read:
// lego drops the header of most errors, reads bodies without limit and panics on the body "null".
type memory struct {
	next http.RoundTripper

	mu   sync.Mutex
	wait time.Duration
}

// largestAnswer bounds a CA's answer; a chain has some 10 KiB.
const largestAnswer = 1 << 20

// RoundTrip implements http.RoundTripper.
func (m *memory) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := m.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	m.remember(answer.Header.Get("Retry-After"))
	body, err := io.ReadAll(io.LimitReader(answer.Body, largestAnswer))
	_ = answer.Body.Close()
	if err != nil {
		return nil, err
	}
	var problem map[string]any
	if answer.StatusCode >= http.StatusBadRequest && (json.Unmarshal(body, &problem) != nil || problem == nil) {
		body, err = json.Marshal(map[string]any{"type": "about:blank", "status": answer.StatusCode, "detail": answer.Status})
		if err != nil {
			return nil, err
		}
	}
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return answer, nil
}

func (m *memory) remember(header string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wait = 0
	if seconds, err := strconv.Atoi(header); err == nil && seconds > 0 {
		m.wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		m.wait = max(0, time.Until(at))
	}
}

func (m *memory) retryAfter() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.wait
}
