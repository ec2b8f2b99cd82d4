package domain

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a value that must not be seen: it prints, logs and marshals as a placeholder. Only Reveal gives it away.
// Package fmt does not ask the methods of unexported fields: a struct that holds a Secret exports it or never prints.
type Secret string

const redacted = "[secret]"

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// Format writes a placeholder for every verb; without it, a wrong verb such as %d would print the value in its complaint.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns a placeholder, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes a placeholder, for JSON, YAML and XML. (The keys of a JSON map are not asked.)
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
