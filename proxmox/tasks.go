package proxmox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/domain"
)

// TaskRef names a task. The zero value stands for a call that had nothing left to do; waiting for it succeeds at once.
type TaskRef struct{ Node, UPID string }

// IsZero says whether there is no task to wait for.
func (r TaskRef) IsZero() bool { return r.UPID == "" }

// UPID is what a task's identifier says about it.
type UPID struct {
	Node    string
	Started time.Time
	Type    string // vzcreate, vzstart, imgcopy, ...
	ID      string // VMID or file name, by type; may be empty
	User    string // user@realm, or user@realm!token
}

var upidForm = regexp.MustCompile(`^UPID:([a-zA-Z0-9][a-zA-Z0-9-]*):[0-9A-Fa-f]{8}:[0-9A-Fa-f]{8,9}:([0-9A-Fa-f]{8}):([^:\s]+):([^:\s]*):([^:\s]+):$`)

// ParseUPID takes an identifier apart. (The library's parser panics on a short one.)
func ParseUPID(text string) (UPID, error) {
	m := upidForm.FindStringSubmatch(text)
	if m == nil {
		return UPID{}, fmt.Errorf("%q is not a task identifier", text)
	}
	started, err := strconv.ParseInt(m[2], 16, 64)
	if err != nil {
		return UPID{}, err
	}
	id, err := url.PathUnescape(m[4])
	if err != nil {
		id = m[4]
	}
	return UPID{Node: m[1], Started: time.Unix(started, 0).UTC(), Type: m[3], ID: id, User: m[5]}, nil
}

func refOf(upid string) (TaskRef, error) {
	u, err := ParseUPID(upid)
	return TaskRef{Node: u.Node, UPID: upid}, err
}

// Task is a task as the node lists it.
type Task struct {
	Ref        TaskRef
	Type, ID   string
	User       string // user@realm, or user@realm!token
	Started    time.Time
	Running    bool
	ExitStatus string // OK, WARNINGS: n, or the error; empty while it runs
}

// Succeeded says whether the task ended well. Proxmox says "WARNINGS: n" for a task that did its work.
func (t Task) Succeeded() bool {
	return !t.Running && (t.ExitStatus == "OK" || strings.HasPrefix(t.ExitStatus, "WARNINGS:"))
}

// UnmarshalJSON reads rows of the active list (user with token, status RUNNING), of the archive (user and token apart, status is the
// exit status) and the status call (status is running or stopped).
func (t *Task) UnmarshalJSON(raw []byte) error {
	var w struct {
		UPID, Node, Type, ID, User, TokenID, Status, ExitStatus flexString
		StartTime, EndTime                                      flexInt
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	*t = Task{
		Ref: TaskRef{Node: string(w.Node), UPID: string(w.UPID)}, Type: string(w.Type), ID: string(w.ID), User: string(w.User),
		Started: time.Unix(int64(w.StartTime), 0).UTC(),
	}
	if w.TokenID != "" && !strings.Contains(t.User, "!") {
		t.User += "!" + string(w.TokenID)
	}
	switch status := string(w.Status); {
	case w.ExitStatus != "":
		t.ExitStatus = string(w.ExitStatus)
	case strings.EqualFold(status, "running"), status == "" && w.EndTime == 0:
		t.Running = true
	case status != "stopped" && status != "":
		t.ExitStatus = status
	default:
		t.ExitStatus = "unexpected status" // Proxmox's own word for a task without a last line
	}
	return nil
}

// TaskFilter narrows a task list; zero fields do not.
type TaskFilter struct {
	VMID   int
	Type   string
	Since  time.Time // by the node's clock
	Source string    // active, archive or all; default all
}

// Tasks lists up to 500 tasks of a node, the newest first. Tasks of others are seen with Sys.Audit on the node only.
func (c *Client) Tasks(ctx context.Context, node string, f TaskFilter) ([]Task, error) {
	query := url.Values{"source": {"all"}, "limit": {"500"}}
	if f.Source != "" {
		query.Set("source", f.Source)
	}
	if f.VMID != 0 {
		query.Set("vmid", strconv.Itoa(f.VMID))
	}
	if f.Type != "" {
		query.Set("typefilter", f.Type)
	}
	if !f.Since.IsZero() {
		query.Set("since", strconv.FormatInt(f.Since.Unix(), 10))
	}
	return rows[Task](ctx, c, "list the tasks of "+node, nodePath(node, "tasks"), query)
}

// TaskStatus returns the state of a task.
func (c *Client) TaskStatus(ctx context.Context, ref TaskRef) (Task, error) {
	var t Task
	err := c.get(ctx, "look at "+named(ref), nodePath(ref.Node, "tasks", ref.UPID, "status"), nil, &t)
	t.Ref, t.ExitStatus = ref, without(t.ExitStatus, c.hide)
	return t, err
}

// TaskLog returns the lines of a task's log from number start (the first is 0) on, at most 500.
func (c *Client) TaskLog(ctx context.Context, ref TaskRef, start int) ([]string, error) {
	type row struct {
		N flexInt
		T flexString
	}
	found, err := rows[row](ctx, c, "read the log of "+named(ref), nodePath(ref.Node, "tasks", ref.UPID, "log"),
		url.Values{"start": {strconv.Itoa(start)}, "limit": {"500"}})
	lines := make([]string, 0, len(found))
	for _, r := range found {
		// Stand-ins for an empty log and for one that is not there yet.
		if t := string(r.T); r.N > flexInt(start) && t != "no content" && !strings.HasPrefix(t, "unable to open file - ") {
			lines = append(lines, without(t, c.hide))
		}
	}
	return lines, err
}

// StopTask kills a task of ours; one that has ended already is a success. What the task had done by then is to be looked at.
func (c *Client) StopTask(ctx context.Context, ref TaskRef) error {
	return c.change(ctx, "stop "+named(ref), http.MethodDelete, nodePath(ref.Node, "tasks", ref.UPID), nil)
}

// RunningTasks lists what our own credentials have at work on a CT now.
func (c *Client) RunningTasks(ctx context.Context, node string, vmid int) ([]Task, error) {
	tasks, err := c.activeTasks(ctx, node, vmid)
	return slices.DeleteFunc(tasks, func(t Task) bool { return !c.mine(t) }), err
}

// ownUser is how the task list names us.
func (c *Client) ownUser() string {
	if c.cfg.TokenID != "" {
		return c.cfg.TokenID
	}
	return c.cfg.Username
}

// mine says whether our credentials started the task.
func (c *Client) mine(t Task) bool { return t.User == c.ownUser() }

// power sends one of the state changes of a CT.
func (c *Client) power(ctx context.Context, node string, vmid int, action string, params map[string]any) (TaskRef, error) {
	return c.dispatch(ctx, fmt.Sprintf("%s CT %d on %s", action, vmid, node), http.MethodPost,
		ctPath(node, vmid, "status", action), params)
}

// deadlinePassed is the error of a task that did not end in time. line is the last one of its log.
func deadlinePassed(ref TaskRef, d time.Duration, line string, last error) error {
	err := fmt.Errorf("task %s has not ended within %s", ref.UPID, d.Round(time.Second))
	if last != nil {
		err = fmt.Errorf("%w, and the node did not answer in the end: %w", err, last)
	}
	said := ""
	if line != "" {
		said = fmt.Sprintf(" (the last line of its log: %q)", line)
	}
	return domain.Errorf(domain.UnknownOutcome,
		"%s did not end within %s%s, so its outcome is not known; look at it before trying again: %w", named(ref), d.Round(time.Second), said, err)
}
