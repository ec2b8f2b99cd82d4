package pve

import (
	"fmt"
	"net/http"
	"strings"
)

// apiError is an answer that is not 200. The first line of message becomes the reason phrase.
type apiError struct {
	status  int
	message string
	errors  map[string]string // by parameter
	bare    bool              // no body at all, as of 401 and 59x
	plain   bool              // the message itself is the body, as of errors before an operation is found
	delay   bool              // answered after Timings.AuthDelay
}

func (e *apiError) Error() string { return strings.TrimSuffix(e.message, "\n") }

// reason is the status line's text.
func (e *apiError) reason() string {
	first, _, _ := strings.Cut(e.message, "\n")
	return first
}

// die is a plain failure of an operation: HTTP 500, or the exit status of a task.
func die(format string, args ...any) *apiError {
	return &apiError{status: http.StatusInternalServerError, message: fmt.Sprintf(format, args...) + "\n"}
}

// paramErrors refuses parameters, by name.
func paramErrors(errors map[string]string) *apiError {
	return &apiError{status: http.StatusBadRequest, message: "Parameter verification failed.\n", errors: errors}
}

func paramError(name, format string, args ...any) *apiError {
	return paramErrors(map[string]string{name: fmt.Sprintf(format, args...)})
}

// denied refuses for lack of a privilege; what may be empty.
func denied(what string) *apiError {
	message := "Permission check failed\n"
	if what != "" {
		message = "Permission check failed (" + what + ")\n"
	}
	return &apiError{status: http.StatusForbidden, message: message}
}

func deniedOn(path string, privileges ...string) *apiError {
	return denied(path + ", " + strings.Join(privileges, "|"))
}

func unauthorized(reason string) *apiError {
	return &apiError{status: http.StatusUnauthorized, message: reason, bare: true, delay: true}
}

// onWire is an error of the HTTP layer, which has no JSON around it.
func onWire(status int, format string, args ...any) *apiError {
	return &apiError{status: status, message: fmt.Sprintf(format, args...), plain: true}
}

func noConfig(node string, vmid int) *apiError {
	return die("Configuration file 'nodes/%s/lxc/%d.conf' does not exist", node, vmid)
}
