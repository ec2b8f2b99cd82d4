package pve

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// guest brings the guest of a request into the state that its outcome shows.
func (w *world) guest(r *recording, op *operation, p params, outcome string) {
	vmid, err := strconv.Atoi(p.get("vmid"))
	node := p.get("node")
	if op.name == "nextid" && err == nil {
		w.c.mu.Lock()
		if r.status() == 200 {
			delete(w.c.state.Containers, vmid)
		}
		w.c.mu.Unlock()
		if strings.Contains(fmt.Sprint(r.body()["errors"]), "already exists") {
			w.exists(w.c.nodes[0].Name, vmid)
		}
		return
	}
	if rows, _ := r.body()["data"].([]any); err != nil {
		w.listed(op, node, rows)
		return
	}
	if op.name == "lxc.create" && w.c.nodeNamed(node) != nil {
		w.create(r, node, vmid, p, outcome)
		return
	}
	if w.c.nodeNamed(node) == nil || !strings.HasPrefix(op.name, "lxc.") || r.status() == 400 || r.status() == 403 ||
		r.status() >= 500 && outcome == "" {
		return
	}
	nothing := op.name == "lxc.interfaces" && r.body()["data"] == nil
	if strings.HasPrefix(outcome, "Configuration file") {
		w.c.mu.Lock()
		if ct := w.c.state.Containers[vmid]; ct != nil && ct.Node == node {
			delete(w.c.state.Containers, vmid)
		}
		w.c.mu.Unlock()
		return
	}
	if strings.HasSuffix(outcome, " not running") || nothing {
		w.runs(vmid, false)
		return
	}
	if r.status() == 200 && r.upid() != "" && outcome == "" && op.name == "lxc.start" {
		w.runs(vmid, false)
		return // nothing is known of how it ended
	}
	w.exists(node, vmid)
	w.c.mu.Lock()
	ct := w.c.state.Containers[vmid]
	lock, _ := dataOf(r)["lock"].(string)
	w.creating(ct, strings.HasPrefix(outcome, "CT is locked (create)") || lock == "create")
	w.option(ct, outcome)
	if free := op.name == "lxc.configure" || op.name == "lxc.resize" || op.name == "lxc.delete"; free &&
		!strings.HasPrefix(outcome, "CT is locked") {
		delete(ct.Options, "lock") // the recorder removed it on the node
	}
	if r.status() == 200 && op.name == "lxc.config" {
		w.describe(r, ct)
	}
	w.c.mu.Unlock()
	w.activity(r, op, vmid, outcome)
	if strings.HasPrefix(outcome, "can't lock file") {
		lock := w.c.lockOf(vmid)
		lock <- struct{}{}
		w.unlock = func() { <-lock }
	}
}

// option sets what the outcome tells about the configuration; c.mu is held.
func (w *world) option(ct *container, outcome string) {
	switch m := lockedBy.FindStringSubmatch(outcome); {
	case m != nil && m[1] != "create":
		ct.Options["lock"] = m[1]
	case outcome == "OK" && ct.Options["lock"] != "create":
		delete(ct.Options, "lock")
	}
	if strings.Contains(outcome, "if it's a template") {
		ct.Options["template"] = "1"
	}
	if m := noBridge.FindStringSubmatch(outcome); m != nil {
		ct.Options["net0"] = "name=eth0,bridge=" + m[1]
	}
	if strings.HasPrefix(outcome, "can't resize") {
		ct.Options["rootfs"] = fmt.Sprintf("ctdir:%d/subvol-%d-disk-0.subvol,size=0T", ct.VMID, ct.VMID)
	}
	if strings.Contains(outcome, "protection mode") {
		ct.Options["protection"] = "1"
	}
	if strings.HasPrefix(outcome, "WARNINGS") {
		ct.Options["net0"] = "name=eth0,bridge=vmbr9,host-managed=1,ip=dhcp"
		w.runtime.mu.Lock()
		w.runtime.noLease[ct.VMID] = true
		w.runtime.mu.Unlock()
	}
}

// dataOf is the object that an answer holds.
func dataOf(r *recording) map[string]any {
	data, _ := r.body()["data"].(map[string]any)
	return data
}

// creating makes a guest look as during its creation or not, where no creation of the scenario is running; c.mu is held.
func (w *world) creating(ct *container, is bool) {
	for _, t := range w.c.tasks.all {
		if t.running() && t.Type == "vzcreate" && t.ID == strconv.Itoa(ct.VMID) {
			return
		}
	}
	if is {
		ct.Options["lock"] = "create"
	} else if ct.Options["lock"] == "create" {
		delete(ct.Options, "lock")
	}
}

// describe gives a guest the options that the recorded one had and nobody was recorded giving it. Values are invented:
// what is compared are their JSON types.
func (w *world) describe(r *recording, ct *container) {
	data, _ := r.body()["data"].(map[string]any)
	if data["lxc"] != nil && len(ct.LXC) == 0 {
		ct.LXC = [][2]string{{"lxc.signal.halt", "SIGTERM"}}
	}
	for option := range data {
		if option == "parent" {
			ct.Options[option] = "seeded"
		}
		if rule, known := guestOptions().find(option); known && ct.effective()[option] == "" {
			ct.Options[option] = "1"
			if rule.kind == kString {
				ct.Options[option] = "seeded"
			}
		}
	}
}

// activity makes a guest run or not.
func (w *world) activity(r *recording, op *operation, vmid int, outcome string) {
	ok := r.status() == 200
	data, _ := r.body()["data"].(map[string]any)
	switch {
	case strings.HasSuffix(outcome, "already running"), strings.HasSuffix(outcome, "container is running"),
		data["status"] == "running" && op.name == "lxc.status", op.name == "lxc.interfaces",
		op.name == "lxc.rrddata" && strings.Contains(r.Response.Body, `"disk"`),
		ok && (op.name == "lxc.stop" || op.name == "lxc.shutdown" || op.name == "lxc.reboot"):
		w.runs(vmid, true)
	case ok && op.name == "lxc.start", data["status"] == "stopped" && op.name == "lxc.status",
		ok && op.name == "lxc.delete" && !strings.Contains(r.Request.Target, "force=1"):
		w.runs(vmid, false)
	}
	if op.name == "lxc.status" {
		w.c.mu.Lock()
		if lock, _ := data["lock"].(string); lock != "" && lock != "create" {
			w.c.state.Containers[vmid].Options["lock"] = lock
		}
		if tags, _ := data["tags"].(string); tags != "" {
			w.c.state.Containers[vmid].Options["tags"] = tags
		}
		w.c.mu.Unlock()
	}
	w.runtime.mu.Lock()
	w.runtime.stubborn[vmid] = outcome == "container did not stop" || outcome == "unexpected status"
	w.runtime.mu.Unlock()
}

// create prepares for a creation.
func (w *world) create(r *recording, node string, vmid int, p params, outcome string) {
	if existsOn.MatchString(r.reason()) || r.status() >= 595 {
		return
	}
	w.runs(vmid, false)
	w.c.mu.Lock()
	delete(w.c.state.Containers, vmid)
	w.c.mu.Unlock()
	_, name, _ := strings.Cut(p.get("ostemplate"), ":vztmpl/")
	switch {
	case name == "":
	case strings.Contains(outcome, "does not exist"):
		_ = os.Remove(w.c.TemplateFile(node, "local", name))
	case strings.Contains(outcome, "tar xpf"):
		w.template(node, name, "broken")
	default:
		w.template(node, name, "plain")
	}
}

// listed makes a list be empty or not.
func (w *world) listed(op *operation, node string, rows []any) {
	if op.name == "lxc.list" && len(rows) == 0 && node == w.c.nodes[0].Name {
		w.c.mu.Lock()
		for vmid, ct := range w.c.state.Containers {
			if ct.Node == node {
				delete(w.c.state.Containers, vmid)
			}
		}
		w.c.mu.Unlock()
	}
	for _, row := range rows {
		o, _ := row.(map[string]any)
		vmid, ok := o["vmid"].(float64)
		if !ok || op.name != "lxc.list" && op.name != "resources" {
			continue
		}
		on := node
		if on == "" {
			on, _ = o["node"].(string)
		}
		w.exists(on, int(vmid))
		w.runs(int(vmid), o["status"] == "running")
		w.remember(on, int(vmid))
		w.c.mu.Lock()
		for _, option := range []string{"tags", "lock"} {
			if text, _ := o[option].(string); text != "" {
				w.c.state.Containers[int(vmid)].Options[option] = text
			}
		}
		w.c.mu.Unlock()
	}
}

// remember gives a guest of a node that is away the figures that its node told before.
func (w *world) remember(node string, vmid int) {
	if w.c.isOnline(node) {
		return
	}
	ct, err := w.c.load(node, vmid)
	if err != nil {
		w.t.Fatal(err)
	}
	row, err := w.c.statsRow(context.Background(), ct)
	if err != nil {
		w.t.Fatal(err)
	}
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.c.stats[vmid] = guestStats{node: node, row: row, at: w.c.now()}
}

// images prepares registry and template storage.
func (w *world) images(r *recording, op *operation, p params, outcome string) {
	reference := p.get("reference")
	w.puller.mu.Lock()
	w.puller.missing[reference] = strings.Contains(outcome, "skopeo")
	w.puller.mu.Unlock()
	node := p.get("node")
	if op.name == "oci.pull" && w.c.nodeNamed(node) != nil {
		name := p.get("filename")
		if name == "" {
			name = reference
		}
		file := normalizeFilename(name) + ".tar"
		if r.status() == 200 {
			_ = os.Remove(w.c.TemplateFile(node, "local", file))
		} else if strings.HasPrefix(outcome, "refusing to override") {
			w.template(node, file, "plain")
		}
	}
	if op.name != "storage.content" || w.c.nodeNamed(node) == nil {
		return
	}
	rows, _ := r.body()["data"].([]any)
	for _, row := range rows {
		o, _ := row.(map[string]any)
		if _, name, ok := strings.Cut(fmt.Sprint(o["volid"]), ":vztmpl/"); ok {
			w.template(node, name, "plain")
		}
		if storage, name, ok := strings.Cut(fmt.Sprint(o["volid"]), ":backup/"); ok {
			file := filepath.Join(w.c.storageFolder(node, storage), "dump", name)
			if err := os.WriteFile(file, []byte("backup"), 0o600); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}
