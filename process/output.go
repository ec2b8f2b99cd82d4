package process

import (
	"bytes"
	"io"
	"strings"
	"sync"
)

const (
	tailSize = 4 << 10  // bytes of a child's last output kept for error messages
	lineSize = 64 << 10 // a longer line is not looked at for readiness
)

// output passes on what a child writes, keeps the end of it, and looks for the line that says it is ready.
type output struct {
	matched chan struct{} // closed once ready returned true for a line of standard output

	mu    sync.Mutex
	next  io.Writer
	tail  []byte
	ready func(string) bool // nil once it matched
	line  []byte
}

func newOutput(next io.Writer, ready func(string) bool) *output {
	return &output{matched: make(chan struct{}), next: next, ready: ready}
}

// Write never fails: a log that cannot be written must not stop the child.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keep(p)
	return len(p), nil
}

func (o *output) keep(p []byte) {
	_, _ = o.next.Write(p)
	o.tail = append(o.tail, p...)
	if excess := len(o.tail) - tailSize; excess > 0 {
		o.tail = append(o.tail[:0], o.tail[excess:]...)
	}
}

// stdout is the writer for standard output, whose lines may say that the child is ready.
func (o *output) stdout() io.Writer { return stdout{o} }

type stdout struct{ *output }

func (s stdout) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(p)
	for rest := p; s.ready != nil; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			if s.line = append(s.line, rest...); len(s.line) > lineSize {
				s.line = s.line[:0]
			}
			break
		}
		line := string(append(s.line, rest[:end]...))
		s.line, rest = s.line[:0], rest[end+1:]
		if s.ready(line) {
			s.ready, s.line = nil, nil
			close(s.matched)
		}
	}
	return len(p), nil
}

// quote is the end of the output as the tail of an error message, empty when there was none.
func (o *output) quote() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := strings.TrimSpace(string(o.tail))
	if text == "" {
		return ""
	}
	return "; it said:\n" + text
}
