package activities

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/sdk/activity"

	"berth/domain"
	"berth/proxmox"
	"berth/store"
)

// Observer keeps what SQL knows of clusters current.
type Observer struct {
	Store    *store.Store
	Clients  *Clients
	Interval time.Duration
	Logger   *slog.Logger
}

// watch bounds one activity; the workflow then begins a new run.
const watch = 12 * time.Hour

// Observe looks at a cluster again and again, until its time is over (false) or the cluster is gone (true).
func (o *Observer) Observe(ctx context.Context, in domain.ObserveInput) (gone bool, err error) {
	tick := time.NewTicker(o.Interval)
	defer tick.Stop()
	for end := time.Now().Add(watch); time.Now().Before(end); {
		activity.RecordHeartbeat(ctx)
		if err := o.Look(ctx, in.ClusterID); domain.Is(err, domain.NotFound) {
			return true, nil
		} else if err != nil && ctx.Err() == nil {
			o.Logger.WarnContext(ctx, "cluster not observed", "cluster", in.Cluster, "error", err)
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-tick.C:
		}
	}
	return false, nil
}

// Look looks at a cluster once and writes what it sees of the cluster, its nodes and its containers.
func (o *Observer) Look(ctx context.Context, clusterID string) error {
	pve, cluster, err := o.Clients.Of(ctx, clusterID)
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	seen, resources, err := survey(bounded, pve)
	if werr := o.Store.ObserveCluster(ctx, cluster.ID, seen); werr != nil {
		return werr
	}
	if err != nil {
		return o.lost(ctx, cluster, err)
	}
	nodes, _, err := o.Store.Nodes(ctx, store.NodeFilter{ClusterID: cluster.ID}, store.Page{Limit: store.MaxLimit})
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if err := o.Store.ObserveNode(ctx, n.ID, nodeSeen(n, resources)); err != nil {
			return err
		}
	}
	if err := o.Store.ObserveVMIDs(ctx, cluster.ID, vmids(resources)); err != nil {
		return err
	}
	return o.power(ctx, pve, cluster, resources)
}

// vmids returns what guests of any kind have: containers and virtual machines share the numbers.
func vmids(resources []proxmox.Resource) []int {
	var seen []int
	for _, r := range resources {
		if r.Type == "lxc" || r.Type == "qemu" {
			seen = append(seen, r.VMID)
		}
	}
	return seen
}

// survey asks for state and resources; the observation says what an error means.
func survey(ctx context.Context, pve *proxmox.Client) (store.ClusterObservation, []proxmox.Resource, error) {
	version, err := pve.Version(ctx)
	if err == nil {
		var status proxmox.ClusterStatus
		if status, err = pve.ClusterStatus(ctx); err == nil {
			var resources []proxmox.Resource
			if resources, err = pve.Resources(ctx); err == nil {
				seen := store.ClusterObservation{State: domain.ClusterReady, PVE: version.Release, Quorate: status.Quorate, Seen: true}
				if !status.Quorate {
					seen.State, seen.Message = domain.ClusterNoQuorum, "The cluster has no quorum: nothing can be changed until enough nodes are back."
				}
				return seen, resources, nil
			}
		}
	}
	seen := store.ClusterObservation{State: domain.ClusterUnreachable, Message: words(err)}
	if k := domain.KindOf(err); k == domain.Unauthenticated || k == domain.Forbidden {
		seen.State, seen.Seen = domain.ClusterRefused, true
	}
	return seen, nil, err
}

// lost marks the nodes of a cluster that does not answer as unknown.
func (o *Observer) lost(ctx context.Context, cluster domain.Cluster, cause error) error {
	nodes, _, err := o.Store.Nodes(ctx, store.NodeFilter{ClusterID: cluster.ID}, store.Page{Limit: store.MaxLimit})
	if err != nil {
		return err
	}
	for _, n := range nodes {
		unknown := store.NodeObservation{State: domain.NodeUnknown, Message: "Its cluster does not answer."}
		if err := o.Store.ObserveNode(ctx, n.ID, unknown); err != nil {
			return err
		}
	}
	return cause
}

func nodeSeen(n domain.Node, resources []proxmox.Resource) store.NodeObservation {
	seen := store.NodeObservation{State: domain.NodeUnknown, Message: "The cluster does not list it: it was removed, or the token may not see it."}
	for _, r := range resources {
		switch {
		case r.Node != n.Name:
		case r.Type == "node":
			seen.State, seen.Message = domain.NodeState(r.Status), ""
			seen.Cores, seen.CPU = int(r.MaxCPU), r.CPU
			seen.MemoryTotal, seen.MemoryFree = r.MaxMem, r.MaxMem-r.Mem
		case r.Type == "storage" && r.Storage == n.RootStorage:
			seen.DiskTotal, seen.DiskFree = r.MaxDisk, r.MaxDisk-r.Disk
		}
	}
	return seen
}

// power keeps what containers are seen doing. Containers with an open operation are left to it. What differs is looked at once
// more on the node itself: the overview is some seconds old, and an operation may have ended since.
func (o *Observer) power(ctx context.Context, pve *proxmox.Client, cluster domain.Cluster, resources []proxmox.Resource) error {
	status := map[string]string{}
	for _, r := range resources {
		if id, ours := proxmox.MarkerOfTags(r.Tags); r.Type == "lxc" && ours {
			status[id] = r.Status
		}
	}
	containers, err := all(func(p store.Page) ([]domain.Container, string, error) {
		return o.Store.Containers(ctx, store.ContainerFilter{State: domain.ContainerReady}, p)
	})
	if err != nil {
		return err
	}
	for _, c := range containers {
		if c.Placement.ClusterID != cluster.ID || c.Operation != "" {
			continue
		}
		seen := domain.PowerUnknown
		if s, ok := status[c.ID]; ok && s != "unknown" {
			seen = domain.Power(s)
		}
		if seen == c.Power {
			continue
		}
		if now, err := pve.Status(ctx, c.Placement.Node, c.Placement.VMID); err == nil {
			seen = domain.PowerStopped
			if now.Running {
				seen = domain.PowerRunning
			}
		}
		if err := o.Store.ObservePower(ctx, c.ID, seen); err != nil && !domain.Is(err, domain.NotFound) {
			return err
		}
	}
	return nil
}

// all gathers the pages of a list.
func all[T any](list func(store.Page) ([]T, string, error)) ([]T, error) {
	var out []T
	for p := (store.Page{Limit: store.MaxLimit}); ; {
		items, next, err := list(p)
		out = append(out, items...)
		if err != nil || next == "" {
			return out, err
		}
		p.Cursor = next
	}
}
