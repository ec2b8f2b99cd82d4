package proxmox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"berth/domain"
)

// maxAnswer bounds what is read of an answer; the resource list of a large cluster has a few MiB.
const maxAnswer = 64 << 20

// transport stands below go-proxmox, which takes 404, 423, 503 and 59x for success, loses the text of 401, 403 and 500, and
// would retry a POST: here every refusal becomes an error before the library sees it, and only reads are repeated.
type transport struct {
	cfg       Config
	next      http.RoundTripper
	endpoints []*url.URL
	current   atomic.Int32 // the endpoint that answered last
	session   session
}

func newTransport(cfg Config, endpoints []*url.URL) *transport {
	next := cfg.HTTPClient.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{cfg: cfg, next: next, endpoints: endpoints}
}

// oneTry in a context switches the repetition of reads off, for callers that poll anyway.
type oneTry struct{}

// RoundTrip sends one request. The error is an *APIError or a *callError.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	path := strings.TrimPrefix(req.URL.EscapedPath(), apiRoot)
	if req.Body != nil {
		defer func() { _ = req.Body.Close() }()
	}
	if _, ok := callFor(req.Method, path); !ok {
		return nil, domain.Errorf(domain.Internal, "%s %s is not in the table of calls", req.Method, path)
	}
	tries := 1
	if req.Method == http.MethodGet && req.Context().Value(oneTry{}) == nil {
		tries = ReadRetries.Tries
	}
	for try := 1; ; try++ {
		res, err := t.authorised(req, path)
		if err == nil || try >= tries || !readAgain(err) {
			return res, err
		}
		if t.cfg.Sleep(req.Context(), ReadRetries.Pause(try+1, t.cfg.Random())) != nil {
			return nil, err
		}
	}
}

func readAgain(err error) bool {
	var api *APIError
	if errors.As(err, &api) {
		return lostAnswer(api) || api.Status == http.StatusInternalServerError && strings.Contains(api.Reason+api.Message, "got timeout")
	}
	var call *callError
	return errors.As(err, &call) && !errors.Is(err, context.Canceled) && Classify(err).Name == rowAPIUnreachable
}

// authorised sends req with credentials. A ticket that Proxmox no longer takes is renewed once and the request repeated, as 401 says
// that nothing happened. A token is not tried twice: every refusal costs 3 s.
func (t *transport) authorised(req *http.Request, path string) (*http.Response, error) {
	if t.cfg.TokenID != "" {
		return t.failover(req, path, http.Header{"Authorization": {"PVEAPIToken=" + t.cfg.TokenID + "=" + t.cfg.Secret}})
	}
	ticket, err := t.session.get(req.Context(), t, nil)
	if err != nil {
		return nil, notSent{err}
	}
	res, err := t.failover(req, path, ticket.header(req.Method))
	var api *APIError
	if !errors.As(err, &api) || api.Status != http.StatusUnauthorized {
		return res, err
	}
	if ticket, err = t.session.get(req.Context(), t, ticket); err != nil {
		return nil, notSent{err}
	}
	return t.failover(req, path, ticket.header(req.Method))
}

// failover tries the endpoints in turn until one can be talked to. Nothing that may have been sent is sent again here, but what
// comes next begins with another endpoint than the one that left a call unanswered.
func (t *transport) failover(req *http.Request, path string, auth http.Header) (*http.Response, error) {
	first := int(t.current.Load())
	var err error
	for i := range t.endpoints {
		n := (first + i) % len(t.endpoints)
		var res *http.Response
		res, err = t.once(req, path, auth, t.endpoints[n])
		var call *callError
		if !errors.As(err, &call) || req.Context().Err() != nil {
			t.current.Store(int32(n)) //nolint:gosec // an index of a short list
			return res, err
		}
		t.cfg.Logger.WarnContext(req.Context(), "Proxmox endpoint does not answer", "endpoint", t.endpoints[n].Host, "error", call.err)
		if call.sent {
			t.current.Store(int32((n + 1) % len(t.endpoints))) //nolint:gosec // the same
			return nil, err
		}
	}
	return nil, err
}

func (t *transport) once(req *http.Request, path string, auth http.Header, endpoint *url.URL) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), t.timeout(req))
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	out := req.Clone(ctx)
	out.URL.Scheme, out.URL.Host, out.Host = endpoint.Scheme, endpoint.Host, endpoint.Host
	for name, values := range auth {
		out.Header[name] = values
	}
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, &callError{req.Method, path, false, err}
		}
		out.Body = body
	}
	hide, _ := ctx.Value(hideKey{}).([]string)
	scrub := func(text string) string { return without(t.scrub(text), hide) }
	failed := func(err error) error {
		return &callError{req.Method, path, sent.Load(), hidden{scrub(err.Error()), err}}
	}
	call, _ := callFor(req.Method, path)
	answered := t.cfg.Observe(req.Context(), call)
	started := t.cfg.Now()
	res, err := t.next.RoundTrip(out)
	if err != nil {
		answered(0)
		if ctxErr := req.Context().Err(); ctxErr != nil {
			return nil, &callError{req.Method, path, sent.Load(), ctxErr}
		}
		return nil, failed(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	answered(res.StatusCode)
	t.cfg.Logger.DebugContext(ctx, "proxmox", "method", req.Method, "path", path, "status", res.StatusCode, "took", t.cfg.Now().Sub(started))
	if res.StatusCode >= http.StatusMultipleChoices {
		res.Request = req
		return nil, newAPIError(res, body, path, scrub)
	}
	if err != nil {
		return nil, failed(fmt.Errorf("answer broke off: %w", err))
	}
	var envelope map[string]json.RawMessage
	if json.Unmarshal(body, &envelope) != nil || envelope["data"] == nil {
		return nil, failed(errors.New("not an answer of Proxmox VE"))
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	return res, nil
}

// timeout allows an upload a second more for every MiB.
func (t *transport) timeout(req *http.Request) time.Duration {
	return t.cfg.Timeout + time.Duration(max(req.ContentLength, 0)>>20)*time.Second
}

// scrub takes our credentials out of a text, should a proxy or a misconfigured endpoint echo them.
func (t *transport) scrub(text string) string {
	for _, secret := range []string{t.cfg.Secret, t.cfg.Password, t.session.secret()} {
		if len(secret) > 3 {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}
