package pve

import (
	"fmt"
	"strconv"
)

// perlJSONError tells what Perl's JSON reader says about a text that is not JSON. It is a reader that keeps nothing.
func perlJSONError(body []byte) string {
	s := &jsonScan{text: []rune(string(body))}
	s.value()
	if s.problem == "" {
		s.space()
		s.problem = "garbage after JSON object"
	}
	rest := "(end of string)"
	if s.at < len(s.text) {
		end := min(len(s.text), s.at+20)
		rest = string(s.text[s.at:end])
		if end < len(s.text) {
			rest += "..."
		}
	}
	return fmt.Sprintf("%s, at character offset %d (before %s)", s.problem, s.at, strconv.Quote(rest))
}

type jsonScan struct {
	text    []rune
	at      int
	problem string
}

func (s *jsonScan) space() {
	for s.at < len(s.text) && (s.text[s.at] == ' ' || s.text[s.at] == '\t' || s.text[s.at] == '\n' || s.text[s.at] == '\r') {
		s.at++
	}
}

// next reports whether the next character is c, and passes it.
func (s *jsonScan) next(c rune) bool {
	s.space()
	if s.at < len(s.text) && s.text[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *jsonScan) fail(problem string) bool {
	if s.problem == "" {
		s.problem = problem
	}
	return false
}

func (s *jsonScan) value() bool {
	switch {
	case s.next('{'):
		return s.object()
	case s.next('['):
		return s.array()
	case s.next('"'):
		return s.string()
	}
	start := s.at
	for s.at < len(s.text) && isAtom(s.text[s.at]) {
		s.at++
	}
	if s.at == start {
		return s.fail("malformed JSON string, neither tag, array, object, number, string or atom")
	}
	return true
}

func isAtom(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' || r == '+' || r == '.'
}

func (s *jsonScan) object() bool {
	if s.next('}') {
		return true
	}
	for {
		switch {
		case !s.next('"'):
			return s.fail(`'"' expected`)
		case !s.string():
			return false
		case !s.next(':'):
			return s.fail("':' expected")
		case !s.value():
			return false
		case s.next('}'):
			return true
		case !s.next(','):
			return s.fail(", or } expected while parsing object/hash")
		}
	}
}

func (s *jsonScan) array() bool {
	if s.next(']') {
		return true
	}
	for {
		switch {
		case !s.value():
			return false
		case s.next(']'):
			return true
		case !s.next(','):
			return s.fail(", or ] expected while parsing array")
		}
	}
}

func (s *jsonScan) string() bool {
	for s.at < len(s.text) {
		c := s.text[s.at]
		s.at++
		switch c {
		case '\\':
			s.at++
		case '"':
			return true
		}
	}
	return s.fail("unexpected end of string while parsing JSON string")
}
