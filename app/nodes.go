package app

import (
	"context"
	"net/netip"
	"regexp"

	"berth/domain"
	"berth/store"
)

// Nodes are the use cases on Proxmox nodes. Everybody may look at them, administrators change them.
type Nodes struct{ *core }

// NodePatch changes a node; nil leaves a value as it is.
type NodePatch struct {
	TemplateStorage *string
	RootStorage     *string
	Bridge          *string
	Address         *string
	Slots           *int
	Maintenance     *bool
}

// NodeFilter narrows a list of nodes; empty fields match everything.
type NodeFilter struct {
	Site    string // name or ID
	Cluster string // name or ID
}

// Get returns a node by name or ID.
func (s *Nodes) Get(ctx context.Context, actor domain.Actor, ref string) (domain.Node, error) {
	if err := s.read(ctx, actor, attempt{action: "node.get", resource: "node", name: ref}, toRead); err != nil {
		return domain.Node{}, err
	}
	return node(ctx, s.Store, "", ref)
}

// List returns nodes.
func (s *Nodes) List(ctx context.Context, actor domain.Actor, filter NodeFilter, page Page) (List[domain.Node], error) {
	if err := s.read(ctx, actor, attempt{action: "node.list", resource: "node"}, toRead); err != nil {
		return List[domain.Node]{}, err
	}
	var f store.NodeFilter
	if filter.Site != "" {
		found, err := site(ctx, s.Store, filter.Site)
		if err != nil {
			return List[domain.Node]{}, err
		}
		f.SiteID = found.ID
	}
	if filter.Cluster != "" {
		found, err := cluster(ctx, s.Store, filter.Cluster)
		if err != nil {
			return List[domain.Node]{}, err
		}
		f.ClusterID = found.ID
	}
	return listOf(s.Store.Nodes(ctx, f, page.stored()))
}

// Update changes a node.
func (s *Nodes) Update(
	ctx context.Context, actor domain.Actor, ref string, patch NodePatch, ifMatch int64,
) (changed domain.Node, err error) {
	at := attempt{action: "node.update", resource: "node", name: ref}
	var home domain.Site
	var moved bool
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			old, err := node(ctx, tx, "", ref)
			if err != nil {
				return err
			}
			at.resourceID, at.name = old.ID, old.Name
			if err := matches("node "+old.Name, old.Version, ifMatch); err != nil {
				return err
			}
			if home, err = tx.Site(ctx, old.SiteID); err != nil {
				return err
			}
			changed = old
			put(&changed.TemplateStorage, patch.TemplateStorage)
			put(&changed.RootStorage, patch.RootStorage)
			put(&changed.Bridge, patch.Bridge)
			put(&changed.Address, patch.Address)
			put(&changed.Slots, patch.Slots)
			put(&changed.Maintenance, patch.Maintenance)
			moved = changed.Address != old.Address
			if err := validNode(changed, home); err != nil {
				return err
			}
			if err := tx.UpdateNode(ctx, &changed); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
	if err != nil {
		return domain.Node{}, err
	}
	if moved {
		s.publish(ctx, home.ID, home.Name)
	}
	return changed, nil
}

var proxmoxID = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]*$`)

// mostSlots leaves room for clusters with more workers than pvedaemon has by default.
const mostSlots = 16

// validNode returns every field that breaks a rule.
func validNode(n domain.Node, home domain.Site) error {
	var f fields
	for _, id := range []struct{ field, value string }{
		{"templateStorage", n.TemplateStorage},
		{"rootStorage", n.RootStorage},
		{"bridge", n.Bridge},
	} {
		if !proxmoxID.MatchString(id.value) {
			f.fail(id.field, "must be named as in Proxmox VE")
		}
	}
	if n.Address != "" && !within(home, n.Address) {
		f.fail("address", "must be an IPv4 address in the site's network %s", home.CIDR)
	}
	if n.Slots < 1 || n.Slots > mostSlots {
		f.fail("slots", "must be between 1 and %d", mostSlots)
	}
	return f.err("the node")
}

// within reports whether an address lies in a site's network.
func within(s domain.Site, address string) bool {
	network, err1 := netip.ParsePrefix(s.CIDR)
	a, err2 := netip.ParseAddr(address)
	return err1 == nil && err2 == nil && network.Contains(a)
}

// Delete takes a node out of service that holds no containers any more. Nothing is done to the node itself.
func (s *Nodes) Delete(ctx context.Context, actor domain.Actor, ref string, ifMatch int64) error {
	at := attempt{action: "node.delete", resource: "node", name: ref}
	var home domain.Site
	err := s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			old, err := node(ctx, tx, "", ref)
			if err != nil {
				return err
			}
			at.resourceID, at.name = old.ID, old.Name
			if err := matches("node "+old.Name, old.Version, ifMatch); err != nil {
				return err
			}
			if home, err = tx.Site(ctx, old.SiteID); err != nil {
				return err
			}
			if err := tx.DeleteNode(ctx, old.ID); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
	if err == nil {
		s.publish(ctx, home.ID, home.Name)
	}
	return err
}

// Check asks Proxmox VE whether a node can be used as it is registered.
func (s *Nodes) Check(ctx context.Context, actor domain.Actor, ref string) ([]domain.Finding, error) {
	n, c, err := s.reach(ctx, actor, "node.check", ref)
	if err != nil {
		return nil, err
	}
	return s.Proxmox.Check(ctx, c, n)
}

// Storages returns the storages of a node.
func (s *Nodes) Storages(ctx context.Context, actor domain.Actor, ref string) ([]RemoteStorage, error) {
	n, c, err := s.reach(ctx, actor, "node.storages", ref)
	if err != nil {
		return nil, err
	}
	return s.Proxmox.Storages(ctx, c, n.Name)
}

func (s *Nodes) reach(ctx context.Context, actor domain.Actor, action, ref string) (domain.Node, domain.Cluster, error) {
	if err := s.read(ctx, actor, attempt{action: action, resource: "node", name: ref}, toAdminister); err != nil {
		return domain.Node{}, domain.Cluster{}, err
	}
	n, err := node(ctx, s.Store, "", ref)
	if err != nil {
		return domain.Node{}, domain.Cluster{}, err
	}
	c, err := s.Store.Cluster(ctx, n.ClusterID)
	return n, c, err
}
