package proxmox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Proxmox's Perl writes a number as a number or as a string depending on how the value was last used, and booleans as 0, 1,
// "0", "1" or true. The library's structs fail on the unexpected form; these types accept all of them. null is the zero value.
type (
	flexInt    int64
	flexFloat  float64
	flexBool   bool
	flexString string
)

// UnmarshalJSON accepts 12, 12.0, "12", true and null.
func (i *flexInt) UnmarshalJSON(raw []byte) error {
	text := scalar(raw)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		*i = flexInt(n)
		return nil
	}
	var f flexFloat
	if err := f.UnmarshalJSON(raw); err != nil {
		return err
	}
	*i = flexInt(math.Round(float64(f)))
	return nil
}

// UnmarshalJSON accepts 0.5, "0.5", true and null.
func (f *flexFloat) UnmarshalJSON(raw []byte) error {
	switch text := scalar(raw); text {
	case "", "null", "false":
		*f = 0
	case "true":
		*f = 1
	default:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%s is not a number", raw)
		}
		*f = flexFloat(n)
	}
	return nil
}

// UnmarshalJSON accepts 0, 1, "0", "1", true, false, "" and null.
func (b *flexBool) UnmarshalJSON(raw []byte) error {
	var f flexFloat
	if err := f.UnmarshalJSON(raw); err != nil {
		return err
	}
	*b = f != 0
	return nil
}

// UnmarshalJSON accepts a string, a number, a boolean and null.
func (s *flexString) UnmarshalJSON(raw []byte) error {
	if bytes.HasPrefix(raw, []byte(`"`)) {
		return json.Unmarshal(raw, (*string)(s))
	}
	if text := string(raw); text != "null" {
		*s = flexString(text)
	}
	return nil
}

func scalar(raw []byte) string { return strings.TrimSpace(strings.Trim(string(raw), `"`)) }

// decodeRows decodes a list row by row: a row that makes no sense is reported to skip and left out, so that one odd guest does not
// hide all others.
func decodeRows[T any](rows []json.RawMessage, skip func(row json.RawMessage, err error)) []T {
	out := make([]T, 0, len(rows))
	for _, row := range rows {
		var v T
		if err := json.Unmarshal(row, &v); err != nil {
			skip(row, err)
			continue
		}
		out = append(out, v)
	}
	return out
}

// properties splits Proxmox's "a=1,b=2" form. A part without "=" is the value of the default key.
func properties(text, defaultKey string) map[string]string {
	out := map[string]string{}
	for _, part := range strings.Split(text, ",") {
		if part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			key, value = defaultKey, part
		}
		out[key] = value
	}
	return out
}

// list splits Proxmox's lists, which may use comma, semicolon or blanks.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ';' || r == ' ' })
}
