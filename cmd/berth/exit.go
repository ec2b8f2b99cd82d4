package main

import (
	"errors"

	"github.com/spf13/cobra"

	"berth/client"
)

// The exit codes of the client commands, for scripts.
const (
	exitOK          = 0
	exitFailed      = 1 // the operation failed, or something that has no code of its own
	exitUsage       = 2 // the command line, or a value in it, is not valid
	exitNotFound    = 3
	exitConflict    = 4 // something stands in the way, such as another operation
	exitForbidden   = 5 // not authenticated, or not allowed
	exitUnavailable = 6 // no answer, or a part of the system cannot be reached
)

// exitHelp documents the codes in `berth help exit-codes`.
const exitHelp = `Client commands exit with
  0  all went well
  1  the operation failed (with --wait), or something else did
  2  the command line or a value in it is not valid
  3  there is no such thing
  4  something stands in the way, such as another operation or a limit
  5  not authenticated, or not allowed
  6  the API or a part of the system cannot be reached`

func exitTopic() *cobra.Command {
	return &cobra.Command{Use: "exit-codes", Short: "Exit codes of the client commands", Long: exitHelp}
}

// usageError is a mistake in the command line.
type usageError struct{ error }

// Unwrap returns the cause.
func (e usageError) Unwrap() error { return e.error }

// exitCode returns the exit code that tells a script what kind of error err is.
func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	var unreachable *client.Unreachable
	if errors.As(err, &unreachable) {
		return exitUnavailable
	}
	var p *client.Problem
	if !errors.As(err, &p) {
		return exitFailed
	}
	switch p.Status {
	case 400, 405, 413, 422:
		return exitUsage
	case 404:
		return exitNotFound
	case 409, 412, 429:
		return exitConflict
	case 401, 403:
		return exitForbidden
	case 502, 503, 504:
		return exitUnavailable
	}
	return exitFailed
}

// args makes a wrong number of arguments a mistake in the command line.
func args(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if err := check(cmd, given); err != nil {
			return usageError{err}
		}
		return nil
	}
}
