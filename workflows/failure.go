package workflows

import (
	"errors"

	"go.temporal.io/sdk/temporal"

	"berth/domain"
)

// cancelled is the FailureInfo.Kind of an operation that somebody cancelled.
const cancelled = "cancelled"

// failure turns the error of an activity into what a person is told and what a workflow decides by.
func failure(err error) domain.FailureInfo {
	info := domain.FailureInfo{Kind: domain.Internal.String(), Message: domain.Words(nil)}
	var application *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	switch {
	case temporal.IsCanceledError(err):
		info.Kind, info.Message = cancelled, "Cancelled on request."
	case errors.As(err, &application):
		info.Kind, info.Message = application.Type(), application.Message()
		_ = application.Details(&info) // details are absent on errors that are not ours
	case errors.As(err, &timeout):
		info.Kind, info.Message = domain.Transient.String(), "No answer within the time allowed."
		if last := timeout.Unwrap(); last != nil {
			info = failure(last)
		}
	}
	info.Message = domain.Sentence(info.Message)
	return info
}
