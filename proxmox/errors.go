package proxmox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sort"
	"strings"

	"berth/domain"
)

// APIError is an answer with a status of 300 or more. Proxmox puts the first line of its message into the reason phrase and,
// since 8.3, the whole of it into the body; 401 and 59x have no body at all.
type APIError struct {
	Status       int
	Reason       string            // reason phrase of the status line
	Message      string            // body's message, all lines; empty when there is no body
	Fields       map[string]string // with 400: refused parameters
	Method, Path string            // Path is below /api2/json, without the query
}

// Error says which call was refused and in which words.
func (e *APIError) Error() string {
	return fmt.Sprintf("%s %s: %d %s", e.Method, e.Path, e.Status, e.detail())
}

// detail is the fullest text the answer holds, on one line.
func (e *APIError) detail() string {
	text := e.Reason
	if e.Message != "" {
		text = strings.Join(strings.Fields(e.Message), " ")
	}
	names := make([]string, 0, len(e.Fields))
	for name := range e.Fields {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		text += fmt.Sprintf(" [%s: %s]", name, strings.Join(strings.Fields(e.Fields[name]), " "))
	}
	return text
}

// newAPIError reads status line and body of a refusal. A body that is not Proxmox's, such as a reverse proxy's page, is dropped.
func newAPIError(res *http.Response, body []byte, path string, scrub func(string) string) *APIError {
	reason := strings.TrimSpace(strings.TrimPrefix(res.Status, fmt.Sprint(res.StatusCode)))
	e := &APIError{Status: res.StatusCode, Reason: scrub(reason), Method: res.Request.Method, Path: path}
	var answer struct {
		Message string                     `json:"message"`
		Errors  map[string]json.RawMessage `json:"errors"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return e
	}
	e.Message = scrub(strings.TrimSpace(answer.Message))
	for name, raw := range answer.Errors {
		var text flexString
		if json.Unmarshal(raw, &text) != nil {
			text = flexString(raw)
		}
		if e.Fields == nil {
			e.Fields = map[string]string{}
		}
		e.Fields[name] = scrub(strings.TrimSpace(string(text)))
	}
	return e
}

// TaskError is a task that ended with an error. Its exit status often says only that a tool failed; the reason is in the log.
type TaskError struct {
	Ref        TaskRef
	ExitStatus string
	Log        []string // the last lines
}

// Error gives the exit status and the last line of the log that says something else.
func (e *TaskError) Error() string {
	text := fmt.Sprintf("task %s ended: %s", e.Ref.UPID, e.ExitStatus)
	if line := e.lastLine(); line != "" {
		text += " (" + line + ")"
	}
	return text
}

// lastLine is the last line of the log that says more than that the task failed.
func (e *TaskError) lastLine() string {
	for _, line := range slices.Backward(e.Log) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "TASK ") {
			return line
		}
	}
	return ""
}

// callError is a call that got no answer, or one that is no answer of Proxmox.
type callError struct {
	method, path string
	sent         bool // whether a byte of the request may have left
	err          error
}

func (e *callError) Error() string { return fmt.Sprintf("%s %s: %v", e.method, e.path, e.err) }
func (e *callError) Unwrap() error { return e.err }

// notSent is the failure of a login: whatever call needed it never left.
type notSent struct{ error }

func (e notSent) Unwrap() error { return e.error }

// lostAnswer says whether a mutating call that failed like this may have taken effect all the same.
func lostAnswer(err error) bool {
	var login notSent
	if errors.As(err, &login) {
		return false
	}
	var api *APIError
	if errors.As(err, &api) {
		// 59x come from the proxying node, 502-504 from a reverse proxy: neither knows what the target did.
		return api.Status >= 590 || api.Status >= 502 && api.Status <= 504
	}
	var call *callError
	return errors.As(err, &call) && call.sent
}

// wrap turns err into the error that leaves the package: the kind and words of its row, or UnknownOutcome when a mutating call
// lost its answer. what names the operation as it follows "could not", such as "create CT 101 on pve1".
func wrap(what string, mutates bool, err error) error {
	if err == nil {
		return nil
	}
	var done *domain.Error
	if errors.As(err, &done) {
		return err
	}
	f := Classify(err)
	e := &domain.Error{Kind: f.Kind, Message: "could not " + what + ". " + f.Words, RetryAfter: f.RetryAfter, Err: err}
	var api *APIError
	if errors.As(err, &api) && e.Kind == domain.Invalid {
		for name, rule := range api.Fields {
			e.Fields = append(e.Fields, domain.FieldError{Field: name, Rule: rule})
		}
		sort.Slice(e.Fields, func(i, j int) bool { return e.Fields[i].Field < e.Fields[j].Field })
	}
	if mutates && lostAnswer(err) {
		e.Kind = domain.UnknownOutcome
		e.Message = "the answer got lost, so it is not known whether this happened: " + what + ". Look before trying again. " + f.Words
	}
	return e
}

// wrapTask is wrap for a task that ended with an error: the answer is known, unless the row says otherwise.
func wrapTask(err *TaskError) error { return wrap("finish "+named(err.Ref), false, err) }

// From reports whether err came out of this package, so that Classify has something to say about it.
func From(err error) bool {
	var answer *APIError
	var task *TaskError
	var call *callError
	var leftover *LeftoverError
	return errors.As(err, &answer) || errors.As(err, &task) || errors.As(err, &call) || errors.As(err, &leftover)
}
