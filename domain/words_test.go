package domain_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"

	"berth/domain"
)

func TestWords(t *testing.T) {
	refused := &url.Error{Op: "Post", URL: "https://10.0.0.1:8006/api2/json", Err: &net.OpError{
		Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
	}}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"nobody's words", errors.New("sql: no rows"), "Something went wrong inside Berth. An administrator finds the details in the log."},
		{"a message", domain.Errorf(domain.NotFound, "there is no site demo"), "There is no site demo."},
		{"a sentence stays", domain.Errorf(domain.Busy, "Node pve1 is busy. Try again."), "Node pve1 is busy. Try again."},
		{"a name keeps its letters", domain.Errorf(domain.Conflict, "web01 is taken"), "web01 is taken."},
		{"the reason of a cause", domain.Errorf(domain.Unavailable, "node pve1 does not answer: %w", refused), "Node pve1 does not answer (connection refused)."},
		{"a reason that was told", domain.Errorf(domain.Unavailable, "connection refused by pve1: %w", refused), "Connection refused by pve1."},
		{"a cause of no meaning", domain.Errorf(domain.Internal, "cannot seal: %w", errors.New("cipher: x")), "Cannot seal."},
		{"wrapped on the way", fmt.Errorf("create: %w", domain.Errorf(domain.Busy, "the CT is locked")), "The CT is locked."},
		{
			"messages inside messages", domain.Errorf(domain.Unavailable, "not ready: %w", domain.Errorf(domain.Unavailable, "Temporal does not answer: %w", io.EOF)),
			"Not ready. Temporal does not answer (the connection broke off).",
		},
		{
			"two causes", domain.Errorf(domain.Unavailable, "gave up: %w: %w", domain.Errorf(domain.Busy, "first"), domain.Errorf(domain.Limited, "second")),
			"Gave up. First. Second.",
		},
		{
			"joined", errors.Join(domain.Errorf(domain.Busy, "one failed"), fmt.Errorf("x: %w", domain.Errorf(domain.Busy, "two failed: %w", context.DeadlineExceeded))),
			"One failed. Two failed (no answer in time).",
		},
		{
			"fields", &domain.Error{Kind: domain.Invalid, Message: "the site is not valid", Fields: []domain.FieldError{{Field: "cidr", Rule: "must be a network"}, {Field: "name", Rule: "must be given"}}},
			"The site is not valid: cidr must be a network; name must be given.",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := domain.Words(c.err); got != c.want {
				t.Errorf("told as %q, want %q", got, c.want)
			}
		})
	}
}

func TestErrorfKeepsEveryCause(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	err := domain.Errorf(domain.Transient, "both failed: %w: %w", first, second)
	if !errors.Is(err, first) || !errors.Is(err, second) {
		t.Errorf("%v has lost a cause", err)
	}
	if err.Message != "both failed" || err.Error() != "both failed: first: second" {
		t.Errorf("message %q, for logs %q", err.Message, err.Error())
	}
	if told := (&domain.Error{Message: "It failed.", Err: first}).Error(); told != "It failed. first" {
		t.Errorf("for logs %q", told)
	}
}
