package activities_test

import (
	"strings"
	"testing"
	"time"

	"berth/domain"
)

// nodeSeen returns a node as SQL has it.
func (w *world) nodeSeen(i int) domain.Node {
	w.t.Helper()
	n, err := w.store.Node(w.t.Context(), w.nodes[i].ID)
	w.must(err)
	return n
}

func TestObserverSeesNodesGoAndComeBack(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	n := w.nodeSeen(0)
	if n.State != domain.NodeOnline || n.MemoryTotal != 16*gib || n.DiskTotal != 256*gib || n.DiskFree <= 0 || n.Cores == 0 {
		t.Errorf("a node is seen as %+v, want it online with 16 GiB of memory and 256 GiB of disk", n)
	}
	cluster, err := w.store.Cluster(ctx, w.cluster.ID)
	w.must(err)
	if cluster.State != domain.ClusterReady || !cluster.Quorate || cluster.PVE == "" {
		t.Errorf("the cluster is seen as %s, quorate %v, version %q; want it ready", cluster.State, cluster.Quorate, cluster.PVE)
	}

	yes := true
	w.pve.SetQuorum(&yes) // of two nodes one alone has none
	w.must(w.pve.SetNodeOnline(ctx, "pve2", false))
	w.look()
	if got := w.nodeSeen(1); got.State != domain.NodeOffline || got.MemoryTotal != 8*gib {
		t.Errorf("the node without power is seen as %s with %d bytes, want offline with what was last seen", got.State, got.MemoryTotal)
	}
	if got := w.nodeSeen(0).State; got != domain.NodeOnline {
		t.Errorf("the other node is seen as %s, want online", got)
	}
	w.must(w.pve.SetNodeOnline(ctx, "pve2", true))
	w.look()
	if got := w.nodeSeen(1).State; got != domain.NodeOnline {
		t.Errorf("the node that is back is seen as %s, want online", got)
	}
}

func TestObserverTellsWhyAClusterCannotBeUsed(t *testing.T) {
	no := false
	for _, c := range []struct {
		state  domain.ClusterState
		change func(w *world)
		node   domain.NodeState
		words  string
	}{
		{domain.ClusterNoQuorum, func(w *world) { w.pve.SetQuorum(&no) }, domain.NodeOnline, "no quorum"},
		{domain.ClusterRefused, func(w *world) {
			w.modifyCluster(func(c *domain.Cluster) { c.Token = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee" })
		}, domain.NodeUnknown, ""},
		{domain.ClusterUnreachable, func(w *world) {
			w.modifyCluster(func(c *domain.Cluster) { c.Endpoints = []string{"https://127.0.0.1:1"} })
		}, domain.NodeUnknown, ""},
	} {
		t.Run(string(c.state), func(t *testing.T) {
			w := newWorld(t)
			c.change(w)
			_ = w.set.Observer.Look(t.Context(), w.cluster.ID) // what it returns is logged; what it writes counts
			got, err := w.store.Cluster(t.Context(), w.cluster.ID)
			w.must(err)
			if got.State != c.state || got.Message == "" || !strings.Contains(got.Message, c.words) {
				t.Errorf("the cluster is seen as %s (%s), want %s", got.State, got.Message, c.state)
			}
			if strings.Contains(got.Message, tokenSecret) {
				t.Errorf("the message holds the token's secret: %s", got.Message)
			}
			if n := w.nodeSeen(0); n.State != c.node {
				t.Errorf("its node is seen as %s, want %s", n.State, c.node)
			}
		})
	}
}

// modifyCluster changes what people set of the cluster.
func (w *world) modifyCluster(change func(*domain.Cluster)) {
	w.t.Helper()
	c, err := w.store.Cluster(w.t.Context(), w.cluster.ID)
	w.must(err)
	change(&c)
	w.must(w.store.UpdateCluster(w.t.Context(), &c))
}

func TestObserverSeesPower(t *testing.T) {
	w := newWorld(t)
	in := w.ready("web01")
	task, err := w.client.Stop(t.Context(), "pve1", w.container(in).Placement.VMID)
	w.must(err)
	_, err = w.client.Wait(t.Context(), task, time.Minute, nil)
	w.must(err)
	busy := w.operation(in.ContainerID, domain.OpPower, domain.OperationParams{Power: domain.ActionStart})
	w.look()
	if got := w.container(in).Power; got != domain.PowerRunning {
		t.Errorf("a container with an open operation was seen as %s, want it left to the operation", got)
	}
	w.finish(busy)
	w.look()
	if c := w.container(in); c.Power != domain.PowerStopped || c.WantPower != domain.PowerRunning {
		t.Errorf("a container that was stopped by hand is seen as %s, wanted %s; want stopped and running", c.Power, c.WantPower)
	}
}

func TestObserveEndsWithItsCluster(t *testing.T) {
	w := newWorld(t)
	gone := step(t, w.set.Observer.Observe, domain.ObserveInput{ClusterID: domain.NewID(), Cluster: "gone"})
	if !gone {
		t.Error("a cluster that was deleted is still watched")
	}
}
