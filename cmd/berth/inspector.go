package main

import (
	"context"
	"log/slog"

	"berth/activities"
	"berth/app"
	"berth/domain"
	"berth/proxmox"
)

// inspector answers what the use cases ask of Proxmox VE directly, before a cluster is in the database.
type inspector struct {
	observer *activities.Observer
	logger   *slog.Logger
	called   observe
}

// Check implements app.Proxmox.
func (i *inspector) Check(ctx context.Context, c domain.Cluster, n domain.Node) ([]domain.Finding, error) {
	pve, err := proxmoxClient(c, i.logger, i.called)
	if err != nil {
		return nil, err
	}
	found, err := pve.Check(ctx, proxmox.CheckSpec{
		Node: n.Name, TemplateStorage: n.TemplateStorage, RootStorage: n.RootStorage, Bridge: n.Bridge,
	})
	out := make([]domain.Finding, len(found))
	for k, f := range found {
		out[k] = domain.Finding{Severity: string(f.Severity), What: f.What, Fix: f.Fix}
	}
	return out, err
}

// Nodes implements app.Proxmox.
func (i *inspector) Nodes(ctx context.Context, c domain.Cluster) ([]app.RemoteNode, error) {
	pve, err := proxmoxClient(c, i.logger, i.called)
	if err != nil {
		return nil, err
	}
	status, err := pve.ClusterStatus(ctx)
	out := make([]app.RemoteNode, len(status.Nodes))
	for k, n := range status.Nodes {
		out[k] = app.RemoteNode{Name: n.Name, IP: n.IP, Online: n.Online}
	}
	return out, err
}

// Storages implements app.Proxmox.
func (i *inspector) Storages(ctx context.Context, c domain.Cluster, node string) ([]app.RemoteStorage, error) {
	pve, err := proxmoxClient(c, i.logger, i.called)
	if err != nil {
		return nil, err
	}
	found, err := pve.Storages(ctx, node)
	out := make([]app.RemoteStorage, len(found))
	for k, s := range found {
		out[k] = app.RemoteStorage{Name: s.Name, Content: s.Content, Total: s.Total, Free: s.Avail, Shared: s.Shared, Active: s.Active}
	}
	return out, err
}

// Guests implements app.Proxmox.
func (i *inspector) Guests(ctx context.Context, c domain.Cluster, node string) ([]app.RemoteGuest, error) {
	pve, err := proxmoxClient(c, i.logger, i.called)
	if err != nil {
		return nil, err
	}
	resources, err := pve.Resources(ctx)
	out := []app.RemoteGuest{}
	for _, r := range resources {
		if r.Type != "lxc" || node != "" && r.Node != node {
			continue
		}
		_, ours := proxmox.MarkerOfTags(r.Tags)
		out = append(out, app.RemoteGuest{VMID: r.VMID, Name: r.Name, Node: r.Node, Running: r.Status == "running", Managed: ours})
	}
	return out, err
}

// Leftover implements app.Proxmox.
func (i *inspector) Leftover(ctx context.Context, c domain.Cluster, node string, vmid int, containerID string) (string, error) {
	pve, err := proxmoxClient(c, i.logger, i.called)
	if err != nil {
		return "", err
	}
	return pve.Leftover(ctx, node, vmid, containerID)
}

// Guest implements app.Proxmox.
func (i *inspector) Guest(ctx context.Context, c domain.Cluster, node string, vmid int) (app.RemoteGuest, error) {
	pve, err := proxmoxClient(c, i.logger, i.called)
	if err != nil {
		return app.RemoteGuest{}, err
	}
	now, err := pve.Config(ctx, node, vmid)
	if err != nil {
		return app.RemoteGuest{}, err
	}
	status, err := pve.Status(ctx, node, vmid)
	_, ours := proxmox.MarkerOf(now)
	return app.RemoteGuest{VMID: vmid, Name: now.Hostname, Node: node, Running: status.Running, Managed: ours}, err
}

// Name implements app.Proxmox.
func (i *inspector) Name(ctx context.Context, c domain.Cluster) (name, version string, err error) {
	pve, err := proxmoxClient(c, i.logger, i.called)
	if err != nil {
		return "", "", err
	}
	release, err := pve.Version(ctx)
	if err != nil {
		return "", "", err
	}
	status, err := pve.ClusterStatus(ctx)
	return status.Name, release.Release, err
}
