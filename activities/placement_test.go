package activities_test

import (
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/store"
)

// observe sets what the observer saw of a node.
func (w *world) observe(node int, change func(*store.NodeObservation)) {
	w.t.Helper()
	o := store.NodeObservation{
		State: domain.NodeOnline, Cores: 4, MemoryTotal: 16 * gib, MemoryFree: 16 * gib, DiskTotal: 100 * gib, DiskFree: 100 * gib,
	}
	change(&o)
	w.must(w.store.ObserveNode(w.t.Context(), w.nodes[node].ID, o))
}

// modifyNode changes what people set of a node.
func (w *world) modifyNode(node int, change func(*domain.Node)) {
	w.t.Helper()
	n, err := w.store.Node(w.t.Context(), w.nodes[node].ID)
	w.must(err)
	change(&n)
	w.must(w.store.UpdateNode(w.t.Context(), &n))
}

func TestPlacementPicksTheNodeWithMostLeft(t *testing.T) {
	for what, c := range map[string]struct {
		first, second func(*store.NodeObservation)
		spec          func(w *world, c *domain.Container)
		want          string
		reason        string
	}{
		"memory": {
			first: func(o *store.NodeObservation) { o.MemoryFree = 4 * gib },
			want:  "pve2", reason: "16128 MiB memory and 99 GiB disk stay free",
		},
		"disk": {
			first: func(o *store.NodeObservation) { o.DiskFree = 10 * gib },
			want:  "pve2", reason: "16128 MiB memory and 99 GiB disk stay free",
		},
		"processor": {first: func(o *store.NodeObservation) { o.CPU = 0.9 }, want: "pve2"},
		"equal":     {want: "pve1"},
		"too small": {
			second: func(o *store.NodeObservation) { o.MemoryFree = 4 * gib },
			first:  func(o *store.NodeObservation) { o.MemoryFree = 100 << 20 },
			want:   "pve2",
		},
		"wanted by name": {
			second: func(o *store.NodeObservation) { o.MemoryFree = 1 * gib },
			spec:   func(w *world, c *domain.Container) { c.Spec.NodeID = w.nodes[1].ID },
			want:   "pve2", reason: "768 MiB memory",
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			for i, change := range []func(*store.NodeObservation){c.first, c.second} {
				if change == nil {
					change = func(*store.NodeObservation) {}
				}
				w.observe(i, change)
			}
			in := w.request("web01", func(ct *domain.Container) {
				if c.spec != nil {
					c.spec(w, ct)
				}
			})
			got := step(t, w.set.Records.Place, domain.PlaceInput{OperationInput: in})
			if got.Node != c.want || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("placed on %s because %q, want %s because %q", got.Node, got.Reason, c.want, c.reason)
			}
			if again := step(t, w.set.Records.Place, domain.PlaceInput{OperationInput: in}); again != got {
				t.Errorf("placed again as %+v, want the place it has, %+v", again, got)
			}
		})
	}
}

// TestPlacementCountsWhatIsReserved places requests that come together, before the observer could see any of them.
func TestPlacementCountsWhatIsReserved(t *testing.T) {
	w := newWorld(t)
	for i := range w.nodes {
		w.observe(i, func(o *store.NodeObservation) { o.MemoryTotal, o.MemoryFree = 2*gib, 2*gib })
	}
	big := func(c *domain.Container) { c.Spec.MemoryMiB = 1536 }
	seen := map[string]bool{}
	for _, name := range []string{"web01", "web02"} {
		seen[step(t, w.set.Records.Place, domain.PlaceInput{OperationInput: w.request(name, big)}).Node] = true
	}
	if len(seen) != 2 {
		t.Errorf("both went to %v, want one on each node", seen)
	}
	_, err := perform(t, w.set.Records.Place, domain.PlaceInput{OperationInput: w.request("web03", big)})
	if !domain.Is(err, domain.Permanent) || !strings.Contains(err.Error(), "pve1 lacks 1025 MiB of memory; pve2 lacks 1025 MiB of memory") {
		t.Errorf("the third was told %v, want what each node lacks", err)
	}
}

func TestPlacementPrefersTheNodeThatHasTheImage(t *testing.T) {
	w := newWorld(t)
	w.placed(w.request("web01", func(c *domain.Container) { c.Spec.NodeID = w.nodes[1].ID })) // pulls the image there
	w.observe(0, func(*store.NodeObservation) {})
	w.observe(1, func(o *store.NodeObservation) { o.MemoryFree = 15 * gib })
	got := step(t, w.set.Records.Place, domain.PlaceInput{OperationInput: w.request("web02", nil)})
	if got.Node != "pve2" || !strings.Contains(got.Reason, "and it has the image") {
		t.Errorf("placed on %s because %q, want pve2, which has the image and nearly as much room", got.Node, got.Reason)
	}
	w.observe(1, func(o *store.NodeObservation) { o.MemoryFree = 4 * gib })
	if got := step(t, w.set.Records.Place, domain.PlaceInput{OperationInput: w.request("web03", nil)}); got.Node != "pve1" {
		t.Errorf("placed on %s because %q, want pve1: an image is not worth a full node", got.Node, got.Reason)
	}
}

func TestPlacementTellsWhyNoNodeTakesIt(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	in := w.request("web01", nil)
	for what, c := range map[string]struct {
		change  func()
		exclude []string
		words   string
	}{
		"refused": {exclude: []string{w.nodes[0].ID}, words: "pve1 refused it; pve2 is in maintenance"},
		"maintenance": {
			change: func() { w.modifyNode(0, func(n *domain.Node) { n.Maintenance = true }) },
			words:  "pve1 is in maintenance; pve2 is in maintenance",
		},
		"offline": {
			change: func() { w.observe(0, func(o *store.NodeObservation) { o.State = domain.NodeOffline }) },
			words:  "pve1 is offline",
		},
		"breaker": {
			change: func() {
				for range 10 {
					w.must(w.store.BreakerFail(ctx, w.nodes[0].ID, 1, time.Minute))
				}
			},
			words: "pve1 did not answer lately and is left alone until",
		},
		"no quorum": {
			change: func() {
				w.must(w.store.ObserveCluster(ctx, w.cluster.ID, store.ClusterObservation{State: domain.ClusterNoQuorum}))
			},
			words: "pve1 belongs to cluster lab, which is no_quorum",
		},
	} {
		t.Run(what, func(t *testing.T) {
			w.look()
			w.modifyNode(0, func(n *domain.Node) { n.Maintenance = false })
			w.modifyNode(1, func(n *domain.Node) { n.Maintenance = true })
			w.must(w.store.BreakerReset(ctx, w.nodes[0].ID))
			if c.change != nil {
				c.change()
			}
			_, err := perform(t, w.set.Records.Place, domain.PlaceInput{OperationInput: in, Exclude: c.exclude})
			if !domain.Is(err, domain.Permanent) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("told %v, want it to say %q for good", err, c.words)
			}
		})
	}
}
