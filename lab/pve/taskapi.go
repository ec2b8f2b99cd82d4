package pve

import (
	"net/http"
	"regexp"
	"strings"
	"time"
)

var upidPattern = regexp.MustCompile(`^UPID:([a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?):([0-9A-Fa-f]{8}):([0-9A-Fa-f]{8,9}):` +
	`([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$`)

// activeTasks is how many finished tasks /cluster/tasks keeps of each node.
const activeTasks = 25

// taskOf finds the task that a call names; nil when there is none on the node. privilege is what callers need for
// the tasks of others.
func (c *Cluster) taskOf(k *call, privilege string) (*task, error) {
	upid := k.params.get("upid")
	m := upidPattern.FindStringSubmatch(upid)
	if m == nil {
		return nil, paramError("upid", "unable to parse worker upid")
	}
	owner, _, _ := strings.Cut(m[7], "!")
	if owner != k.auth.user {
		if err := c.allow(k.auth, "/nodes/"+k.node, false, privilege); err != nil {
			return nil, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tasks.byUPID[upid]
	if t == nil || t.Node != k.node {
		return nil, nil
	}
	return t, nil
}

var errNoTask = paramError("upid", "no such task")

func (c *Cluster) getTaskStatus(k *call) (answer, error) {
	t, err := c.taskOf(k, "Sys.Audit")
	if err != nil {
		return answer{}, err
	}
	if t == nil {
		return answer{}, errNoTask
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	row := t.row()
	delete(row, "endtime")
	row["status"] = "running"
	if !t.running() {
		row["status"], row["exitstatus"] = "stopped", t.Exit
	}
	return answer{data: row}, nil
}

// row is what archive and status show of a task; c.mu is held.
func (t *task) row() map[string]any {
	row := map[string]any{
		"upid": t.upid(), "node": t.Node, "pid": t.PID, "pstart": t.PStart, "starttime": t.Start, "type": t.Type,
		"id": t.ID, "user": t.User,
	}
	if t.Token != "" {
		row["tokenid"] = t.Token
	}
	if !t.running() {
		row["endtime"], row["status"] = t.End, t.Exit
	}
	return row
}

// activeRow is what the list of active tasks shows: the token stays part of the user.
func (t *task) activeRow() map[string]any {
	row := t.row()
	delete(row, "tokenid")
	row["user"], row["status"], row["saved"] = t.owner().String(), "RUNNING", "0"
	return row
}

func (c *Cluster) getTaskLog(k *call) (answer, error) {
	t, err := c.taskOf(k, "Sys.Audit")
	if err != nil {
		return answer{}, err
	}
	lines := []string{"unable to open file - No such file or directory"}
	if t != nil {
		c.mu.Lock()
		lines = append([]string(nil), t.Log...)
		c.mu.Unlock()
	}
	if k.params.bool("download") && t != nil {
		return answer{text: []byte(strings.Join(lines, "\n") + "\n"), headers: http.Header{
			"Content-Type": {"text/plain"},
			"Content-Disposition": {`attachment; filename="task-` + t.Node + "-" + t.Type + "-" +
				time.Unix(t.Start, 0).UTC().Format("2006-01-02T15:04:05Z") + `.log"`},
		}}, nil
	}
	if len(lines) == 0 {
		lines = []string{"no content"}
	}
	total := len(lines)
	from := min(k.params.int("start", 0), total)
	to := total
	if limit := k.params.int("limit", 50); limit > 0 {
		to = min(from+limit, total)
	}
	rows := []any{}
	for i := from; i < to; i++ {
		rows = append(rows, map[string]any{"n": i + 1, "t": lines[i]})
	}
	return answer{data: rows, total: &total}, nil
}

// deleteTask stops a worker.
func (c *Cluster) deleteTask(k *call) (answer, error) {
	t, err := c.taskOf(k, "Sys.Modify")
	if err != nil {
		return answer{}, err
	}
	if t == nil {
		return answer{}, errNoTask
	}
	c.mu.Lock()
	running := t.running()
	c.mu.Unlock()
	if running {
		c.stopTask(t)
	}
	return answer{}, nil
}

// getTasks lists a node's tasks, newest first.
func (c *Cluster) getTasks(k *call) (answer, error) {
	p := k.params
	source := p.get("source")
	if source == "" {
		source = "archive"
	}
	auditor := c.may(k.auth, "/nodes/"+k.node, false, "Sys.Audit")
	statuses := p.list("statusfilter")
	c.mu.Lock()
	defer c.mu.Unlock()
	var active, archived []any
	for i := len(c.tasks.all) - 1; i >= 0; i-- {
		t := c.tasks.all[i]
		if t.Node != k.node || !auditor && t.User != k.auth.user || !t.passes(p, statuses) {
			continue
		}
		if t.running() {
			active = append(active, t.activeRow())
		} else {
			archived = append(archived, t.row())
		}
	}
	rows := []any{}
	if source != "archive" && !p.bool("errors") {
		rows = append(rows, active...)
	}
	if source != "active" {
		rows = append(rows, archived...)
	}
	total := len(rows)
	from := min(p.int("start", 0), total)
	to := total
	if limit := p.int("limit", 50); limit > 0 {
		to = min(from+limit, total)
	}
	a := answer{data: append([]any{}, rows[from:to]...)}
	if total > 0 {
		a.total = &total
	}
	return a, nil
}

// passes applies the filters of the task list.
func (t *task) passes(p params, statuses []string) bool {
	switch {
	case p.has("vmid") && t.ID != p.get("vmid"),
		p.has("typefilter") && t.Type != p.get("typefilter"),
		p.has("userfilter") && !strings.Contains(t.User, p.get("userfilter")),
		p.has("since") && t.Start < int64(p.int("since", 0)),
		p.has("until") && t.Start > int64(p.int("until", 0)),
		p.bool("errors") && t.outcome() != "error" && t.outcome() != "unknown",
		len(statuses) > 0 && !t.running() && !contains(statuses, t.outcome()):
		return false
	}
	return true
}

// outcome is the class of an exit status.
func (t *task) outcome() string {
	switch {
	case t.Exit == "OK":
		return "ok"
	case strings.HasPrefix(t.Exit, "WARNINGS: "):
		return "warning"
	case t.Exit == "unexpected status":
		return "unknown"
	}
	return "error"
}

// getClusterTasks lists the latest tasks of all nodes.
func (c *Cluster) getClusterTasks(k *call) (answer, error) {
	allowed := map[string]bool{}
	for _, n := range c.nodes {
		allowed[n.Name] = c.may(k.auth, "/nodes/"+n.Name, false, "Sys.Audit")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := []any{}
	counted := map[string]int{}
	for i := len(c.tasks.all) - 1; i >= 0; i-- {
		t := c.tasks.all[i]
		if !allowed[t.Node] && t.User != k.auth.user || counted[t.Node] >= activeTasks {
			continue
		}
		row := t.row()
		delete(row, "pid")
		delete(row, "pstart")
		if t.running() {
			delete(row, "tokenid")
			row["user"], row["saved"] = t.owner().String(), "0"
		} else {
			row["saved"] = "1"
			counted[t.Node]++
		}
		rows = append(rows, row)
	}
	return answer{data: rows}, nil
}
