package proxmox

import (
	"net/http"
	"strings"
)

// Call is one operation of the Proxmox VE API that this package may send.
type Call struct {
	Method  string
	Path    string // below /api2/json; {x} stands for one escaped path segment
	Purpose string
	Mutates bool // whether a lost answer leaves the outcome unknown
}

// The complete list of what the client sends. The transport refuses anything else, so reading this table is enough to
// know what a token is used for.
var calls = []Call{
	{http.MethodPost, "/access/ticket", "log in with user and password, renew the ticket", false},
	{http.MethodGet, "/version", "release of the endpoint", false},
	{http.MethodGet, "/access/permissions", "what the token may do", false},
	{http.MethodPut, "/access/acl", "give or take a user's role on a path", true},
	{http.MethodPost, "/access/domains/{realm}/sync", "fetch users and groups of an LDAP realm", true},
	{http.MethodGet, "/cluster/status", "quorum and members", false},
	{http.MethodGet, "/cluster/resources", "nodes, guests and storages at a glance", false},
	{http.MethodGet, "/cluster/nextid", "whether a VMID is free in the whole cluster", false},
	{http.MethodGet, "/nodes", "nodes and their load", false},
	{http.MethodGet, "/nodes/{node}/version", "release of one node", false},
	{http.MethodGet, "/nodes/{node}/status", "load of one node", false},
	{http.MethodGet, "/nodes/{node}/network", "bridges of a node", false},
	{http.MethodGet, "/nodes/{node}/storage", "storages of a node, their state and content types", false},
	{http.MethodGet, "/nodes/{node}/storage/{storage}/content", "images and volumes on a storage", false},
	{http.MethodDelete, "/nodes/{node}/storage/{storage}/content/{volume}", "delete an unused image", true},
	{http.MethodPost, "/nodes/{node}/storage/{storage}/oci-registry-pull", "let the node pull an OCI image", true},
	{http.MethodPost, "/nodes/{node}/storage/{storage}/upload", "send an image to the node", true},
	{http.MethodPost, "/nodes/{node}/lxc", "create a CT", true},
	{http.MethodDelete, "/nodes/{node}/lxc/{vmid}", "destroy a CT that carries our marker", true},
	{http.MethodGet, "/nodes/{node}/lxc/{vmid}/config", "configuration and marker of a CT", false},
	{http.MethodPut, "/nodes/{node}/lxc/{vmid}/config", "change a CT's configuration", true},
	{http.MethodPut, "/nodes/{node}/lxc/{vmid}/resize", "grow a CT's root disk", true},
	{http.MethodGet, "/nodes/{node}/lxc/{vmid}/status/current", "whether a CT runs", false},
	{http.MethodPost, "/nodes/{node}/lxc/{vmid}/status/start", "start a CT", true},
	{http.MethodPost, "/nodes/{node}/lxc/{vmid}/status/stop", "stop a CT at once", true},
	{http.MethodPost, "/nodes/{node}/lxc/{vmid}/status/shutdown", "shut a CT down", true},
	{http.MethodPost, "/nodes/{node}/lxc/{vmid}/status/reboot", "reboot a CT", true},
	{http.MethodGet, "/nodes/{node}/lxc/{vmid}/interfaces", "addresses a running CT has", false},
	{http.MethodGet, "/nodes/{node}/tasks", "find the tasks of a CT", false},
	{http.MethodGet, "/nodes/{node}/tasks/{upid}/status", "whether a task has ended, and how", false},
	{http.MethodDelete, "/nodes/{node}/tasks/{upid}", "end a task of ours that must not go on", true},
	{http.MethodGet, "/nodes/{node}/tasks/{upid}/log", "what a task wrote", false},
}

// Calls returns the operations that the client may send.
func Calls() []Call { return append([]Call(nil), calls...) }

// callFor finds the operation of a request; escaped is the path below /api2/json as it goes over the wire.
func callFor(method, escaped string) (Call, bool) {
	segments := strings.Split(escaped, "/")
	for _, c := range calls {
		if c.Method == method && samePath(strings.Split(c.Path, "/"), segments) {
			return c, true
		}
	}
	return Call{}, false
}

func samePath(pattern, segments []string) bool {
	if len(pattern) != len(segments) {
		return false
	}
	for i, p := range pattern {
		if variable := strings.HasPrefix(p, "{"); variable && segments[i] == "" || !variable && p != segments[i] {
			return false
		}
	}
	return true
}
