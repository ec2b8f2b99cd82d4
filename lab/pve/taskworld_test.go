package pve

import (
	"net/http"
	"strings"
	"time"
)

// hold keeps the task that a request starts from ending until release is called for its recorded UPID.
func (w *world) hold(upid string, p params) {
	gate := make(chan struct{})
	open := false
	release := func() {
		if !open {
			open = true
			close(gate)
		}
	}
	w.runtime.mu.Lock()
	if strings.Contains(upid, ":vzcreate:") {
		w.runtime.unpacks = gate
	} else {
		vmid := (&call{params: p}).vmid()
		w.runtime.gates[vmid] = gate
	}
	w.runtime.mu.Unlock()
	w.held[upid] = release
}

// settle waits until no task is running but those that are held, or that wait for one.
func (w *world) settle() {
	if len(w.held) > 0 {
		return
	}
	if !eventually(func() bool {
		w.c.mu.Lock()
		defer w.c.mu.Unlock()
		for _, t := range w.c.tasks.all {
			if t.running() && t.Type != "vzshutdown" && !w.blocked(t) {
				return false
			}
		}
		return true
	}) {
		w.t.Error("the tasks do not end")
	}
}

// blocked tells whether a task waits for a shutdown of the same guest; c.mu is held.
func (w *world) blocked(t *task) bool {
	for _, other := range w.c.tasks.all {
		if other != t && other.running() && other.Type == "vzshutdown" && other.ID == t.ID {
			return true
		}
	}
	return false
}

// tasks makes sure that a task which is asked about is there, and as far as the recorded one.
func (w *world) tasks(r *recording, op *operation, p params) {
	if op.name == "tasks.list" || op.name == "cluster.tasks" {
		w.listTasks(r, p)
		return
	}
	upid := p.get("upid")
	if !strings.HasPrefix(op.name, "tasks.") || r.status() != http.StatusOK || op.name == "tasks.index" {
		return
	}
	data, _ := r.body()["data"].(map[string]any)
	if data["exitstatus"] != nil || op.name == "tasks.log" {
		w.ended(upid, data["exitstatus"] != nil)
	}
	if op.name == "tasks.log" && strings.Contains(r.Response.Body, "unable to open file - No such file") {
		return
	}
	if w.upids[upid] != "" {
		w.lengthen(r, op, upid)
		return
	}
	exit := w.exit(upid)
	if exit == "" {
		exit = "OK"
	}
	if s, _ := data["exitstatus"].(string); s != "" {
		exit = s
	}
	w.upids[upid] = w.finished(upid, exit)
	w.seeded[upid] = true
	w.lengthen(r, op, upid)
}

// lengthen gives the log of a seeded task as many lines as the recorded one had.
func (w *world) lengthen(r *recording, op *operation, upid string) {
	total, _ := r.body()["total"].(float64)
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	if t := w.c.tasks.byUPID[w.upids[upid]]; t != nil && op.name == "tasks.log" && w.seeded[upid] {
		for len(t.Log) < int(total) {
			t.Log = append([]string{"seeded"}, t.Log...)
		}
	}
}

// ended lets a held task go on and waits for its end.
func (w *world) ended(upid string, must bool) {
	if !must && w.held[upid] != nil {
		return
	}
	if release := w.held[upid]; release != nil {
		release()
		delete(w.held, upid)
		w.runtime.mu.Lock()
		w.runtime.unpacks = nil
		clear(w.runtime.gates)
		w.runtime.mu.Unlock()
	}
	w.c.mu.Lock()
	t := w.c.tasks.byUPID[w.upids[upid]]
	w.c.mu.Unlock()
	if t == nil {
		return
	}
	if w.exit(upid) == "unexpected status" {
		w.c.kill(t) // by a request that is missing, else it has ended already
	}
	select {
	case <-t.done:
	case <-time.After(20 * time.Second):
		w.t.Errorf("task %s does not end", upid)
	}
}

// finished puts a task into the archive, like one that was started before the scenario began.
func (w *world) finished(upid, exit string) string {
	m := upidPattern.FindStringSubmatch(upid)
	user, name, _ := strings.Cut(m[7], "!")
	now := time.Now()
	w.c.mu.Lock()
	defer w.c.mu.Unlock()
	w.c.tasks.lastPID++
	t := &task{
		Node: m[1], Type: m[5], ID: m[6], PID: w.c.tasks.lastPID, PStart: 1, Start: now.Unix(), End: now.Unix(), User: user,
		Token: name, Exit: exit, Log: []string{"TASK " + exit}, done: make(chan struct{}),
	}
	close(t.done)
	w.c.tasks.add(t)
	return t.upid()
}

// runningTask starts a worker that runs for the rest of the scenario.
func (w *world) runningTask(upid string) string {
	m := upidPattern.FindStringSubmatch(upid)
	user, name, _ := strings.Cut(m[7], "!")
	gate := make(chan struct{})
	w.held[upid] = func() { close(gate) }
	return w.c.start(m[1], identity{user: user, token: name}, nil, m[5], m[6], func(*worker) error {
		<-gate
		return nil
	})
}

// listTasks makes a list of tasks have what the recorded one has, in kind.
func (w *world) listTasks(r *recording, p params) {
	rows, _ := r.body()["data"].([]any)
	for _, row := range rows {
		o, _ := row.(map[string]any)
		upid, _ := o["upid"].(string)
		exit, _ := o["status"].(string)
		if !upidPattern.MatchString(upid) || w.held[upid] != nil || w.upids[upid] != "" && exit != "RUNNING" {
			continue
		}
		if exit == "RUNNING" {
			w.upids[upid] = w.runningTask(upid)
			continue
		}
		w.upids[upid] = w.finished(upid, exit)
	}
}
