package app

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"berth/domain"
)

// fields gathers everything that is wrong with a request.
type fields struct {
	bad []domain.FieldError
}

func (f *fields) fail(field, rule string, args ...any) {
	f.bad = append(f.bad, domain.FieldError{Field: field, Rule: fmt.Sprintf(rule, args...)})
}

func (f *fields) add(bad []domain.FieldError) { f.bad = append(f.bad, bad...) }

// name notes that a field names something that is not there, or not alone. Any other error is returned.
func (f *fields) name(field string, err error) error {
	if !domain.Is(err, domain.NotFound) && !domain.Is(err, domain.Conflict) {
		return err
	}
	var known *domain.Error
	if errors.As(err, &known) {
		f.fail(field, "%s", known.Message)
	}
	return nil
}

// err lists what is wrong by field, or is nil when nothing is.
func (f *fields) err(what string) error {
	slices.SortStableFunc(f.bad, func(a, b domain.FieldError) int { return cmp.Compare(a.Field, b.Field) })
	return domain.InvalidFields(what, f.bad)
}

// put sets a value that a patch has.
func put[T any](to *T, patch *T) {
	if patch != nil {
		*to = *patch
	}
}
