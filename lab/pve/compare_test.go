package pve

import (
	"encoding/json"
	"fmt"
	"regexp"
	"sort"
	"strings"
)

// volatile parts of texts: process IDs and places in Perl code.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(` at /usr/share/perl5.*`), ""},
	{regexp.MustCompile(`\.tmp\.\d+`), ".tmp.PID"},
	{regexp.MustCompile(`/proc/\d+/`), "/proc/PID/"},
	{regexp.MustCompile(` -e 'ROOTFS=[^']*'`), ""},
	{regexp.MustCompile(`exit code \d+$`), "exit code"},
}

func steady(text string) string {
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	return text
}

// differences tells how an answer differs from the recorded one in what is not volatile.
func differences(r *recording, status int, reason, body string, encoding string) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if status != r.status() {
		add("status is %d, want %d", status, r.status())
	}
	if steady(reason) != steady(r.reason()) {
		add("reason is %q, want %q", reason, r.reason())
	}
	if encoding != header(r.Response.Headers, "Content-Encoding") {
		add("content encoding is %q, want %q", encoding, header(r.Response.Headers, "Content-Encoding"))
	}
	if (body == "") != (r.Response.Body == "") {
		add("body is %q, want %q", body, r.Response.Body)
		return out
	}
	if r.Response.Encoding == "hex" {
		return out
	}
	want := r.body()
	if want == nil {
		if header(r.Response.Headers, "Content-Disposition") == "" && steady(body) != steady(r.Response.Body) {
			add("body is %q, want %q", body, r.Response.Body)
		}
		return out
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		add("body %q is no JSON object", body)
		return out
	}
	for _, name := range []string{"message", "success", "status"} {
		if steady(fmt.Sprint(got[name])) != steady(fmt.Sprint(want[name])) {
			add("%s is %q, want %q", name, got[name], want[name])
		}
	}
	if a, b := fmt.Sprint(got["errors"]), fmt.Sprint(want["errors"]); steady(a) != steady(b) {
		add("errors are %q, want %q", a, b)
	}
	if data, ok := want["data"].(map[string]any); ok {
		if exit, ok := data["exitstatus"].(string); ok {
			mine, _ := got["data"].(map[string]any)
			if text := fmt.Sprint(mine["exitstatus"]); steady(text) != steady(exit) {
				add("exit status is %q, want %q", text, exit)
			}
		}
	}
	if _, counted := want["total"]; counted && got["total"] == nil {
		add("total is missing")
	}
	return append(out, typeDifferences("data", got["data"], want["data"])...)
}

// ofTheMachine are keys whose type or presence tells about the machine of the recordings, or about what was configured
// on it: settings of the data centre, options that somebody gave to a guest, a comment that somebody wrote.
func ofTheMachine(path, key string) bool {
	return strings.HasPrefix(key, "pressure") || key == "console" ||
		key == "saved" && strings.HasPrefix(path, "data[") // a number until the list of tasks is read again, then a string
}

// typeDifferences compares JSON types: every recorded key must be there with the same type; lists are sets.
func typeDifferences(path string, got, want any) []string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %s, want an object", path, typeName(got))}
		}
		var out []string
		keys := make([]string, 0, len(w))
		for key := range w {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		for _, key := range keys {
			if ofTheMachine(path, key) {
				continue
			}
			mine, there := g[key]
			if !there {
				out = append(out, fmt.Sprintf("%s.%s is missing", path, key))
				continue
			}
			out = append(out, typeDifferences(path+"."+key, mine, w[key])...)
		}
		return out
	case []any:
		g, ok := got.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %s, want a list", path, typeName(got))}
		}
		if strings.HasSuffix(path, ".ip-addresses") && len(w) == 0 {
			return nil // the recorded guest had not come as far yet
		}
		if (len(g) == 0) != (len(w) == 0) {
			return []string{fmt.Sprintf("%s has %d elements, want %d", path, len(g), len(w))}
		}
		var out []string
		for i, element := range w {
			out = append(out, closest(fmt.Sprintf("%s[%d]", path, i), g, element)...)
		}
		return out
	}
	if typeName(got) != typeName(want) {
		return []string{fmt.Sprintf("%s is %s, want %s", path, typeName(got), typeName(want))}
	}
	return nil
}

// closest compares an element with the one of the same identity, else with the one that differs least.
func closest(path string, list []any, want any) []string {
	best := []string{"nothing to compare with"}
	first := true
	for _, candidate := range list {
		d := typeDifferences(path, candidate, want)
		if same := naming(candidate); same != "" && same == naming(want) {
			return d
		}
		if first || len(d) < len(best) {
			best, first = d, false
		}
	}
	return best
}

// naming is what names an element of a list.
func naming(element any) string {
	object, ok := element.(map[string]any)
	if !ok {
		return ""
	}
	for _, keys := range [][]string{{"type", "id"}, {"userid"}, {"tokenid"}, {"volid"}, {"key"}, {"roleid"}, {"realm"}, {"iface"}} {
		out := ""
		for _, key := range keys {
			s, ok := object[key].(string)
			if !ok {
				out = ""
				break
			}
			out += key + "=" + s + " "
		}
		if out != "" && (keys[0] != "type" || object["upid"] == nil) {
			return out
		}
	}
	return ""
}

func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case float64:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "a list"
	}
	return "an object"
}
