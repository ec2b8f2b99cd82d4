package pve

import (
	"encoding/json"
	"sort"
	"strconv"
	"strings"
)

// shown returns an option's value with the JSON type that Proxmox gives it.
func shown(option, text string) any {
	r, ok := guestOptions().find(option)
	switch {
	case option == "description" && !strings.HasSuffix(text, "\n"):
		return text + "\n"
	case ok && (r.kind == kInteger || r.kind == kBoolean):
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	}
	return text
}

// effective returns the options as they will be after the next start.
func (ct *container) effective() map[string]string {
	out := cloneMap(ct.Options)
	for _, option := range ct.Drop {
		delete(out, option)
	}
	for option, text := range ct.Pending {
		out[option] = text
	}
	return out
}

// getConfig answers GET config: with what is pending by default, with what is in force for current=1.
func (c *Cluster) getConfig(k *call) (answer, error) {
	ct, err := c.load(k.node, k.vmid())
	if err != nil {
		return answer{}, err
	}
	if s := k.params.get("snapshot"); s != "" {
		return answer{}, die("snapshot '%s' does not exist", s)
	}
	options := ct.effective()
	if k.params.bool("current") {
		options = ct.Options
	}
	data := map[string]any{"digest": ct.digest()}
	for option, text := range options {
		data[option] = shown(option, text)
	}
	if len(ct.LXC) > 0 {
		data["lxc"] = ct.LXC
	}
	if !c.may(k.auth, "/vms/"+k.params.get("vmid"), false, "VM.Config.Options") {
		delete(data, "env")
	}
	return answer{data: data}, nil
}

// getPending lists options with what is in force and what will be.
func (c *Cluster) getPending(k *call) (answer, error) {
	ct, err := c.load(k.node, k.vmid())
	if err != nil {
		return answer{}, err
	}
	names := map[string]bool{}
	for option := range ct.Options {
		names[option] = true
	}
	for option := range ct.Pending {
		names[option] = true
	}
	rows := []map[string]any{{"key": "digest", "value": ct.digest()}}
	for option := range names {
		row := map[string]any{"key": option}
		if text, ok := ct.Options[option]; ok {
			row["value"] = shown(option, text)
		}
		if text, ok := ct.Pending[option]; ok {
			row["pending"] = shown(option, text)
		}
		if contains(ct.Drop, option) {
			row["delete"] = 1
		}
		rows = append(rows, row)
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i]["key"].(string) < rows[j]["key"].(string) })
	return answer{data: rows}, nil
}

// number keeps a figure as it is written, such as "0.5".
func number64(f float64) json.Number { return json.Number(strconv.FormatFloat(f, 'g', 15, 64)) }
