package pve

import (
	"errors"
	"sort"
	"strings"
)

// properties is a parsed property string such as "name=eth0,bridge=vmbr0".
type properties map[string]string

// parse cuts a property string by the rules of rs. What is wrong is told as Proxmox tells it for the parameter path.
func (rs rules) parse(path, s string) (properties, error) {
	out := properties{}
	for _, part := range strings.Split(s, ",") {
		if part == "" {
			continue
		}
		key, val, hasKey := strings.Cut(part, "=")
		if hasKey && (key == "" || val == "") {
			return nil, errors.New("missing key in comma-separated list property\n")
		}
		if !hasKey {
			key, val = rs.keyless(), part
			if key == "" {
				return nil, errors.New("value without key, but schema does not define a default key\n")
			}
		}
		if _, twice := out[key]; twice {
			return nil, errors.New("duplicate key in comma-separated list property: " + key + "\n")
		}
		if r, ok := rs.find(key); ok && r.kind == kBoolean {
			val = booleanWord(val)
		}
		out[key] = val
	}
	p := make(params, len(out))
	for k, v := range out {
		p[k] = value{text: v}
	}
	if errs := rs.check(p); errs != nil {
		keys := make([]string, 0, len(errs))
		for k := range errs {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		var b strings.Builder
		b.WriteString("format error\n")
		for _, k := range keys {
			b.WriteString(path + "." + k + ": " + errs[k] + "\n")
		}
		return nil, errors.New(b.String())
	}
	return out, nil
}

func (rs rules) checkProperties(path, s string) error {
	_, err := rs.parse(path, s)
	return err
}

func (rs rules) keyless() string {
	for _, r := range rs {
		if r.defaultKey {
			return r.name
		}
	}
	return ""
}

// print writes a property string in Proxmox's order: the keyless value, required keys, then the others by name.
func (rs rules) print(p properties) string {
	rank := func(key string) int {
		r, _ := rs.find(key)
		switch {
		case r.defaultKey:
			return 0
		case r.required:
			return 1
		default:
			return 2
		}
	}
	keys := make([]string, 0, len(p))
	for k := range p {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		if a, b := rank(keys[i]), rank(keys[j]); a != b {
			return a < b
		}
		return keys[i] < keys[j]
	})
	parts := make([]string, len(keys))
	for i, k := range keys {
		parts[i] = k + "=" + p[k]
		if rank(k) == 0 {
			parts[i] = p[k]
		}
	}
	return strings.Join(parts, ",")
}

// booleanWord turns the words a property string may use for a boolean into 0 and 1.
func booleanWord(s string) string {
	switch strings.ToLower(s) {
	case "1", "on", "yes", "true":
		return "1"
	case "0", "off", "no", "false":
		return "0"
	}
	return s
}
