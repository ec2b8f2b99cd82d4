package api

import (
	"errors"
	"fmt"

	"berth/domain"
)

// withFindings adds to a refusal what the check found, unless the use case has done so already.
func withFindings(err error, findings []domain.Finding) error {
	var e *domain.Error
	if len(findings) == 0 || !errors.As(err, &e) || len(e.Fields) > 0 {
		return err
	}
	told := *e
	for i, f := range findings {
		told.Fields = append(told.Fields, domain.FieldError{
			Field: fmt.Sprintf("findings[%d]", i), Rule: f.Severity + ": " + f.What + "; " + f.Fix,
		})
	}
	return &told
}
