package pve

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestConformance holds the simulator against recordings of a real node: those in the folder BERTH_PVE_RECORDINGS, and
// always the few in testdata, which are of the same form and were written by hand.
func TestConformance(t *testing.T) {
	folders := []string{filepath.Join("testdata", "recordings")}
	if given := os.Getenv("BERTH_PVE_RECORDINGS"); given != "" {
		folders = append(folders, given)
	}
	for _, folder := range folders {
		for _, section := range sections(loadRecordings(t, folder)) {
			replay(t, "", section, "pve1")
		}
		if cluster := loadRecordings(t, filepath.Join(folder, "cluster")); len(cluster) > 0 {
			replay(t, "cluster/", cluster, "pve1", "pve2")
		}
	}
}

// replay sends a scenario's requests in order and compares the answers.
func replay(t *testing.T, prefix string, all []*recording, nodes ...string) {
	w := newWorld(t, all, nodes...)
	server := httptest.NewTLSServer(w.c.Handler())
	t.Cleanup(server.Close)
	for i, r := range all {
		w.at = i
		path, _, _ := strings.Cut(r.Request.Target, "?")
		for _, base := range []string{"/api2/json", "/api2/extjs"} {
			path = strings.TrimPrefix(path, base)
		}
		if plain, err := url.PathUnescape(path); err == nil {
			path = plain
		}
		if why := outside(r, path); why != "" {
			t.Logf("%s%s is out of scope: %s", prefix, r.ID, why)
			continue
		}
		t.Run(prefix+r.ID, func(t *testing.T) {
			w.t = t
			w.prepare(r)
			status, reason, body, encoding := w.send(t, server, r)
			if status == 403 && r.status() == 403 && w.alsoRefused(r) {
				reason, body = r.reason(), r.Response.Body
			}
			for _, d := range differences(r, status, reason, body, encoding) {
				t.Error(d)
			}
			if t.Failed() {
				t.Logf("%s %s %s\ngot  %d %s %.1500s\nwant %d %s %.1500s", r.Request.Method, r.Request.Target, r.Request.Body,
					status, reason, body, r.status(), r.reason(), r.Response.Body)
			}
			w.learn(r, body)
		})
	}
	w.t = t
}

// outside tells why a recording is not compared; refusals that come before an operation is looked at always are.
func outside(r *recording, path string) string {
	if s := r.status(); s == http.StatusUnauthorized && r.Response.Body == "" || s == 501 || s == 506 {
		return ""
	}
	if strings.Contains(path, "/tasks/UPID:") {
		upid, _, _ := strings.Cut(path[strings.Index(path, "UPID:"):], "/")
		if m := upidPattern.FindStringSubmatch(upid); m != nil && contains(taskOutOfScope, m[5]) {
			return "task of an operation out of scope: " + m[5]
		}
	}
	if strings.Contains(r.Request.Target, "config?snapshot=") && r.status() == http.StatusOK {
		return "snapshots until Berth uses them"
	}
	if restored(r) {
		return "restoring backups"
	}
	return whyOutOfScope(r.Request.Method, path)
}

// restored tells whether a creation is really the restore of a backup.
func restored(r *recording) bool {
	return strings.Contains(r.Request.Body, "restore=1") || strings.Contains(r.Request.Target, "vzrestore")
}

// learn remembers what a recorded name is called here.
func (w *world) learn(r *recording, body string) {
	mine := (&recording{Response: struct {
		StatusLine string      `json:"status_line"`
		Headers    [][2]string `json:"headers"`
		Body       string      `json:"body_raw"`
		Encoding   string      `json:"body_encoding"`
	}{Body: body}})
	if upid := r.upid(); upid != "" && mine.upid() != "" {
		w.upids[upid] = mine.upid()
	}
	data, _ := r.body()["data"].(map[string]any)
	full, _ := data["full-tokenid"].(string)
	secret, _ := data["value"].(string)
	if owner, id, ok := strings.Cut(full, "!"); ok && secret != "" {
		w.c.mu.Lock()
		if u := w.c.state.Users[owner]; u != nil && u.Tokens[id] != nil {
			u.Tokens[id].Digest = w.c.digest(secret)
		}
		w.c.mu.Unlock()
	}
	w.settle()
	if w.unlock != nil {
		w.unlock()
		w.unlock = nil
	}
}

// translate puts names of this run in place of recorded ones.
func (w *world) translate(r *recording, text string, escape func(string) string) string {
	for recorded, mine := range w.upids {
		text = strings.ReplaceAll(text, recorded, mine)
		text = strings.ReplaceAll(text, url.QueryEscape(recorded), url.QueryEscape(mine))
	}
	return ticketText.ReplaceAllStringFunc(text, func(match string) string {
		m := ticketText.FindStringSubmatch(match)
		user, _ := url.PathUnescape(m[2])
		at, _ := strconv.ParseInt(m[3], 16, 64)
		ticket := w.c.ticket(user, w.c.now().Add(-r.time().Sub(time.Unix(at, 0))))
		if m[1] == "%3A" {
			return url.QueryEscape(ticket)
		}
		return escape(ticket)
	})
}

// send writes the request as it was recorded.
func (w *world) send(t *testing.T, server *httptest.Server, r *recording) (status int, reason, body, encoding string) {
	conn, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // a test server
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	plain := func(s string) string { return s }
	content := w.translate(r, r.Request.Body, plain)
	if strings.HasPrefix(content, "<") && strings.HasSuffix(content, "multipart>") {
		content = multipartBody(header(r.Request.Headers, "Content-Type"))
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", r.Request.Method, w.translate(r, r.Request.Target, plain))
	for _, h := range r.Request.Headers {
		v := h[1]
		switch strings.ToLower(h[0]) {
		case "content-length":
			v = strconv.Itoa(len(content))
		case "csrfpreventiontoken":
			v = w.csrf(r, v)
		default:
			v = w.translate(r, v, plain)
		}
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], v)
	}
	b.WriteString("\r\n" + content)
	if _, err := conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: r.Request.Method})
	if err != nil {
		t.Fatalf("no answer: %s", err)
	}
	defer resp.Body.Close()
	encoding = resp.Header.Get("Content-Encoding")
	var from io.Reader = resp.Body
	if encoding == "gzip" {
		if from, err = gzip.NewReader(resp.Body); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := io.ReadAll(from)
	if err != nil {
		t.Fatal(err)
	}
	compareHeaders(t, r, resp)
	_, reason, _ = strings.Cut(resp.Status, " ")
	return resp.StatusCode, reason, string(raw), encoding
}

func compareHeaders(t *testing.T, r *recording, resp *http.Response) {
	for _, name := range []string{"Content-Type", "Server", "Cache-Control", "Pragma"} {
		if got, want := resp.Header.Get(name), header(r.Response.Headers, name); got != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	if r.status() >= 400 && !resp.Close {
		t.Errorf("the connection stays open after an error")
	}
}

// csrf makes the token that fits the request's ticket, unless the recorded one was refused.
func (w *world) csrf(r *recording, recorded string) string {
	if strings.Contains(r.reason(), "csrf") {
		return recorded
	}
	m := ticketText.FindStringSubmatch(header(r.Request.Headers, "Cookie"))
	if m == nil {
		return recorded
	}
	user, _ := url.PathUnescape(m[2])
	return w.c.csrfToken(user, w.c.now())
}

// multipartBody stands for an upload that was too big to record.
func multipartBody(contentType string) string {
	_, boundary, _ := strings.Cut(contentType, "boundary=")
	part := func(head, text string) string {
		return "--" + boundary + "\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + text + "\r\n"
	}
	return part(`name="content"`, "vztmpl") + part(`name="filename"; filename="up-1.0_amd64.tar.xz"`, "content") +
		"--" + boundary + "--\r\n"
}
