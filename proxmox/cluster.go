package proxmox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"berth/domain"
)

// Version is a release of Proxmox VE.
type Version struct {
	Release      string // such as "9.2.11"
	Major, Minor int
}

// AtLeast says whether v is that release or a newer one.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// Version returns the release of the endpoint that answers.
func (c *Client) Version(ctx context.Context) (Version, error) {
	return c.version(ctx, "read the Proxmox version", "/version")
}

// NodeVersion returns the release of one node; nodes of a cluster may differ while it is upgraded.
func (c *Client) NodeVersion(ctx context.Context, node string) (Version, error) {
	return c.version(ctx, "read the Proxmox version of "+node, nodePath(node, "version"))
}

func (c *Client) version(ctx context.Context, what, path string) (Version, error) {
	var answer struct{ Version, Release flexString }
	if err := c.get(ctx, what, path, nil, &answer); err != nil {
		return Version{}, err
	}
	v := Version{Release: string(answer.Version)}
	if v.Release == "" {
		v.Release = string(answer.Release)
	}
	if _, err := fmt.Sscanf(v.Release, "%d.%d", &v.Major, &v.Minor); err != nil {
		return Version{}, domain.Errorf(domain.Permanent, "%s: %q is not a release of Proxmox VE", what, v.Release)
	}
	return v, nil
}

// Permissions returns what the credentials may do: path, then privilege, then whether it propagates to paths below.
func (c *Client) Permissions(ctx context.Context) (map[string]map[string]bool, error) {
	return c.permissions(ctx, nil)
}

// PermissionsAt returns the privileges that count on one path, inherited ones included.
func (c *Client) PermissionsAt(ctx context.Context, path string) (map[string]bool, error) {
	all, err := c.permissions(ctx, url.Values{"path": {path}})
	return all[path], err
}

func (c *Client) permissions(ctx context.Context, query url.Values) (map[string]map[string]bool, error) {
	var answer map[string]map[string]flexBool
	if err := c.get(ctx, "read the token's privileges", "/access/permissions", query, &answer); err != nil {
		return nil, err
	}
	all := make(map[string]map[string]bool, len(answer))
	for path, privileges := range answer {
		all[path] = make(map[string]bool, len(privileges))
		for name, propagates := range privileges {
			all[path][name] = bool(propagates)
		}
	}
	return all, nil
}

// ClusterStatus is quorum and membership.
type ClusterStatus struct {
	Name      string // empty for a node on its own
	Quorate   bool   // whether changes are possible; always true for a node on its own
	Clustered bool
	Nodes     []NodeStatus
}

// NodeStatus is a member of a cluster as the others see it.
type NodeStatus struct {
	Name, IP string
	Online   bool
}

// ClusterStatus returns quorum and members. It needs Sys.Audit on /.
func (c *Client) ClusterStatus(ctx context.Context) (ClusterStatus, error) {
	type row struct {
		Type, Name, IP  flexString
		Quorate, Online flexBool
	}
	members, err := rows[row](ctx, c, "read the cluster's status", "/cluster/status", nil)
	if err != nil {
		return ClusterStatus{}, err
	}
	status := ClusterStatus{Quorate: true}
	for _, m := range members {
		if m.Type == "cluster" {
			status.Name, status.Quorate, status.Clustered = string(m.Name), bool(m.Quorate), true
			continue
		}
		status.Nodes = append(status.Nodes, NodeStatus{Name: string(m.Name), IP: string(m.IP), Online: bool(m.Online)})
	}
	return status, nil
}

// Resource is a row of the cluster's overview. It is up to 20 s old, and rows that the token may not see are missing.
type Resource struct {
	Type    string // node, lxc, qemu, storage
	Node    string
	Name    string // of the guest
	Storage string
	VMID    int
	Status  string // online, offline, unknown; running, stopped, unknown; available, unknown

	CPU, MaxCPU           float64 // load as a share of MaxCPU; cores
	Mem, MaxMem           int64   // bytes
	Disk, MaxDisk, Uptime int64   // bytes, bytes, seconds
	Tags, Content         []string
	Lock, Pool            string
	Template, Shared      bool
}

// UnmarshalJSON accepts every form in which Proxmox writes the values.
func (r *Resource) UnmarshalJSON(raw []byte) error {
	var w struct {
		Type, Node, Name, Storage, Status, Tags, Content, Lock, Pool flexString
		VMID, Mem, MaxMem, Disk, MaxDisk, Uptime                     flexInt
		CPU, MaxCPU                                                  flexFloat
		Template, Shared                                             flexBool
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	*r = Resource{
		Type: string(w.Type), Node: string(w.Node), Name: string(w.Name), Storage: string(w.Storage), VMID: int(w.VMID),
		Status: string(w.Status), CPU: float64(w.CPU), MaxCPU: float64(w.MaxCPU), Mem: int64(w.Mem), MaxMem: int64(w.MaxMem),
		Disk: int64(w.Disk), MaxDisk: int64(w.MaxDisk), Uptime: int64(w.Uptime), Tags: list(string(w.Tags)),
		Content: list(string(w.Content)), Lock: string(w.Lock), Pool: string(w.Pool),
		Template: bool(w.Template), Shared: bool(w.Shared),
	}
	return nil
}

// Resources returns nodes, guests and storages of the whole cluster in one call.
func (c *Client) Resources(ctx context.Context) ([]Resource, error) {
	return rows[Resource](ctx, c, "read the cluster's resources", "/cluster/resources", nil)
}

// Node is a node and its load.
type Node struct {
	Name                  string
	Online                bool
	CPU, MaxCPU           float64 // load as a share of MaxCPU; cores
	Mem, MaxMem           int64   // bytes
	Disk, MaxDisk, Uptime int64   // of the root file system in bytes; seconds
}

// Nodes returns all nodes.
func (c *Client) Nodes(ctx context.Context) ([]Node, error) {
	found, err := rows[Resource](ctx, c, "list the nodes", "/nodes", nil)
	nodes := make([]Node, 0, len(found))
	for _, r := range found {
		nodes = append(nodes, Node{
			Name: r.Node, Online: r.Status == "online", CPU: r.CPU, MaxCPU: r.MaxCPU, Mem: r.Mem, MaxMem: r.MaxMem,
			Disk: r.Disk, MaxDisk: r.MaxDisk, Uptime: r.Uptime,
		})
	}
	return nodes, err
}

// NodeStatus returns the load of one node at this moment, asked from the node itself.
func (c *Client) NodeStatus(ctx context.Context, node string) (Node, error) {
	var w struct {
		CPU            flexFloat
		Uptime         flexInt
		CPUInfo        struct{ CPUs flexFloat }
		Memory, RootFS struct{ Total, Used flexInt }
	}
	if err := c.get(ctx, "read the status of node "+node, nodePath(node, "status"), nil, &w); err != nil {
		return Node{}, err
	}
	return Node{
		Name: node, Online: true, CPU: float64(w.CPU), MaxCPU: float64(w.CPUInfo.CPUs), Uptime: int64(w.Uptime),
		Mem: int64(w.Memory.Used), MaxMem: int64(w.Memory.Total), Disk: int64(w.RootFS.Used), MaxDisk: int64(w.RootFS.Total),
	}, nil
}

// Bridge is a network a CT can be attached to.
type Bridge struct {
	Name   string
	CIDR   string // address of the node on it; empty when it has none
	Active bool
}

// Bridges returns Linux and Open vSwitch bridges and the SDN's networks of a node.
func (c *Client) Bridges(ctx context.Context, node string) ([]Bridge, error) {
	type row struct {
		Iface, CIDR flexString
		Active      flexBool
	}
	found, err := rows[row](ctx, c, "list the bridges of "+node, nodePath(node, "network"), url.Values{"type": {"any_bridge"}})
	bridges := make([]Bridge, 0, len(found))
	for _, r := range found {
		bridges = append(bridges, Bridge{Name: string(r.Iface), CIDR: string(r.CIDR), Active: bool(r.Active)})
	}
	return bridges, err
}

// VMIDFree says whether no guest of the cluster has the VMID, guests of dead nodes and such that the token may not see included.
// It reserves nothing.
func (c *Client) VMIDFree(ctx context.Context, vmid int) (bool, error) {
	var free flexInt // a string in practice
	err := c.get(ctx, fmt.Sprintf("look whether VMID %d is free", vmid), "/cluster/nextid", url.Values{"vmid": {strconv.Itoa(vmid)}}, &free)
	if err != nil && Classify(err).Name == rowVMIDTaken {
		return false, nil
	}
	return err == nil && int(free) == vmid, err
}

// Locate finds the node of a guest. The overview is up to 10 s late and hides what the token may not see, so a node where the guest is
// expected, if given, is asked first, what the overview says is checked with the node, and "not found" needs the cluster's word that
// the VMID is free. A guest on an unreachable node is found there, as its configuration stays with the cluster.
func (c *Client) Locate(ctx context.Context, vmid int, expected ...string) (node, kind string, found bool, err error) {
	asked := map[string]bool{}
	here := func(n string) (bool, error) {
		asked[n] = true
		_, err := c.Status(ctx, n, vmid)
		if domain.Is(err, domain.NotFound) {
			return false, nil
		}
		return err == nil, err
	}
	for _, n := range expected {
		if ok, err := here(n); ok && err == nil {
			return n, "lxc", true, nil
		}
	}
	all, err := c.Resources(ctx)
	if err != nil {
		return "", "", false, err
	}
	var online []string
	for _, r := range all {
		switch {
		case r.Type == "node" && r.Status == "online":
			online = append(online, r.Node)
		case r.VMID == vmid && r.Type == "qemu":
			return r.Node, "qemu", true, nil
		case r.VMID == vmid && r.Type == "lxc":
			if ok, err := here(r.Node); ok || domain.Is(err, domain.Unavailable) {
				return r.Node, "lxc", true, nil
			}
		}
	}
	free, err := c.VMIDFree(ctx, vmid)
	if err != nil || free {
		return "", "", false, err
	}
	for _, n := range online {
		if asked[n] {
			continue
		}
		if ok, err := here(n); ok && err == nil {
			return n, "lxc", true, nil
		}
	}
	return "", "", false, domain.Errorf(domain.Unavailable,
		"VMID %d is in use, but no node that can be asked has a CT with it: a node is away, or the token lacks VM.Audit", vmid)
}

// SetACL gives user the role on path, or takes it away. Taking from a user who is gone is a success. Proxmox keeps all ACLs in one file
// under one lock, so callers should send one change at a time.
func (c *Client) SetACL(ctx context.Context, path, role, user string, remove bool) error {
	what := fmt.Sprintf("give %s the role %s on %s", user, role, path)
	params := map[string]any{"path": path, "roles": role, "users": user, "propagate": true}
	if remove {
		what = fmt.Sprintf("take the role %s on %s from %s", role, path, user)
		params["delete"] = true
	}
	err := c.change(ctx, what, http.MethodPut, "/access/acl", params)
	if remove && err != nil && Classify(err).Name == rowSubjectMissing {
		return nil
	}
	return err
}

// SyncRealm fetches users and groups of an LDAP realm anew; those that vanished there lose account and ACLs.
func (c *Client) SyncRealm(ctx context.Context, realm string) (TaskRef, error) {
	return c.dispatch(ctx, "synchronise realm "+realm, http.MethodPost, "/access/domains/"+url.PathEscape(realm)+"/sync",
		map[string]any{"scope": "both", "enable-new": true, "remove-vanished": "acl;entry;properties"})
}

// ACLPath is the path of a guest's ACL.
func ACLPath(vmid int) string { return "/vms/" + strconv.Itoa(vmid) }

func sortedTags(text string) []string {
	tags := list(strings.ToLower(text))
	slices.Sort(tags)
	return tags
}
