package domain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind classifies every error that crosses a package border. The list is closed: what a caller does about an error
// depends on its kind alone, by the table below.
type Kind uint8

// The kinds. Their meaning for HTTP, Temporal and LDAP is in [Kind.Policy].
const (
	Internal        Kind = iota // a defect of ours or an error nobody classified
	Invalid                     // the request breaks a rule; Fields says which
	Unauthenticated             // no or wrong credentials
	Forbidden                   // known caller without the right
	NotFound                    // the named thing does not exist, or the caller may not know that it does
	Conflict                    // the state of the thing, or another thing, stands in the way
	Precondition                // If-Match did not match
	Limited                     // a quota or rate limit is reached
	Busy                        // another operation holds the thing; try again when it ends
	Unavailable                 // a part of the system cannot be reached now
	Transient                   // failed for a reason that heals by itself
	Permanent                   // the outside world refused for good
	UnknownOutcome              // a mutating call may or may not have taken effect; reconcile before any retry
)

// Policy says what an error of one kind means to each protocol.
type Policy struct {
	Name      string // stable name, used in problem types and in Temporal application error types
	HTTP      int    // HTTP status (RFC 9110)
	Retryable bool   // whether Temporal may run the activity again
	LDAP      int    // LDAP result code (RFC 4511, appendix A)
}

var policies = [...]Policy{
	Internal:        {"internal", 500, true, 80},
	Invalid:         {"invalid", 422, false, 19},
	Unauthenticated: {"unauthenticated", 401, false, 49},
	Forbidden:       {"forbidden", 403, false, 50},
	NotFound:        {"not-found", 404, false, 32},
	Conflict:        {"conflict", 409, false, 68},
	Precondition:    {"precondition-failed", 412, false, 53},
	Limited:         {"limited", 429, false, 11},
	Busy:            {"busy", 409, true, 51},
	Unavailable:     {"unavailable", 503, true, 52},
	Transient:       {"transient", 503, true, 51},
	Permanent:       {"permanent", 502, false, 53},
	UnknownOutcome:  {"unknown-outcome", 504, true, 80},
}

// Kinds lists every kind, for tests and documentation.
func Kinds() []Kind {
	all := make([]Kind, len(policies))
	for i := range policies {
		all[i] = Kind(i)
	}
	return all
}

// Policy returns what the kind means to HTTP, Temporal and LDAP.
func (k Kind) Policy() Policy { return policies[k] }

// String returns the stable name of the kind.
func (k Kind) String() string { return policies[k].Name }

// KindNamed returns the kind with a stable name; ok is false when there is none.
func KindNamed(name string) (k Kind, ok bool) {
	for i, p := range policies {
		if p.Name == name {
			return Kind(i), true
		}
	}
	return Internal, false
}

// FieldError names one field that breaks a rule.
type FieldError struct {
	Field string `json:"field"` // JSON path in the request, such as "memoryMiB" or "env.PATH"
	Rule  string `json:"rule"`  // what is expected, in words for the caller
}

// Error is the one error type that crosses package borders.
type Error struct {
	Kind       Kind
	Message    string        // what happened and what to do next, for the person who reads it; never holds a secret
	Fields     []FieldError  // with Invalid: every offending field
	Operation  string        // with Busy and Conflict: ID of the operation that stands in the way
	RetryAfter time.Duration // with Limited, Transient and Unavailable: when a retry makes sense; 0 = unknown
	Err        error         // cause, for logs
}

// Error returns the message and its cause, for logs; [Words] is for people.
func (e *Error) Error() string {
	summary := e.summary()
	switch {
	case e.Err == nil:
		return summary
	case summary == "":
		return e.Err.Error()
	case strings.HasSuffix(summary, "."):
		return summary + " " + e.Err.Error()
	}
	return summary + ": " + e.Err.Error()
}

// summary is the message with the offending fields.
func (e *Error) summary() string {
	var b strings.Builder
	message := e.Message
	if len(e.Fields) > 0 {
		message = strings.TrimSuffix(message, ".")
	}
	b.WriteString(message)
	for i, f := range e.Fields {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + f.Field + " " + f.Rule)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of a kind; the %w verbs in format become its cause. Causes at the end of the text are taken out of
// the message, which is for people.
func Errorf(k Kind, format string, args ...any) *Error {
	wrapped := fmt.Errorf(format, args...)
	var all causes
	switch w := wrapped.(type) { //nolint:errorlint // what fmt.Errorf has just made
	case interface{ Unwrap() []error }:
		all = w.Unwrap()
	case interface{ Unwrap() error }:
		all = causes{w.Unwrap()}
	}
	message := wrapped.Error()
	for _, cause := range slices.Backward(all) {
		message = strings.TrimSuffix(strings.TrimSuffix(message, cause.Error()), ": ")
	}
	switch len(all) {
	case 0:
		return &Error{Kind: k, Message: message}
	case 1:
		return &Error{Kind: k, Message: message, Err: all[0]}
	}
	return &Error{Kind: k, Message: message, Err: all}
}

// causes are several errors behind one.
type causes []error

// Error strings them together on one line.
func (c causes) Error() string {
	texts := make([]string, len(c))
	for i, err := range c {
		texts[i] = err.Error()
	}
	return strings.Join(texts, ": ")
}

// Unwrap lets errors.Is and errors.As find each of them.
func (c causes) Unwrap() []error { return c }

// InvalidFields makes the error that lists offending fields, or nil when there are none.
func InvalidFields(what string, fields []FieldError) error {
	if len(fields) == 0 {
		return nil
	}
	return &Error{Kind: Invalid, Message: what + " is not valid", Fields: fields}
}

// KindOf returns the kind of err: that of the outermost Error in its chain, Internal when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is of kind k. It is false for nil.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }
