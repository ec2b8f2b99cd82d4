//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/client"
	"berth/e2e/harness"
)

// pick is one cell to run.
type pick struct {
	step  step
	fault fault
}

func (k pick) id() string { return k.step.id() + " x " + k.fault.name }

// result is what became of it.
type result struct {
	end  end
	took time.Duration
}

// TestFaultMatrix strikes every step of provision and delete with every fault, and has the checker judge what is left.
// BERTH_E2E=full runs every cell and writes docs/reliability.md; otherwise a subset covers every step and every fault,
// drawn with BERTH_E2E_SEED. BERTH_E2E_CELLS names cells to run, such as "provision/create x hang", with commas between.
func TestFaultMatrix(t *testing.T) {
	cells := possible()
	full := os.Getenv("BERTH_E2E") == "full"
	switch {
	case os.Getenv("BERTH_E2E_CELLS") != "":
		named := strings.Split(os.Getenv("BERTH_E2E_CELLS"), ",")
		cells = slices.DeleteFunc(cells, func(k pick) bool { return !slices.Contains(named, k.id()) })
	case !full:
		cells = cover(cells, seed(t))
	}
	results := &results{ends: map[string]result{}}
	var platforms []*harness.Platform
	for range min(shards, len(cells)) {
		p := harness.Start(t, harness.Options{DeadlineScale: scale})
		p.Apart()
		giveOwnersAccess(t, p)
		platforms = append(platforms, p)
	}
	t.Run("cells", func(t *testing.T) {
		for shard, p := range platforms {
			t.Run(strconv.Itoa(shard), func(t *testing.T) {
				t.Parallel()
				for i := shard; i < len(cells); i += len(platforms) {
					strike(t, p, fmt.Sprintf("cell%d", i), cells[i], results)
				}
			})
		}
	})
	if full {
		report(t, results.ends)
	}
}

// shards is how many platforms share the cells: most of the time of a cell is spent on waiting.
const shards = 3

type results struct {
	mu   sync.Mutex
	ends map[string]result
}

// strike runs one cell and judges what it leaves.
func strike(t *testing.T, p *harness.Platform, name string, k pick, all *results) {
	ok := t.Run(strings.ReplaceAll(k.id(), " ", "-"), func(t *testing.T) {
		began := time.Now()
		c := &cell{step: k.step, struck: k.fault, name: name, t: t, p: p.In(t)}
		how := c.run()
		took := time.Since(began)
		t.Logf("%s: %s in %s: %s", k.id(), how, took.Round(100*time.Millisecond), c.message)
		if want := k.step.expected(k.fault); !slices.Contains(want, how) {
			t.Errorf("it ends %s, not %v: %s\n%s", how, want, c.message, c.journal())
		}
		if k.fault.name == "cancelled" && how == undone && c.state != "cancelled" {
			t.Errorf("the operation that somebody cancelled is told as %s", c.state)
		}
		clean(t, c.p)
		c.tidy(how)
		clean(t, c.p)
		if !t.Failed() {
			all.mu.Lock()
			defer all.mu.Unlock()
			all.ends[k.id()] = result{how, took}
		}
	})
	if !ok && p.Ready(t.Context()) != nil {
		t.Fatal("the platform does not recover, so the other cells would tell nothing")
	}
}

// possible are the cells that can be.
func possible() []pick {
	var out []pick
	for _, s := range steps {
		for _, f := range faults {
			if s.can(f) {
				out = append(out, pick{s, f})
			}
		}
	}
	return out
}

// seed is what the subset is drawn with: given, or new each day's run, and always told.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64N(1_000_000)
	if given := os.Getenv("BERTH_E2E_SEED"); given != "" {
		var err error
		if n, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("BERTH_E2E_SEED must be a number: %v", err)
		}
	}
	t.Logf("seed: BERTH_E2E_SEED=%d", n)
	fmt.Fprintf(os.Stderr, "fault matrix: BERTH_E2E_SEED=%d\n", n)
	return n
}

// cover draws cells until every step of each operation and every fault on each operation occurs.
func cover(cells []pick, seed uint64) []pick {
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
	var out []pick
	have := map[string]bool{}
	// First those that bring two new things, then those that bring one.
	for _, need := range []int{2, 1} {
		for _, k := range cells {
			step, fault := k.step.id(), k.step.operation+" "+k.fault.name
			brings := 0
			for _, what := range []string{step, fault} {
				if !have[what] {
					brings++
				}
			}
			if brings >= need {
				have[step], have[fault] = true, true
				out = append(out, k)
			}
		}
	}
	return out
}

// giveOwnersAccess gives the cluster a realm that knows the owner, so that there are permissions to grant and to revoke.
func giveOwnersAccess(t *testing.T, p *harness.Platform) {
	t.Helper()
	err := p.World.PVE.Call(t.Context(), http.MethodPost, "/access/users", url.Values{"userid": {harness.Owner + "@pve"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	realm := "pve"
	harness.Await(t, time.Minute, "the cluster gets a realm", func(ctx context.Context) error {
		_, err := p.Client.UpdateClusterWithResponse(ctx, "lab", &client.UpdateClusterParams{}, client.ClusterUpdate{Realm: &realm})
		return err
	})
}
