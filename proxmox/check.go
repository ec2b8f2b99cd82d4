package proxmox

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"berth/domain"
)

// Severity says whether a finding stands in the way.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // containers cannot be created
	SeverityWarning Severity = "warning" // some feature will not work
)

// Finding is something that is wrong with a node or the credentials.
type Finding struct {
	Severity  Severity
	What, Fix string // for an administrator
}

// CheckSpec is what a node is to be used with.
type CheckSpec struct {
	Node            string
	TemplateStorage string // for images
	RootStorage     string // for root disks
	Bridge          string
	Pool            string // empty: none
}

// need is a privilege on a path, and what it is for.
type need struct {
	path       string
	privileges []string
	severity   Severity
	purpose    string
}

// needs lists what the credentials must be allowed for spec.
func needs(s CheckSpec) []need {
	guests := "/vms"
	all := []need{
		{"/", []string{"Sys.Audit"}, SeverityError, "see quorum and nodes"},
		{"/nodes/" + s.Node, []string{"Sys.Audit"}, SeverityError, "see the node's load and tasks"},
		{"/nodes/" + s.Node, []string{"Sys.AccessNetwork"}, SeverityError, "let the node pull images"},
		{"/storage/" + s.TemplateStorage, []string{"Datastore.AllocateTemplate", "Datastore.Audit"}, SeverityError, "store images"},
		{"/storage/" + s.TemplateStorage, []string{"Datastore.Allocate"}, SeverityWarning, "delete unused images"},
		{"/storage/" + s.RootStorage, []string{"Datastore.AllocateSpace", "Datastore.Audit"}, SeverityError, "make root disks"},
		{"/sdn/zones/localnetwork/" + s.Bridge, []string{"SDN.Use"}, SeverityError, "attach containers to the bridge"},
	}
	if s.Pool != "" {
		guests = "/pool/" + s.Pool
		all = append(all, need{guests, []string{"Pool.Audit", "Pool.Allocate"}, SeverityError, "put containers into the pool"})
	}
	return append(all,
		need{guests, []string{
			"VM.Allocate", "VM.Audit", "VM.Config.CPU", "VM.Config.Disk", "VM.Config.Memory", "VM.Config.Network", "VM.Config.Options",
			"VM.PowerMgmt",
		}, SeverityError, "create, change and run containers"},
		need{guests, []string{"Permissions.Modify"}, SeverityError, "give owners their rights on their containers"},
		need{
			guests,
			[]string{"VM.Clone", "VM.Console", "VM.Migrate", "VM.Snapshot", "VM.Snapshot.Rollback"},
			SeverityWarning,
			"clone, open consoles, migrate and take snapshots",
		},
	)
}

// Check finds out whether a node can be used as spec says. An error means that it could not be asked.
func (c *Client) Check(ctx context.Context, spec CheckSpec) ([]Finding, error) {
	var findings []Finding
	for _, check := range []func(context.Context, CheckSpec) ([]Finding, error){
		c.checkNode, c.checkPrivileges, c.checkStorages, c.checkBridge,
	} {
		found, err := check(ctx, spec)
		if err != nil {
			return findings, err
		}
		findings = append(findings, found...)
		if len(findings) > 0 && findings[0].What == notThere(spec.Node) {
			return findings, nil // every other question would fail on it
		}
	}
	return findings, nil
}

func problem(s Severity, what, fix string, args ...any) Finding {
	return Finding{Severity: s, What: what, Fix: fmt.Sprintf(fix, args...)}
}

func notThere(node string) string { return fmt.Sprintf("Node %q is not online in this cluster.", node) }

func (c *Client) checkNode(ctx context.Context, spec CheckSpec) ([]Finding, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	online := false
	for _, n := range nodes {
		names = append(names, n.Name)
		online = online || n.Name == spec.Node && n.Online
	}
	if !online {
		return []Finding{problem(SeverityError, notThere(spec.Node), "Use the name of a running node; the cluster lists: %s.",
			strings.Join(names, ", "))}, nil
	}
	var findings []Finding
	v, err := c.NodeVersion(ctx, spec.Node)
	if err != nil {
		return nil, err
	}
	if !v.AtLeast(9, 1) {
		findings = append(findings, problem(SeverityError,
			fmt.Sprintf("Node %s runs Proxmox VE %s, which cannot create containers from OCI images.", spec.Node, v.Release),
			"Upgrade it to release 9.1 or newer."))
	}
	status, err := c.ClusterStatus(ctx)
	switch {
	case domain.Is(err, domain.Forbidden): // the missing privilege is reported with the others
	case err != nil:
		return nil, err
	case !status.Quorate:
		findings = append(findings, problem(SeverityError, "The cluster has no quorum, so it refuses every change.",
			"Bring the missing nodes back; `pvecm status` on a node shows them."))
	}
	return findings, nil
}

func (c *Client) checkPrivileges(ctx context.Context, spec CheckSpec) ([]Finding, error) {
	var findings []Finding
	held := map[string]map[string]bool{}
	for _, n := range needs(spec) {
		if strings.HasSuffix(n.path, "/") && n.path != "/" {
			continue // nothing configured there; the checks of storage and bridge say so
		}
		if _, asked := held[n.path]; !asked {
			at, err := c.PermissionsAt(ctx, n.path)
			if err != nil {
				return nil, err
			}
			held[n.path] = at
		}
		for _, p := range n.privileges {
			if _, has := held[n.path][p]; !has {
				findings = append(findings, problem(n.severity,
					fmt.Sprintf("%s lacks the privilege %s on %s, needed to %s.", c.ownUser(), p, n.path, n.purpose),
					"In Proxmox under Datacenter > Permissions give it a role with %s on %s. A token with privilege separation needs it "+
						"as well as its user.", p, n.path))
			}
		}
	}
	return findings, nil
}

func (c *Client) checkStorages(ctx context.Context, spec CheckSpec) ([]Finding, error) {
	storages, err := c.Storages(ctx, spec.Node)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, want := range []struct{ name, content, purpose string }{
		{spec.TemplateStorage, "vztmpl", "images (\"Container template\")"},
		{spec.RootStorage, "rootdir", "root disks (\"Container\")"},
	} {
		i := slices.IndexFunc(storages, func(s Storage) bool { return s.Name == want.name })
		switch {
		case i < 0:
			findings = append(findings, problem(SeverityError,
				fmt.Sprintf("Node %s has no storage %q that the credentials may see.", spec.Node, want.name),
				"Name one that exists on the node, or give Datastore.Audit on /storage/%s. It is for %s.", want.name, want.purpose))
		case !storages[i].Enabled || !storages[i].Active:
			findings = append(findings, problem(SeverityError,
				fmt.Sprintf("Storage %s is not active on node %s.", want.name, spec.Node),
				"Enable it under Datacenter > Storage, or bring it back; `pvesm status` on the node says more."))
		case !storages[i].Holds(want.content):
			findings = append(findings, problem(SeverityError,
				fmt.Sprintf("Storage %s does not take %s; it holds %s.", want.name, want.purpose, strings.Join(storages[i].Content, ", ")),
				"Add the content type %s to it under Datacenter > Storage, or name another storage.", want.content))
		}
	}
	return findings, nil
}

func (c *Client) checkBridge(ctx context.Context, spec CheckSpec) ([]Finding, error) {
	bridges, err := c.Bridges(ctx, spec.Node)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, b := range bridges {
		if b.Name == spec.Bridge {
			if b.Active {
				return nil, nil
			}
			return []Finding{problem(SeverityError, fmt.Sprintf("Bridge %s of node %s is not up.", spec.Bridge, spec.Node),
				"Apply the network configuration: System > Network > Apply Configuration.")}, nil
		}
		names = append(names, b.Name)
	}
	return []Finding{problem(SeverityError, fmt.Sprintf("Node %s has no bridge %q.", spec.Node, spec.Bridge),
		"Name one of its bridges: %s.", strings.Join(names, ", "))}, nil
}
