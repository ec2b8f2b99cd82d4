package app

import (
	"context"
	"slices"
	"strings"

	"berth/domain"
	"berth/store"
)

// NodeInput is what takes a Proxmox node into service.
type NodeInput struct {
	Site            string // name or ID; empty when there is one site only
	Name            string // Proxmox's node name; empty when the cluster has one node only
	Cluster         string // name or ID of a registered cluster, or the name for a new one; empty finds or makes it by URL
	URL             string // API base URL; not needed when Cluster is registered
	TokenID         string // the credential is not needed when Cluster is registered
	Token           domain.Secret
	CA              string
	Insecure        bool
	TemplateStorage string // empty takes the largest active one with content vztmpl
	RootStorage     string // the same with content rootdir
	Bridge          string // empty = "vmbr0"
	Address         string // IPv4 in the site's network, for DNS; empty takes the one that the cluster knows, if it lies there
	Slots           int    // 0 = domain.DefaultSlots
}

const defaultBridge = "vmbr0"

// newcomer is a node on its way into service.
type newcomer struct {
	node    domain.Node
	cluster domain.Cluster
	known   bool // the cluster is registered
	joined  bool // ... and gets the node's URL as a further endpoint
}

// Create takes a node into service, and registers its cluster if need be. Findings are warnings, or, with an error, what stands
// in the way.
func (s *Nodes) Create(
	ctx context.Context, actor domain.Actor, in NodeInput,
) (made domain.Node, findings []domain.Finding, err error) {
	at := attempt{action: "node.create", resource: "node", name: in.Name}
	var home domain.Site
	var clusterName string
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		var f fields
		if home, err = siteOrOnly(ctx, s.Store, in.Site); err != nil {
			if err := f.name("site", err); err != nil {
				return err
			}
			return f.err("the node")
		}
		n, err := s.introduce(ctx, in, home)
		if err != nil {
			return err
		}
		at.name, clusterName = n.node.Name, n.cluster.Name
		if findings, err = s.Proxmox.Check(ctx, n.cluster, n.node); err != nil {
			return err
		}
		if err := usable("node "+n.node.Name, findings); err != nil {
			return err
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			made = n.node
			return s.enlist(ctx, tx, actor, *at, n, &made)
		})
	})
	if err != nil {
		return domain.Node{}, findings, err
	}
	if made.Address != "" {
		s.publish(ctx, home.ID, home.Name)
	}
	s.observe(ctx, domain.Cluster{ID: made.ClusterID, Name: clusterName})
	return made, findings, nil
}

// introduce finds out all that is needed to know of a node.
func (s *Nodes) introduce(ctx context.Context, in NodeInput, home domain.Site) (newcomer, error) {
	n, err := s.clusterFor(ctx, in)
	if err != nil {
		return n, err
	}
	remote, err := s.pick(ctx, n.cluster, in.Name)
	if err != nil {
		return n, err
	}
	if err := s.newHere(ctx, n, remote.Name); err != nil {
		return n, err
	}
	n.node = domain.Node{
		Name: remote.Name, ClusterID: n.cluster.ID, SiteID: home.ID, Address: in.Address, TemplateStorage: in.TemplateStorage,
		RootStorage: in.RootStorage, Bridge: in.Bridge, Slots: in.Slots,
	}
	if n.node.Bridge == "" {
		n.node.Bridge = defaultBridge
	}
	if n.node.Slots == 0 {
		n.node.Slots = domain.DefaultSlots
	}
	if n.node.Address == "" && within(home, remote.IP) {
		n.node.Address = remote.IP
	}
	if err := s.chooseStorages(ctx, n.cluster, &n.node); err != nil {
		return n, err
	}
	return n, validNode(n.node, home)
}

// clusterFor finds the cluster of a new node: the one that is named, the one that has its URL, or the one that calls itself the
// same and lists the node. Otherwise it prepares a new one.
func (s *Nodes) clusterFor(ctx context.Context, in NodeInput) (newcomer, error) {
	if in.Cluster != "" {
		c, err := cluster(ctx, s.Store, in.Cluster)
		if err == nil {
			return newcomer{cluster: c, known: true}, nil
		}
		if !domain.Is(err, domain.NotFound) {
			return newcomer{}, err
		}
		if in.URL == "" {
			var f fields
			f.fail("cluster", "must be registered, or come with url and token")
			return newcomer{}, f.err("the node")
		}
	}
	if in.URL == "" {
		var f fields
		f.fail("url", "must be given, such as https://pve1:8006, or a registered cluster be named")
		return newcomer{}, f.err("the node")
	}
	c := domain.Cluster{
		Name: in.Cluster, Endpoints: endpoints([]string{in.URL}), TokenID: in.TokenID, Token: in.Token, CA: in.CA,
		Insecure: in.Insecure, VMIDFirst: domain.DefaultVMIDFirst, VMIDLast: domain.DefaultVMIDLast,
	}
	known, found, err := clusterAt(ctx, s.Store, c.Endpoints)
	if err != nil {
		return newcomer{}, err
	}
	if found {
		// The cluster goes on using its own credential. Another one that came along still has to be right: whoever mistyped it
		// would take it for accepted.
		if c.Token != "" && (c.Token != known.Token || c.TokenID != known.TokenID) {
			err = s.meet(ctx, &c)
		}
		return newcomer{cluster: known, known: true}, err
	}
	if err := validCluster(c, in.Cluster == ""); err != nil {
		return newcomer{}, err
	}
	if err := s.meet(ctx, &c); err != nil {
		return newcomer{}, err
	}
	return s.join(ctx, c, in.Name)
}

// join returns the registered cluster that a new one turns out to be, with one endpoint more. Two clusters may call themselves
// the same, so the registered one has to list the node.
func (s *Nodes) join(ctx context.Context, c domain.Cluster, name string) (newcomer, error) {
	known, err := s.Store.ClusterByName(ctx, c.Name)
	if domain.Is(err, domain.NotFound) {
		return newcomer{cluster: c}, nil
	}
	if err != nil {
		return newcomer{}, err
	}
	nodes, err := s.Proxmox.Nodes(ctx, known)
	if err != nil {
		return newcomer{}, err
	}
	if name == "" || !slices.ContainsFunc(nodes, func(n RemoteNode) bool { return n.Name == name }) {
		return newcomer{}, domain.Errorf(domain.Conflict,
			"another cluster is called %s already and does not list this node: name the new one with cluster", c.Name)
	}
	known.Endpoints = append(slices.Clone(known.Endpoints), c.Endpoints...)
	return newcomer{cluster: known, known: true, joined: true}, nil
}

// pick returns the node of a cluster by name, or its only one.
func (s *Nodes) pick(ctx context.Context, c domain.Cluster, name string) (RemoteNode, error) {
	nodes, err := s.Proxmox.Nodes(ctx, c)
	if err != nil {
		return RemoteNode{}, err
	}
	names := make([]string, len(nodes))
	for i, n := range nodes {
		if n.Name == name || name == "" && len(nodes) == 1 {
			return n, nil
		}
		names[i] = n.Name
	}
	var f fields
	f.fail("name", "must be one of the cluster's nodes: %s", strings.Join(names, ", "))
	return RemoteNode{}, f.err("the node")
}

// newHere is nil unless the cluster has a node of that name in service already.
func (s *Nodes) newHere(ctx context.Context, n newcomer, name string) error {
	if !n.known {
		return nil
	}
	nodes, err := store.All(func(p store.Page) ([]domain.Node, string, error) {
		return s.Store.Nodes(ctx, store.NodeFilter{ClusterID: n.cluster.ID}, p)
	})
	if err == nil && slices.ContainsFunc(nodes, func(o domain.Node) bool { return o.Name == name }) {
		err = domain.Errorf(domain.Conflict, "node %s of cluster %s is in service already", name, n.cluster.Name)
	}
	return err
}

// chooseStorages fills in the storages that were not named.
func (s *Nodes) chooseStorages(ctx context.Context, c domain.Cluster, n *domain.Node) error {
	if n.TemplateStorage != "" && n.RootStorage != "" {
		return nil // the check tells whether they will do
	}
	all, err := s.Proxmox.Storages(ctx, c, n.Name)
	if err != nil {
		return err
	}
	var f fields
	for _, want := range []struct {
		storage        *string
		field, content string
	}{
		{&n.TemplateStorage, "templateStorage", "vztmpl"},
		{&n.RootStorage, "rootStorage", "rootdir"},
	} {
		if *want.storage == "" {
			*want.storage = largest(all, want.content)
		}
		if *want.storage == "" {
			f.fail(want.field, "must be given: node %s has no active storage with content %s", n.Name, want.content)
		}
	}
	return f.err("the node")
}

// largest returns the largest active storage with a content type, or "".
func largest(all []RemoteStorage, content string) string {
	var best RemoteStorage
	for _, s := range all {
		if s.Active && slices.Contains(s.Content, content) && (best.Name == "" || s.Total > best.Total) {
			best = s
		}
	}
	return best.Name
}

func (s *Nodes) enlist(
	ctx context.Context, tx *store.Store, actor domain.Actor, at attempt, n newcomer, made *domain.Node,
) error {
	home := n.cluster
	switch {
	case !n.known:
		if err := s.add(ctx, tx, actor, at, &home); err != nil {
			return err
		}
	case n.joined:
		if err := tx.UpdateCluster(ctx, &home); err != nil {
			return err
		}
	}
	made.ClusterID = home.ID
	if err := tx.CreateNode(ctx, made); err != nil {
		return err
	}
	at.resourceID = made.ID
	return s.did(ctx, tx, actor, at, "cluster "+home.Name+", storages "+made.TemplateStorage+" and "+made.RootStorage)
}
