package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/temporal"

	"berth/domain"
	"berth/proxmox"
)

// AtBorder turns the error of an activity into a Temporal application error: its kind decides by the domain's table
// whether it is tried again, the failure table of Proxmox VE when and where, and what a person reads travels as details.
func AtBorder(err error) error {
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
		// What another node or VMID may heal is not tried again on this one.
		options.NonRetryable = options.NonRetryable || info.Elsewhere || info.NewVMID || info.Quarantine
	}
	options.Details = []any{info}
	return temporal.NewApplicationErrorWithOptions(info.Message, info.Kind, options)
}

// words is what a person reads of an error; all of it is for the worker's log.
func words(err error) string {
	var ours *domain.Error
	if proxmox.From(err) && !errors.As(err, &ours) {
		return domain.Sentence(proxmox.Classify(err).Words)
	}
	return domain.Words(err)
}
