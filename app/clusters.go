package app

import (
	"context"
	"slices"
	"strings"

	"berth/domain"
	"berth/store"
)

// Clusters are the use cases on Proxmox clusters. Everybody may know their names and states; the rest is for administrators.
type Clusters struct{ *core }

// ClusterInput is what registers a Proxmox cluster.
type ClusterInput struct {
	Name      string   // how people call it; empty takes Proxmox's own name for it
	Endpoints []string // API base URLs such as "https://pve1:8006", tried in turn
	TokenID   string   // "user@realm!id"
	Token     domain.Secret
	CA        string // PEM certificates that sign the endpoints'; empty means the system's
	Insecure  bool   // skip verification of the endpoints' certificates
	VMIDFirst int    // 0 = domain.DefaultVMIDFirst
	VMIDLast  int    // 0 = domain.DefaultVMIDLast
	Realm     string // Proxmox realm whose users own containers; may be empty
}

// ClusterPatch changes a cluster; nil leaves a value as it is.
type ClusterPatch struct {
	Name      *string
	Endpoints *[]string
	TokenID   *string
	Token     *domain.Secret
	CA        *string
	Insecure  *bool
	VMIDFirst *int
	VMIDLast  *int
	Realm     *string
}

// Create registers a cluster that can be reached. Findings tell what will stand in the way of its nodes.
func (s *Clusters) Create(
	ctx context.Context, actor domain.Actor, in ClusterInput,
) (made domain.Cluster, findings []domain.Finding, err error) {
	at := attempt{action: "cluster.create", resource: "cluster", name: in.Name}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		c := domain.Cluster{
			Name: in.Name, Endpoints: endpoints(in.Endpoints), TokenID: in.TokenID, Token: in.Token, CA: in.CA, Insecure: in.Insecure,
			VMIDFirst: in.VMIDFirst, VMIDLast: in.VMIDLast, Realm: in.Realm,
		}
		if c.VMIDFirst == 0 && c.VMIDLast == 0 {
			c.VMIDFirst, c.VMIDLast = domain.DefaultVMIDFirst, domain.DefaultVMIDLast
		}
		if err := validCluster(c, in.Name == ""); err != nil {
			return err
		}
		if err := s.meet(ctx, &c); err != nil {
			return err
		}
		at.name = c.Name
		if findings, err = s.preview(ctx, c); err != nil {
			return err
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			made = c
			return s.add(ctx, tx, actor, *at, &made)
		})
	})
	if err != nil {
		return domain.Cluster{}, findings, err
	}
	s.observe(ctx, made)
	return concealed(made), findings, nil
}

// observe has a new cluster watched at once. When that fails the reconciler does it.
func (k *core) observe(ctx context.Context, c domain.Cluster) {
	flows, ok := k.Workflows.(observing)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), launchTimeout)
	defer cancel()
	if err := flows.Observe(ctx, domain.ObserveInput{ClusterID: c.ID, Cluster: c.Name}); err != nil {
		k.Logger.WarnContext(ctx, "cluster not watched yet, the reconciler will see to it", "cluster", c.Name, "error", err)
	}
}

// preview checks a cluster by one of its nodes. What is wrong is a warning here: it counts when a node is taken into service,
// perhaps with other storages.
func (s *Clusters) preview(ctx context.Context, c domain.Cluster) ([]domain.Finding, error) {
	nodes, err := s.Proxmox.Nodes(ctx, c)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(nodes, func(n RemoteNode) bool { return n.Online })
	if at < 0 {
		return nil, domain.Errorf(domain.Conflict, "no node of the cluster is online")
	}
	storages, err := s.Proxmox.Storages(ctx, c, nodes[at].Name)
	if err != nil {
		return nil, err
	}
	findings, err := s.Proxmox.Check(ctx, c, domain.Node{
		Name: nodes[at].Name, Bridge: defaultBridge,
		TemplateStorage: largest(storages, "vztmpl"), RootStorage: largest(storages, "rootdir"),
	})
	for i := range findings {
		findings[i].Severity = "warning"
	}
	return findings, err
}

// meet asks a new cluster for its version, and for its name if it has none yet.
func (k *core) meet(ctx context.Context, c *domain.Cluster) error {
	name, version, err := k.Proxmox.Name(ctx, *c)
	if err != nil {
		return err
	}
	c.PVE = version
	if c.Name != "" {
		return nil
	}
	if name == "" { // a single node
		nodes, err := k.Proxmox.Nodes(ctx, *c)
		if err != nil {
			return err
		}
		if len(nodes) > 0 {
			name = nodes[0].Name
		}
	}
	if c.Name = strings.ToLower(name); !domain.ValidHostname(c.Name) {
		var f fields
		f.fail("name", "must be given: Proxmox VE calls the cluster %q, which is no name here", name)
		return f.err("the cluster")
	}
	return nil
}

// add stores a new cluster, unless one of its endpoints belongs to another one: two would hand out the same VMIDs.
func (k *core) add(ctx context.Context, tx *store.Store, actor domain.Actor, at attempt, c *domain.Cluster) error {
	if other, found, err := clusterAt(ctx, tx, c.Endpoints); err != nil {
		return err
	} else if found {
		return domain.Errorf(domain.Conflict, "the endpoint is that of cluster %s already", other.Name)
	}
	if err := tx.CreateCluster(ctx, c); err != nil {
		return err
	}
	at.action, at.resource, at.resourceID, at.name = "cluster.create", "cluster", c.ID, c.Name
	return k.did(ctx, tx, actor, at, "endpoints "+strings.Join(c.Endpoints, ", "))
}

// clusterAt finds the cluster that has one of the endpoints.
func clusterAt(ctx context.Context, db *store.Store, urls []string) (domain.Cluster, bool, error) {
	all, err := store.All(func(p store.Page) ([]domain.Cluster, string, error) { return db.Clusters(ctx, p) })
	if err != nil {
		return domain.Cluster{}, false, err
	}
	for _, c := range all {
		if slices.ContainsFunc(c.Endpoints, func(e string) bool { return slices.Contains(urls, e) }) {
			return c, true, nil
		}
	}
	return domain.Cluster{}, false, nil
}

// Get returns a cluster by name or ID, without its token's secret.
func (s *Clusters) Get(ctx context.Context, actor domain.Actor, ref string) (domain.Cluster, error) {
	if err := s.read(ctx, actor, attempt{action: "cluster.get", resource: "cluster", name: ref}, toRead); err != nil {
		return domain.Cluster{}, err
	}
	c, err := cluster(ctx, s.Store, ref)
	return shownTo(actor, c), err
}

// List returns the clusters, without their tokens' secrets.
func (s *Clusters) List(ctx context.Context, actor domain.Actor, page Page) (List[domain.Cluster], error) {
	if err := s.read(ctx, actor, attempt{action: "cluster.list", resource: "cluster"}, toRead); err != nil {
		return List[domain.Cluster]{}, err
	}
	all, next, err := s.Store.Clusters(ctx, page.stored())
	for i, c := range all {
		all[i] = shownTo(actor, c)
	}
	return listOf(all, next, err)
}

// Update changes a cluster. New endpoints or a new credential have to work.
func (s *Clusters) Update(
	ctx context.Context, actor domain.Actor, ref string, patch ClusterPatch, ifMatch int64,
) (changed domain.Cluster, err error) {
	at := attempt{action: "cluster.update", resource: "cluster", name: ref}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		old, err := cluster(ctx, s.Store, ref)
		if err != nil {
			return err
		}
		at.resourceID, at.name = old.ID, old.Name
		if err := matches("cluster "+old.Name, old.Version, ifMatch); err != nil {
			return err
		}
		c := patched(old, patch)
		if err := validCluster(c, false); err != nil {
			return err
		}
		if patch.Endpoints != nil || patch.TokenID != nil || patch.Token != nil || patch.CA != nil || patch.Insecure != nil {
			if err := s.meet(ctx, &c); err != nil {
				return err
			}
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			changed = c
			other, found, err := clusterAt(ctx, tx, c.Endpoints)
			if err != nil {
				return err
			}
			if found && other.ID != c.ID {
				return domain.Errorf(domain.Conflict, "the endpoint is that of cluster %s already", other.Name)
			}
			if err := tx.UpdateCluster(ctx, &changed); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
	if err != nil {
		return domain.Cluster{}, err
	}
	return concealed(changed), nil
}

func patched(c domain.Cluster, p ClusterPatch) domain.Cluster {
	if p.Endpoints != nil {
		c.Endpoints = endpoints(*p.Endpoints)
	}
	put(&c.Name, p.Name)
	put(&c.TokenID, p.TokenID)
	put(&c.Token, p.Token)
	put(&c.CA, p.CA)
	put(&c.Insecure, p.Insecure)
	put(&c.VMIDFirst, p.VMIDFirst)
	put(&c.VMIDLast, p.VMIDLast)
	put(&c.Realm, p.Realm)
	return c
}

// Delete forgets a cluster that has no nodes any more. Nothing is done to the cluster itself.
func (s *Clusters) Delete(ctx context.Context, actor domain.Actor, ref string, ifMatch int64) error {
	at := attempt{action: "cluster.delete", resource: "cluster", name: ref}
	return s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			c, err := cluster(ctx, tx, ref)
			if err != nil {
				return err
			}
			at.resourceID, at.name = c.ID, c.Name
			if err := matches("cluster "+c.Name, c.Version, ifMatch); err != nil {
				return err
			}
			if err := tx.DeleteCluster(ctx, c.ID); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
}

// Guests returns the containers of a cluster that are not Berth's and could be imported.
func (s *Clusters) Guests(ctx context.Context, actor domain.Actor, ref string) ([]RemoteGuest, error) {
	if err := s.read(ctx, actor, attempt{action: "cluster.guests", resource: "cluster", name: ref}, toAdminister); err != nil {
		return nil, err
	}
	c, err := cluster(ctx, s.Store, ref)
	if err != nil {
		return nil, err
	}
	guests, err := s.Proxmox.Guests(ctx, c, "")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(guests, func(g RemoteGuest) bool { return g.Managed }), nil
}

// concealed is a cluster without its secret.
func concealed(c domain.Cluster) domain.Cluster {
	c.Token = ""
	return c
}

// shownTo is what an actor may know of a cluster.
func shownTo(actor domain.Actor, c domain.Cluster) domain.Cluster {
	if actor.Admin {
		return concealed(c)
	}
	return domain.Cluster{
		ID: c.ID, Name: c.Name, State: c.State, Quorate: c.Quorate, SeenAt: c.SeenAt, CreatedAt: c.CreatedAt, Version: c.Version,
	}
}
