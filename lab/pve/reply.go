package pve

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// gzipFrom is the size from which answers are compressed for clients that take it.
const gzipFrom = 1024

// headers are those of every answer.
func headers() http.Header {
	now := time.Now().UTC().Format(http.TimeFormat)
	return http.Header{
		"Cache-Control": {"max-age=0"},
		"Date":          {now},
		"Expires":       {now},
		"Pragma":        {"no-cache"},
		"Server":        {"pve-api-daemon/3.0"},
	}
}

func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		// Answers are built from strings, numbers, lists and maps alone.
		panic(fmt.Sprintf("pve: an answer cannot be encoded: %v", err))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func writeAnswer(w http.ResponseWriter, k *call, a answer) {
	h := w.Header()
	for name, v := range headers() {
		h[name] = v
	}
	body := a.text
	if body == nil {
		object := map[string]any{"data": a.data}
		if a.total != nil {
			object["total"] = *a.total
		}
		if full, ok := a.data.(extjsBody); ok {
			object = full
		}
		body = encode(object)
		h.Set("Content-Type", "application/json;charset=UTF-8")
	}
	for name, v := range a.headers {
		h[name] = v
	}
	if k.gzip && len(body) > gzipFrom {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(body)
		if closing := z.Close(); err == nil && closing == nil {
			h.Set("Content-Encoding", "gzip")
			body = b.Bytes()
		}
	}
	h.Set("Connection", "Keep-Alive")
	if k.close {
		h.Set("Connection", "close")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	// The client may be gone; there is nobody left to tell.
	_, _ = w.Write(body)
}

// refuse writes an error: its text is the reason phrase, which net/http cannot write, so the connection is taken over.
// Proxmox closes it after an error anyway.
func (c *Cluster) refuse(w http.ResponseWriter, r *http.Request, e *apiError) {
	h := headers()
	h.Set("Connection", "close")
	var body []byte
	switch {
	case e.bare:
	case e.plain:
		body = []byte(e.message)
	default:
		object := map[string]any{"data": nil, "message": e.message}
		if e.errors != nil {
			object["errors"] = e.errors
		}
		body = encode(object)
		h.Set("Content-Type", "application/json;charset=UTF-8")
	}
	if body != nil {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	// Unread input would make the kernel reset the connection before the client has read the answer.
	_, _ = io.CopyN(io.Discard, r.Body, 2*maxBody)
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		for name, v := range h {
			w.Header()[name] = v
		}
		w.WriteHeader(e.status)
		_, _ = w.Write(body)
		return
	}
	conn, buffered, err := hijacker.Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	fmt.Fprintf(buffered, "HTTP/1.1 %d %s\r\n", e.status, e.reason())
	if err := h.Write(buffered); err != nil {
		return
	}
	_, _ = buffered.WriteString("\r\n")
	_, _ = buffered.Write(body)
	_ = buffered.Flush()
}

// abort closes the connection without an answer.
func abort(w http.ResponseWriter) {
	if hijacker, ok := w.(http.Hijacker); ok {
		if conn, _, err := hijacker.Hijack(); err == nil {
			_ = conn.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// extjsBody is a whole answer of the format that the web UI uses.
type extjsBody map[string]any

// extjs wraps an outcome: always 200, with the status inside.
func extjs(a answer, e *apiError) (answer, *apiError) {
	if e == nil {
		body := extjsBody{"data": a.data, "success": 1}
		if a.total != nil {
			body["total"] = *a.total
		}
		return answer{data: body}, nil
	}
	if e.bare {
		return a, e
	}
	body := extjsBody{"data": nil, "success": 0, "message": e.message, "status": e.status}
	if e.errors != nil {
		body["errors"], body["status"] = e.errors, strconv.Itoa(e.status)
	}
	return answer{data: body}, nil
}
