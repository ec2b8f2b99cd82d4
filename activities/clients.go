package activities

import (
	"context"
	"sync"

	"berth/domain"
	"berth/proxmox"
	"berth/store"
)

// Clients keeps one Proxmox VE client per cluster, and makes a new one when the cluster's row changed.
type Clients struct {
	Store *store.Store
	// New makes a client for a cluster.
	New func(domain.Cluster) (*proxmox.Client, error)

	mu   sync.Mutex
	held map[string]heldClient
}

type heldClient struct {
	version int64
	client  *proxmox.Client
}

// Of returns the client of a cluster, with the cluster as it is in SQL now.
func (c *Clients) Of(ctx context.Context, clusterID string) (*proxmox.Client, domain.Cluster, error) {
	cluster, err := c.Store.Cluster(ctx, clusterID)
	if err != nil {
		return nil, cluster, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h, ok := c.held[clusterID]; ok && h.version == cluster.Version {
		return h.client, cluster, nil
	}
	client, err := c.New(cluster)
	if err != nil {
		return nil, cluster, err
	}
	if c.held == nil {
		c.held = map[string]heldClient{}
	}
	c.held[clusterID] = heldClient{cluster.Version, client}
	return client, cluster, nil
}
