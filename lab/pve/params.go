package pve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// value is one parameter as it came: everything is text, as in Proxmox.
type value struct {
	text   string
	list   []string // the elements, when nested is ARRAY
	nested string   // "ARRAY" or "HASH" when it is not a scalar
	number bool     // came as a JSON number or boolean
}

// params are the parameters of a call: those in the path, the query and the body.
type params map[string]value

func (p params) has(name string) bool      { _, ok := p[name]; return ok }
func (p params) get(name string) string    { return p[name].text }
func (p params) bool(name string) bool     { return p[name].text == "1" }
func (p params) set(name, text string)     { p[name] = value{text: text} }
func (p params) list(name string) []string { return splitList(p[name].text) }

// take returns a parameter and removes it.
func (p params) take(name string) (string, bool) {
	v, ok := p[name]
	delete(p, name)
	return v.text, ok
}

// int returns a parameter, or fallback when it was not given. Rules have checked that it is a number.
func (p params) int(name string, fallback int) int {
	n, err := strconv.Atoi(p[name].text)
	if err != nil {
		return fallback
	}
	return n
}

// names returns the names of all parameters in order.
func (p params) names() []string {
	out := make([]string, 0, len(p))
	for name := range p {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// decodeForm reads a query or a form; a name that comes twice makes an array.
func decodeForm(s string) params {
	p := params{}
	for _, pair := range strings.FieldsFunc(s, func(r rune) bool { return r == '&' || r == ';' }) {
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			name = rawName
		}
		text, err := url.QueryUnescape(rawValue)
		if err != nil {
			text = rawValue
		}
		if old, twice := p[name]; twice {
			if old.nested == "" {
				old.list = []string{old.text}
			}
			list := append(old.list, text)
			p[name] = value{text: strings.Join(list, "\x00"), list: list, nested: "ARRAY"}
			continue
		}
		p.set(name, text)
	}
	return p
}

// decodeJSON reads a JSON body, telling what is wrong with it as Perl does.
func decodeJSON(body []byte) (params, *apiError) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var decoded any
	if err := decoder.Decode(&decoded); err != nil {
		return nil, onWire(http.StatusInternalServerError, "%s at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.\n",
			perlJSONError(body))
	}
	object, ok := decoded.(map[string]any)
	if !ok {
		return nil, onWire(http.StatusInternalServerError,
			"Not a HASH reference at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 978.\n")
	}
	p := make(params, len(object))
	for name, raw := range object {
		if v, there := jsonValue(raw); there {
			p[name] = v
		}
	}
	return p, nil
}

func jsonValue(raw any) (value, bool) {
	switch v := raw.(type) {
	case nil:
		return value{}, false
	case string:
		return value{text: v}, true
	case bool:
		if v {
			return value{text: "1", number: true}, true
		}
		return value{text: "0", number: true}, true
	case json.Number:
		return value{text: v.String(), number: true}, true
	case []any:
		list := make([]string, 0, len(v))
		for _, element := range v {
			list = append(list, fmt.Sprint(element))
		}
		return value{text: strings.Join(list, "\x00"), list: list, nested: "ARRAY"}, true
	default:
		return value{nested: "HASH"}, true
	}
}

// contentType returns the media type without its parameters; "" when there is none.
func contentType(r *http.Request) string {
	header := r.Header.Get("Content-Type")
	if header == "" {
		return ""
	}
	media, _, err := mime.ParseMediaType(header)
	if err != nil {
		return header
	}
	return media
}
