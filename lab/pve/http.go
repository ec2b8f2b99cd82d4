package pve

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"
)

// maxBody is what a request may carry unless it is an upload.
const maxBody = 512 << 10

// call is one request on its way through the API.
type call struct {
	ctx    context.Context
	method string
	path   string // below /api2/<format>
	format string // "json" or "extjs"
	entry  string // node that took the request
	node   string // node that the call is about; "" when none
	auth   identity
	op     *operation
	params params
	given  params // the caller's own, without those in the path
	upload *uploadedFile
	faults []*Fault // that matched
	gzip   bool
	close  bool // the client wants the connection closed
}

// answer is what an operation returns.
type answer struct {
	data    any
	total   *int
	text    []byte // instead of JSON: a download
	headers http.Header
}

// Handler answers as the first node of the cluster.
func (c *Cluster) Handler() http.Handler { return c.HandlerAt(c.nodes[0].Name) }

// HandlerAt answers as the named node, so that a client can be given several endpoints. HTTP/1.1 only: reason phrases
// carry error texts.
func (c *Cluster) HandlerAt(node string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { c.serve(node, w, r) })
}

// Serve answers on listener with TLS until Close; it returns nil then.
func (c *Cluster) Serve(listener net.Listener, tlsConfig *tls.Config) error {
	return c.ServeAt(c.nodes[0].Name, listener, tlsConfig)
}

// ServeAt is Serve for the named node.
func (c *Cluster) ServeAt(node string, listener net.Listener, tlsConfig *tls.Config) error {
	tlsConfig = tlsConfig.Clone()
	tlsConfig.NextProtos = []string{"http/1.1"}
	server := &http.Server{
		Handler:           c.HandlerAt(node),
		ReadHeaderTimeout: 30 * time.Second,
		// A client that drops its connection is no concern of the lab's operator.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	if !c.addServer(server) {
		return errors.New("the cluster is closed")
	}
	if err := server.Serve(tls.NewListener(listener, tlsConfig)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (c *Cluster) serve(entry string, w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		c.serveControl(w, r)
		return
	}
	if !c.isOnline(entry) {
		abort(w)
		return
	}
	k := &call{
		ctx: r.Context(), method: r.Method, entry: entry, params: params{}, close: r.Close,
		gzip: strings.Contains(r.Header.Get("Accept-Encoding"), "gzip"),
	}
	a, err := c.answer(k, r)
	var e *apiError
	switch {
	case errors.Is(err, errDropped):
		abort(w)
		return
	case err == nil:
	case errors.As(err, &e):
	default:
		e = die("%s", err)
	}
	if k.op != nil && k.format == "extjs" {
		a, e = extjs(a, e)
	}
	if e != nil {
		if e.delay {
			wait(r.Context(), c.timings.AuthDelay)
		}
		c.refuse(w, r, e)
		return
	}
	writeAnswer(w, k, a)
}

// errDropped means the connection is to be closed without an answer.
var errDropped = errors.New("connection dropped")

// answer follows a request from the wire to its operation.
func (c *Cluster) answer(k *call, r *http.Request) (answer, error) {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete:
	default:
		e := onWire(http.StatusNotImplemented, "method '%s' not available", r.Method)
		e.bare = true
		return answer{}, e
	}
	if len(r.TransferEncoding) > 0 {
		return answer{}, onWire(http.StatusNotImplemented, "chunked transfer encoding not supported")
	}
	rest, ok := strings.CutPrefix(r.URL.Path, "/api2/")
	if !ok {
		return answer{}, onWire(http.StatusInternalServerError, "no such file '%s'\n", r.URL.Path)
	}
	format, path, _ := strings.Cut(rest, "/")
	if format == "" {
		return answer{}, onWire(http.StatusNotImplemented, "no such uri")
	}
	segments := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	k.format, k.path = format, "/"+strings.Join(segments, "/")

	auth, err := c.authenticate(k, r)
	if err != nil {
		return answer{}, err
	}
	k.auth = auth
	op, inPath := c.router.find(k.method, segments)
	if err := c.readParams(k, r, op); err != nil {
		return answer{}, err
	}
	if format != "json" && format != "extjs" {
		return answer{}, onWire(http.StatusNotImplemented, "no formatter for uri %s, %s", k.path, format)
	}
	if op == nil {
		return answer{}, &apiError{
			status:  http.StatusNotImplemented,
			message: "Method '" + k.method + " " + k.path + "' not implemented",
		}
	}
	k.op = op
	return c.dispatch(k, inPath)
}

// readParams reads query and body; op tells whether this is an upload.
func (c *Cluster) readParams(k *call, r *http.Request, op *operation) error {
	if r.ContentLength > 0 {
		if k.method != http.MethodPost && k.method != http.MethodPut {
			return onWire(http.StatusNotImplemented, "Unexpected content for method '%s'", k.method)
		}
		media := contentType(r)
		if op != nil && op.upload {
			if media != "multipart/form-data" {
				return onWire(http.StatusInternalServerError, "upload 'Content-Type '%s' not implemented\n",
					r.Header.Get("Content-Type"))
			}
			return c.readUpload(k, r)
		}
		if r.ContentLength > maxBody {
			return onWire(http.StatusNotImplemented, "for data too large")
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return errDropped
		}
		switch media {
		case "", "application/x-www-form-urlencoded":
			k.params = decodeForm(string(body))
		case "application/json":
			p, wrong := decodeJSON(body)
			if wrong != nil {
				return wrong
			}
			k.params = p
		default:
			return onWire(506, "upload 'Content-Type '%s' not implemented", r.Header.Get("Content-Type"))
		}
	}
	for name, v := range decodeForm(r.URL.RawQuery) {
		k.params[name] = v
	}
	delete(k.params, "_dc") // cache buster of the web UI
	return nil
}

// wait sleeps unless ctx ends first; a node that is slow on purpose must not outlive its caller.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
