package activities

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"berth/domain"
	"berth/proxmox"
)

// Standing is how far a step has come in its time, all its tries together.
type Standing struct {
	Spent, Total time.Duration
	Over         bool // there is no time left for another try
}

// patience is the share of its time that a step gives a node that cannot be reached to come back.
const patience = 10

// AtBorder turns the error of an activity into a Temporal application error: its kind decides by the domain's table
// whether it is tried again, the failure table of Proxmox VE when and where, and what a person reads travels as details.
func AtBorder(err error, at Standing) error {
	var canceled *temporal.CanceledError
	var application *temporal.ApplicationError
	if err == nil || errors.As(err, &canceled) || errors.As(err, &application) || errors.Is(err, context.Canceled) {
		return err
	}
	kind := domain.KindOf(err)
	info := domain.FailureInfo{Kind: kind.String(), Message: words(err)}
	options := temporal.ApplicationErrorOptions{NonRetryable: !kind.Policy().Retryable}
	var ours *domain.Error
	if errors.As(err, &ours) {
		options.NextRetryDelay = ours.RetryAfter
	}
	if proxmox.From(err) {
		failure := proxmox.Classify(err)
		info.Elsewhere = failure.Reaction == proxmox.OtherNode || failure.Reaction == proxmox.OtherStorage
		info.NewVMID = failure.Reaction == proxmox.NewVMID
		info.Quarantine = failure.Reaction == proxmox.Quarantine
		// What another node or VMID may heal is not tried again on this one, but for a node that may be about to come back.
		leave := info.Elsewhere && (!proxmox.Unreachable(err) || at.Spent >= at.Total/patience)
		options.NonRetryable = options.NonRetryable || leave || info.NewVMID || info.Quarantine
	}
	var on *tryOn
	if errors.As(err, &on) {
		options.NonRetryable = false
	}
	// What this try saw is worth more than that Temporal gave up the next one.
	options.NonRetryable = options.NonRetryable || at.Over
	options.Details = []any{info}
	return temporal.NewApplicationErrorWithOptions(info.Message, info.Kind, options)
}

// tryOn is the error of a step that undoes, or that only rolls forward: whatever went wrong, it is tried again as long as its
// time lasts.
type tryOn struct{ error }

func (e *tryOn) Unwrap() error { return e.error }

// insist makes every error one to try on after, but for those that only a human can do something about.
func insist(err error) error {
	if err == nil {
		return nil
	}
	switch domain.KindOf(err) {
	case domain.Conflict, domain.Forbidden, domain.Unauthenticated, domain.Invalid:
		return err
	}
	return &tryOn{err}
}

// words is what a person reads of an error; all of it is for the worker's log.
func words(err error) string {
	var ours *domain.Error
	if proxmox.From(err) && !errors.As(err, &ours) {
		return domain.Sentence(proxmox.Classify(err).Words)
	}
	return domain.Words(err)
}
