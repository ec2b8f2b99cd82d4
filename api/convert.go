package api

import (
	"strconv"
	"time"

	"berth/app"
	"berth/domain"
)

// optional returns nil for the zero value, so that a field is left out instead of being empty.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// value returns what p points to, or the zero value for a field that was left out.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// moment returns nil for the zero time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// convert maps every item, and never returns nil, so that lists are [] and not null.
func convert[From, To any](items []From, one func(From) To) []To {
	out := make([]To, len(items))
	for i, item := range items {
		out[i] = one(item)
	}
	return out
}

// list returns s, or an empty list instead of nil.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// etag writes a version as an entity tag (RFC 9110, 8.8.3).
func etag(version int64) *string {
	tag := `"` + strconv.FormatInt(version, 10) + `"`
	return &tag
}

// ifMatch reads the version out of an If-Match header that the contract's pattern let through; 0 means any.
func ifMatch(header *IfMatch) int64 {
	if header == nil || *header == "*" {
		return 0
	}
	tag := *header
	version, err := strconv.ParseInt(tag[1:len(tag)-1], 10, 64)
	if err != nil || version == 0 {
		return -1 // no object has this version
	}
	return version
}

func findingsJSON(findings []domain.Finding) []Finding {
	return convert(findings, func(f domain.Finding) Finding {
		return Finding{Severity: FindingSeverity(f.Severity), What: f.What, Fix: f.Fix}
	})
}

func optionalFindings(findings []domain.Finding) *[]Finding {
	if len(findings) == 0 {
		return nil
	}
	out := findingsJSON(findings)
	return &out
}

// page reads what part of a list is asked for; what is left out is the use case's to choose.
func page(limit *Limit, cursor *Cursor) app.Page {
	return app.Page{Limit: value(limit), Cursor: value(cursor)}
}
