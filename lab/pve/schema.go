package pve

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is the type of a parameter.
type kind uint8

const (
	kString kind = iota
	kInteger
	kNumber
	kBoolean
)

func (k kind) String() string { return [...]string{"string", "integer", "number", "boolean"}[k] }

// rule says what one parameter may be. The texts of its refusals are Proxmox's.
type rule struct {
	name       string
	kind       kind
	required   bool
	hasMin     bool
	hasMax     bool
	min, max   float64
	minLen     int
	maxLen     int
	pattern    *regexp.Regexp
	enum       []string
	format     format // checks a string beyond the pattern
	list       bool   // format holds for each element; JSON arrays are accepted
	properties rules  // of a property string such as "name=eth0,bridge=vmbr0"
	defaultKey bool   // in a property string: the value may stand without key
	requires   string // another parameter that must come with it
}

// format checks one value; its error is the text after "invalid format - ", with its newline.
type format func(value string) error

type rules []rule

func str(name string) rule     { return rule{name: name, kind: kString} }
func integer(name string) rule { return rule{name: name, kind: kInteger} }
func number(name string) rule  { return rule{name: name, kind: kNumber} }
func boolean(name string) rule { return rule{name: name, kind: kBoolean} }

func (r rule) must() rule                  { r.required = true; return r }
func (r rule) atLeast(n float64) rule      { r.hasMin, r.min = true, n; return r }
func (r rule) atMost(n float64) rule       { r.hasMax, r.max = true, n; return r }
func (r rule) longest(n int) rule          { r.maxLen = n; return r }
func (r rule) shortest(n int) rule         { r.minLen = n; return r }
func (r rule) match(p string) rule         { r.pattern = regexp.MustCompile(`^(?:` + p + `)$`); return r }
func (r rule) oneOf(values ...string) rule { r.enum = values; return r }
func (r rule) as(f format) rule            { r.format = f; return r }
func (r rule) listOf(f format) rule        { r.format, r.list = f, true; return r }
func (r rule) needs(other string) rule     { r.requires = other; return r }
func (r rule) of(sub rules) rule           { r.properties = sub; return r }
func (r rule) keyless() rule               { r.defaultKey = true; return r }

// numbered expands r to name0 .. name(n-1).
func numbered(n int, r rule) rules {
	out := make(rules, n)
	for i := range out {
		out[i] = r
		out[i].name = r.name + strconv.Itoa(i)
	}
	return out
}

func (rs rules) find(name string) (rule, bool) {
	for _, r := range rs {
		if r.name == name {
			return r, true
		}
	}
	return rule{}, false
}

const (
	missing   = "property is missing and it is not optional"
	undefined = "property is not defined in schema and the schema does not allow additional properties"
)

// check validates all parameters and returns the refusals by name; nil when there are none.
func (rs rules) check(p params) map[string]string {
	errs := map[string]string{}
	known := make(map[string]bool, len(rs))
	for _, r := range rs {
		known[r.name] = true
		v, given := p[r.name]
		if !given {
			if r.required {
				errs[r.name] = missing
			}
			continue
		}
		if r.requires != "" {
			if _, there := p[r.requires]; !there {
				errs[r.requires] = "missing property required by '" + r.name + "'"
			}
		}
		if text := r.checkValue(v); text != "" {
			errs[r.name] = text
		}
	}
	for name := range p {
		if !known[name] {
			errs[name] = undefined
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs
}

func (r rule) checkValue(v value) string {
	if v.nested != "" && (!r.list || v.nested != "ARRAY") {
		return "type check ('" + r.kind.String() + "') failed - got " + v.nested
	}
	s := v.text
	if r.kind != kString {
		return r.checkScalar(s)
	}
	if text := r.checkFormat(s); text != "" {
		return text
	}
	switch {
	case r.pattern != nil && !r.pattern.MatchString(s):
		return "value does not match the regex pattern"
	case r.maxLen > 0 && utf8.RuneCountInString(s) > r.maxLen:
		return "value may only be " + strconv.Itoa(r.maxLen) + " characters long"
	case utf8.RuneCountInString(s) < r.minLen:
		return "value must be at least " + strconv.Itoa(r.minLen) + " characters long"
	}
	return r.checkEnum(s)
}

func (r rule) checkFormat(s string) string {
	switch {
	case r.properties != nil:
		if err := r.properties.checkProperties(r.name, s); err != nil {
			return "invalid format - " + err.Error()
		}
	case r.list:
		for _, element := range splitList(s) {
			if err := r.format(element); err != nil {
				return "invalid format - " + err.Error()
			}
		}
	case r.format != nil:
		if err := r.format(s); err != nil {
			return "invalid format - " + err.Error()
		}
	}
	return ""
}

var (
	integerPattern = regexp.MustCompile(`^[+-]?\d+$`)
	numberPattern  = regexp.MustCompile(`^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$`)
)

func (r rule) checkScalar(s string) string {
	wrong := "type check ('" + r.kind.String() + "') failed - got '" + s + "'"
	switch {
	case r.kind == kBoolean && s != "0" && s != "1",
		r.kind == kInteger && !integerPattern.MatchString(s),
		r.kind == kNumber && !numberPattern.MatchString(s):
		return wrong
	}
	if r.kind == kBoolean {
		return ""
	}
	if r.format != nil {
		if err := r.format(s); err != nil {
			return "invalid format - " + err.Error()
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil:
		return wrong
	case r.hasMax && n > r.max:
		return "value must have a maximum value of " + trimNumber(r.max)
	case r.hasMin && n < r.min:
		return "value must have a minimum value of " + trimNumber(r.min)
	}
	return r.checkEnum(s)
}

func (r rule) checkEnum(s string) string {
	if len(r.enum) == 0 {
		return ""
	}
	for _, e := range r.enum {
		if e == s {
			return ""
		}
	}
	return "value '" + s + "' does not have a value in the enumeration '" + strings.Join(r.enum, ", ") + "'"
}

func trimNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// splitList cuts a list as Proxmox writes them: "a,b", "a b", "a;b" or with NUL.
func splitList(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(", ;\x00\t\n", r) })
}
