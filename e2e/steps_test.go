//go:build e2e

package e2e

// step is one step of an operation that can be struck by faults.
type step struct {
	operation string // provision or delete
	name      string
	// call is the operation of Proxmox VE that the step makes, named as the lab does; task says that it starts a task.
	call string
	task bool
	// edge says that the step waits for the site's edges.
	edge bool
	// until is what has been reached when the step begins, for steps that neither call Proxmox VE nor wait for edges: they
	// only need SQL.
	until reached
	// ends are the cells that end otherwise than ends says for the operation.
	ends map[string][]end
	// none are the cells that cannot be, with the reason.
	none map[string]string
}

// reached tells how far an operation has come.
type reached int

const (
	_        reached = iota // what the step does outside tells
	accepted                // the request was answered, and no worker has begun
	running                 // a worker has begun
	ctGone                  // a delete has removed the CT from its node
)

// end is how an operation may leave its container.
type end string

const (
	ready     end = "ready"
	undone    end = "undone"          // failed, or never begun: nothing is held
	gone      end = "gone"            // deleted without a trace
	attention end = "needs attention" // VMID and address are quarantined
)

// usual is how the operations end unless a step says otherwise for a fault.
var usual = map[string][]end{"provision": {ready, undone}, "delete": {gone}} //nolint:gochecknoglobals // data

const (
	sqlOnly = "it only needs SQL, where nobody refuses, and nothing is answered over a network"
	noWay   = "a node has no part in it"
)

// steps are all steps of all operations. A further operation is further rows.
//
// Where the node goes away for good with the CT on it, nobody can tell whether the CT is gone: a human has to look, and
// VMID and address stay quarantined. The same holds when Proxmox VE refuses to remove a CT for as long as it is tried, and when a
// destroy hangs: to stop it would leave the lock `destroyed`, which a token cannot take off.
var steps = []step{ //nolint:gochecknoglobals // data
	{operation: "provision", name: "reserve", until: accepted, none: map[string]string{"hang": sqlOnly}},
	{operation: "provision", name: "place", until: running, ends: map[string][]end{
		"node away": {ready, attention}, // it depends on whether the CT was being created by then
	}, none: map[string]string{"answer lost": sqlOnly, "hang": sqlOnly}},
	{operation: "provision", name: "image", call: "oci.pull", task: true, ends: map[string][]end{
		"node away": {ready}, // on another node
	}},
	{operation: "provision", name: "create", call: "lxc.create", task: true, ends: map[string][]end{
		"node away": {attention}, "task killed": {attention}, // the leftover lock `create`
	}},
	{operation: "provision", name: "configure", call: "lxc.configure", ends: map[string][]end{"node away": {attention}}},
	{operation: "provision", name: "grant", call: "acl.put", none: map[string]string{"node away": noWay}},
	{operation: "provision", name: "network", edge: true, ends: map[string][]end{"node away": {attention}}},
	{operation: "provision", name: "start", call: "lxc.start", task: true, ends: map[string][]end{"node away": {attention}}},
	{operation: "provision", name: "verify", call: "lxc.interfaces", ends: map[string][]end{"node away": {attention}}},

	{operation: "delete", name: "begin", until: accepted, ends: map[string][]end{
		"cancelled": {ready}, "node away": {attention},
	}, none: map[string]string{"hang": sqlOnly, "error": sqlOnly}},
	{operation: "delete", name: "revoke", call: "acl.put", none: map[string]string{"node away": noWay}},
	{operation: "delete", name: "destroy", call: "lxc.delete", task: true, ends: map[string][]end{
		"error": {attention}, "hang": {attention}, "node away": {attention}, "task killed": {attention},
	}},
	{operation: "delete", name: "release", edge: true, ends: map[string][]end{"node away": {attention}}},
	{operation: "delete", name: "remove", until: ctGone, ends: map[string][]end{
		"node away": {gone, attention}, // it depends on whether Berth has seen by then that the CT is gone
	}, none: map[string]string{
		"error": sqlOnly, "error that heals": sqlOnly, "answer lost": sqlOnly, "hang": sqlOnly,
	}},
}

func (s step) id() string { return s.operation + "/" + s.name }

// can tells whether a fault can happen to the step.
func (s step) can(f fault) bool { return s.none[f.name] == "" && (f.only == nil || f.only(s)) }

// expected are the ends that a cell may have.
func (s step) expected(f fault) []end {
	if e, ok := s.ends[f.name]; ok {
		return e
	}
	return usual[s.operation]
}
