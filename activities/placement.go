package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"berth/domain"
	"berth/store"
)

// candidate is a node that could take a container, with how well it suits.
type candidate struct {
	node   domain.Node
	score  float64 // share of the scarcest resource that stays free; more is better
	reason string
}

// imageBonus is what having the image already is worth, in shares of a free node: enough to decide between nodes that
// are about as full, not enough to fill one node up.
const imageBonus = 0.15

// candidates returns the nodes of the container's site that can take it, best first. Free is what is free as observed or
// as reserved, whichever is less: a container that was placed a second ago does not show in what is observed yet.
func (r *Records) candidates(ctx context.Context, c domain.Container, exclude []string) ([]candidate, error) {
	nodes, _, err := r.Store.Nodes(ctx, store.NodeFilter{SiteID: c.SiteID}, store.Page{})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(nodes, func(a, b domain.Node) int { return strings.Compare(a.Name, b.Name) }) // so that reasons read the same each time
	withImage, err := r.Store.NodesWithImage(ctx, c.SiteID, c.Spec.Image)
	if err != nil {
		return nil, err
	}
	var fit []candidate
	var refused []string
	for _, n := range nodes {
		if c.Spec.NodeID != "" && n.ID != c.Spec.NodeID {
			continue
		}
		if slices.Contains(exclude, n.ID) {
			refused = append(refused, n.Name+" refused it")
			continue
		}
		held, err := r.Store.Reserved(ctx, n.ID)
		if err != nil {
			return nil, err
		}
		open, err := r.usable(ctx, n)
		if err != nil {
			return nil, err
		}
		if open == "" {
			var cand candidate
			if cand, open = suits(n, held, c.Spec, slices.Contains(withImage, n.ID)); open == "" {
				fit = append(fit, cand)
				continue
			}
		}
		refused = append(refused, n.Name+" "+open)
	}
	if len(fit) == 0 {
		if len(refused) == 0 {
			refused = []string{"the site has no node"}
		}
		return nil, domain.Errorf(domain.Permanent, "No node can take the container: %s.", strings.Join(refused, "; "))
	}
	slices.SortStableFunc(fit, func(a, b candidate) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return strings.Compare(a.node.Name, b.node.Name)
	})
	return fit, nil
}

// usable says why a node takes nothing now, or "" when it does.
func (r *Records) usable(ctx context.Context, n domain.Node) (string, error) {
	if n.Maintenance {
		return "is in maintenance", nil
	}
	if n.State != domain.NodeOnline {
		return "is " + string(n.State), nil
	}
	cluster, err := r.Store.Cluster(ctx, n.ClusterID)
	if err != nil {
		return "", err
	}
	if cluster.State != domain.ClusterReady {
		return fmt.Sprintf("belongs to cluster %s, which is %s", cluster.Name, cluster.State), nil
	}
	until, open, err := r.Store.BreakerOpen(ctx, n.ID)
	if err != nil {
		return "", err
	}
	if open {
		return "did not answer lately and is left alone until " + until.UTC().Format("15:04:05"), nil
	}
	return "", nil
}

const (
	mib = 1 << 20
	gib = 1 << 30
)

// suits rates a node for a spec, or says why it does not suit.
func suits(n domain.Node, held domain.Usage, s domain.Spec, hasImage bool) (candidate, string) {
	memory := min(n.MemoryFree, n.MemoryTotal-int64(held.MemoryMiB)*mib) - int64(s.MemoryMiB)*mib
	disk := min(n.DiskFree, n.DiskTotal-int64(held.DiskGiB)*gib) - int64(s.DiskGiB)*gib
	if memory < 0 {
		return candidate{}, fmt.Sprintf("lacks %d MiB of memory", -memory/mib+1)
	}
	if disk < 0 {
		return candidate{}, fmt.Sprintf("lacks %d GiB of disk", -disk/gib+1)
	}
	score := min(share(memory, n.MemoryTotal), share(disk, n.DiskTotal), max(0.05, 1-n.CPU))
	reason := fmt.Sprintf("%d MiB memory and %d GiB disk stay free", memory/mib, disk/gib)
	if hasImage {
		score += imageBonus
		reason += ", and it has the image"
	}
	return candidate{n, score, reason}, ""
}

func share(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
