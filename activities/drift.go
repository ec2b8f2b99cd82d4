package activities

import (
	"context"
	"fmt"
	"strings"

	"go.temporal.io/sdk/activity"

	"berth/domain"
	"berth/proxmox"
	"berth/store"
)

// clusters compares containers with the CTs of every cluster.
func (p *pass) clusters(ctx context.Context) error {
	clusters, err := all(func(page store.Page) ([]domain.Cluster, string, error) { return p.Store.Clusters(ctx, page) })
	if err != nil {
		return err
	}
	for _, c := range clusters {
		activity.RecordHeartbeat(ctx)
		if !p.DryRun {
			if err := p.Workflows.Observe(ctx, domain.ObserveInput{ClusterID: c.ID, Cluster: c.Name}); err != nil {
				return err
			}
		}
		if err := p.cluster(ctx, c); err != nil {
			p.Logger.WarnContext(ctx, "cluster not reconciled", "cluster", c.Name, "error", err)
		}
	}
	return nil
}

// cluster compares one cluster. It changes nothing on a cluster without quorum, and concludes nothing from a node that
// does not answer.
func (p *pass) cluster(ctx context.Context, cluster domain.Cluster) error {
	pve, cluster, err := p.Clients.Of(ctx, cluster.ID)
	if err != nil {
		return err
	}
	seen, resources, err := survey(ctx, pve)
	if err != nil || seen.State != domain.ClusterReady {
		return err
	}
	online := map[string]bool{}
	cts := map[int]proxmox.Resource{}
	for _, r := range resources {
		switch r.Type {
		case "node":
			online[r.Node] = r.Status == string(domain.NodeOnline)
		case "lxc":
			cts[r.VMID] = r
		}
	}
	containers, err := all(func(page store.Page) ([]domain.Container, string, error) {
		return p.Store.Containers(ctx, store.ContainerFilter{}, page)
	})
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, c := range containers {
		known[c.ID] = true
		settled := c.State == domain.ContainerReady || c.State == domain.ContainerMissing
		if c.Placement.ClusterID != cluster.ID || c.Operation != "" || !settled || !online[c.Placement.Node] {
			continue
		}
		if err := p.container(ctx, pve, c); err != nil {
			p.Logger.WarnContext(ctx, "container not reconciled", "container", c.Name, "error", err)
		}
	}
	for _, ct := range cts {
		if id, ours := proxmox.MarkerOfTags(ct.Tags); ours && !known[id] {
			p.report(ctx, domain.Repair{
				What: "stray", Subject: fmt.Sprintf("CT %d on node %s", ct.VMID, ct.Node), Action: "reported",
				Detail: "It carries the marker of container " + id + ", which Berth does not know. Delete it by hand, or take its berth tags off.",
			})
		}
	}
	return nil
}

// container compares one container with its CT. What the cluster's overview says is up to 20 s old, so the node is asked.
func (p *pass) container(ctx context.Context, pve *proxmox.Client, c domain.Container) error {
	subject := "container " + c.Name
	config, err := pve.Config(ctx, c.Placement.Node, c.Placement.VMID)
	if domain.Is(err, domain.NotFound) {
		if c.State != domain.ContainerMissing {
			p.heal(ctx, domain.Repair{What: "CT vanished", Subject: subject, Action: "mark it missing"}, func() error {
				return p.Store.ModifyContainer(ctx, c.ID, func(c *domain.Container) error {
					c.State, c.Power = domain.ContainerMissing, domain.PowerUnknown
					c.Message = fmt.Sprintf("CT %d is no longer on node %s: somebody removed it there. Delete the container to free its name and address.",
						c.Placement.VMID, c.Placement.Node)
					return nil
				})
			})
		}
		return nil
	}
	if err != nil {
		return err
	}
	if edits := edited(c, config); len(edits) > 0 {
		p.report(ctx, domain.Repair{What: "changed by hand", Subject: subject, Action: "reported", Detail: strings.Join(edits, "; ")})
	}
	if !proxmox.HasMarker(config, c.ID) {
		return nil // reported; a CT that is not marked as ours is never touched
	}
	status, err := pve.Status(ctx, c.Placement.Node, c.Placement.VMID)
	if err != nil {
		return err
	}
	if c.State == domain.ContainerMissing {
		p.heal(ctx, domain.Repair{What: "CT is back", Subject: subject, Action: "mark it ready"}, func() error {
			return p.Store.ModifyContainer(ctx, c.ID, func(c *domain.Container) error {
				c.State, c.Message = domain.ContainerReady, ""
				return nil
			})
		})
	}
	if c.WantPower == domain.PowerRunning && !status.Running && status.Lock == "" {
		p.heal(ctx, domain.Repair{What: "stopped, should run", Subject: subject, Action: "start it"}, func() error {
			return p.repairPower(ctx, c)
		})
	}
	return nil
}

// repairPower starts a container by an operation of its own, so that its log tells who did it.
func (p *pass) repairPower(ctx context.Context, c domain.Container) error {
	op := domain.Operation{
		ID: domain.NewID(), Kind: domain.OpPower, Resource: "container", ResourceID: c.ID, ResourceName: c.Name, SiteID: c.SiteID,
		State: domain.OpPending, Actor: domain.System("reconciler").String(), CreatedAt: p.Now(),
		Params: domain.OperationParams{Power: domain.ActionStart},
	}
	err := p.Store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.ModifyContainer(ctx, c.ID, func(now *domain.Container) error {
			if now.Operation != "" {
				return &domain.Error{Kind: domain.Busy, Message: "an operation began meanwhile", Operation: now.Operation}
			}
			now.Operation = op.ID
			return nil
		}); err != nil {
			return err
		}
		return tx.CreateOperation(ctx, &op)
	})
	if err != nil {
		return err
	}
	return p.start(ctx, op)
}

// edited lists in words what somebody changed on the CT behind Berth's back.
func edited(c domain.Container, now proxmox.CTConfig) []string {
	var edits []string
	differs := func(what string, is, should any) {
		if is != should {
			edits = append(edits, fmt.Sprintf("%s is %v, should be %v", what, is, should))
		}
	}
	if !proxmox.HasMarker(now, c.ID) {
		edits = append(edits, "Berth's marker is gone from tags or description")
	}
	differs("hostname", now.Hostname, c.Name)
	differs("memory", now.MemoryMiB, c.Spec.MemoryMiB)
	differs("swap", now.SwapMiB, c.Spec.SwapMiB)
	differs("cores", now.Cores, c.Spec.Cores)
	if nic, ok := now.Nets[0]; !ok || !domain.SameMAC(nic.MAC, c.MAC) {
		edits = append(edits, "the MAC address of net0 is "+nic.MAC+", should be "+c.MAC)
	}
	return edits
}
