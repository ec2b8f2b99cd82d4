//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"berth/client"
	"berth/e2e/harness"
)

const (
	many       = 50
	maxReloads = 10 // of dnsmasq, for all of them
)

// lockWords are how Proxmox VE says that something is locked; people have nothing to do with it.
var lockWords = regexp.MustCompile(`can't lock file|got timeout|lock request timeout|CT is locked`) //nolint:gochecknoglobals // constant

// TestFifty asks for 50 containers at once and kills the worker on the way.
func TestFifty(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	p.Apart()
	fifty(t, p, "worker")
	deleteAll(t, p)
	clean(t, p)
}

// fifty asks for 50 containers and kills a worker on the way.
func fifty(t *testing.T, p *harness.Platform, worker string) {
	t.Helper()
	before := reloads(t, p)
	operations := ask(t, p.Client, p, "many", many)
	began := time.Now()
	awaitReady(t, p, many/5)
	p.Restart(worker)
	awaitReady(t, p, many)
	t.Logf("%d containers, with the worker killed on the way, are ready after %s", many, time.Since(began).Round(time.Second/10))

	clean(t, p)
	unique(t, p)
	if n := reloads(t, p) - before; n > maxReloads {
		t.Errorf("dnsmasq was reloaded %d times, more than %d", n, maxReloads)
	}
	for _, id := range operations {
		noLockErrors(t, p, id)
	}
}

// TestBerthKilled kills all of Berth and its Temporal at once while containers are being made. The nodes stay, so nothing is
// lost: all get ready.
func TestBerthKilled(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	p.Apart()
	operations := ask(t, p.Client, p, "all", 20)
	awaitReady(t, p, 2)
	roles := []string{"temporal", "api", "worker", "edge"}
	for _, name := range roles {
		p.Process(name).Kill()
	}
	for _, name := range roles {
		p.Restart(name)
	}
	harness.Await(t, time.Minute, "the platform is ready again", p.Ready)
	awaitReady(t, p, len(operations))
	clean(t, p)
	for _, id := range operations {
		noLockErrors(t, p, id)
	}
	deleteAll(t, p)
	clean(t, p)
}

// TestKeysRotatedUnderLoad changes the key of all secrets, twice, while containers with secrets are being made.
func TestKeysRotatedUnderLoad(t *testing.T) {
	p := harness.Start(t, harness.Options{})
	p.Apart()
	const each = 6
	for round := range 3 {
		for i := range each {
			memory, env := 64, map[string]string{"GREETING": fmt.Sprintf("greetings of %d-%d", round, i)}
			_, err := p.Client.CreateContainerWithResponse(t.Context(), &client.CreateContainerParams{}, client.ContainerCreate{
				Name: fmt.Sprintf("key%d-%d", round, i), Image: p.Image("tiny:1"), MemoryMiB: &memory, Env: &env,
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if round < 2 {
			t.Log(p.Console("keys", "rotate"))
		}
	}
	awaitReady(t, p, 3*each)
	for round := range 3 {
		shows(t, get(t, p, fmt.Sprintf("key%d-0", round)), fmt.Sprintf("greetings of %d-0", round))
	}
	clean(t, p)
}

// TestKilledAltogether kills everything at once, the lab and its nodes included, while containers are being made. A guest
// whose node dies while it boots may be one too many to save; then it is undone. One whose node dies while it is created has
// the leftover lock that only a human may take off.
func TestKilledAltogether(t *testing.T) {
	p := harness.Start(t, harness.Options{DeadlineScale: 0.2})
	operations := ask(t, p.Client, p, "few", 10)
	awaitReady(t, p, 1)
	p.RestartAll()
	for _, id := range operations {
		harness.Await(t, 5*time.Minute, "the operation ends", func(ctx context.Context) error {
			answer, err := p.Client.GetOperationWithResponse(ctx, id)
			if err == nil && answer.JSON200.State.Open() {
				err = fmt.Errorf("%s is %s", answer.JSON200.Name, answer.JSON200.State)
			}
			return err
		})
	}
	clean(t, p)
	all, err := list(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		switch c.State {
		case client.ContainerStateReady, client.ContainerStateFailed:
		case client.ContainerStateNeedsAttention:
			if !strings.Contains(*c.Message, "leftover lock (create)") {
				t.Errorf("%s needs attention without a leftover lock: %s", c.Name, *c.Message)
			}
		default:
			t.Errorf("%s is %s", c.Name, c.State)
		}
	}
	deleteAll(t, p)
	clean(t, p)
}

// ask requests n containers together of one API server, and returns the operations that make them.
func ask(t *testing.T, api *client.Client, p *harness.Platform, prefix string, n int) []string {
	t.Helper()
	operations := make([]string, n)
	var asked errgroup.Group
	for i := range n {
		asked.Go(func() error {
			memory, disk := 32, 1
			answer, err := api.CreateContainerWithResponse(t.Context(), &client.CreateContainerParams{}, client.ContainerCreate{
				Name: fmt.Sprintf("%s%02d", prefix, i), Image: p.Image("tiny:1"), MemoryMiB: &memory, DiskGiB: &disk,
			})
			if err == nil {
				operations[i] = answer.JSON202.Operation.ID
			}
			return err
		})
	}
	if err := asked.Wait(); err != nil {
		t.Fatal(err)
	}
	return operations
}

// awaitReady waits until so many containers are ready, and fails at once when one cannot be.
func awaitReady(t *testing.T, p *harness.Platform, n int) {
	t.Helper()
	harness.Await(t, 5*time.Minute, fmt.Sprintf("%d containers are ready", n), func(ctx context.Context) error {
		all, err := list(ctx, p)
		if err != nil {
			return err
		}
		count := map[client.ContainerState]int{}
		for _, c := range all {
			count[c.State]++
			if c.State == client.ContainerStateFailed || c.State == client.ContainerStateNeedsAttention {
				t.Fatalf("%s is %s: %s", c.Name, c.State, *c.Message)
			}
		}
		if count[client.ContainerStateReady] < n {
			return fmt.Errorf("there are %v", count)
		}
		return nil
	})
}

func list(ctx context.Context, p *harness.Platform) ([]client.Container, error) {
	limit := many
	answer, err := p.Client.ListContainersWithResponse(ctx, &client.ListContainersParams{Limit: &limit})
	if err != nil {
		return nil, err
	}
	return answer.JSON200.Items, nil
}

func unique(t *testing.T, p *harness.Platform) {
	t.Helper()
	all, err := list(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, c := range all {
		for _, what := range []string{*c.Address, *c.MAC, fmt.Sprint(*c.VMID)} {
			if other, ok := seen[what]; ok {
				t.Errorf("%s and %s share %s", c.Name, other, what)
			}
			seen[what] = c.Name
		}
	}
	if len(seen) != 3*many {
		t.Errorf("%d containers have %d addresses, MACs and VMIDs together, not %d", len(all), len(seen), 3*many)
	}
}

// reloads sums up what the edges tell of reloads and restarts of their dnsmasq.
func reloads(t *testing.T, p *harness.Platform) (n int64) {
	t.Helper()
	answer, err := p.Client.ListEdgesWithResponse(t.Context(), &client.ListEdgesParams{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range answer.JSON200.Items {
		n += e.Reloads
	}
	return n
}

func noLockErrors(t *testing.T, p *harness.Platform, id string) {
	t.Helper()
	op, err := p.Client.GetOperationWithResponse(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if op.JSON200.State != client.OperationStateSucceeded {
		t.Errorf("%s is %s", op.JSON200.Name, op.JSON200.State)
	}
	events, err := p.Client.ListOperationEventsWithResponse(t.Context(), id, &client.ListOperationEventsParams{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events.JSON200.Items {
		if lockWords.MatchString(e.Message) {
			t.Errorf("%s tells a user of a lock: %s", op.JSON200.Name, e.Message)
		}
	}
}

// deleteAll deletes every container but those that a human has to look at, which keep their VMID and address.
func deleteAll(t *testing.T, p *harness.Platform) {
	t.Helper()
	all, err := list(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	stay := 0
	for _, c := range all {
		if c.State == client.ContainerStateNeedsAttention {
			stay++
			continue
		}
		if _, err := p.Client.DeleteContainerWithResponse(t.Context(), c.ID, &client.DeleteContainerParams{}); err != nil {
			t.Fatal(err)
		}
	}
	harness.Await(t, 5*time.Minute, "all are deleted", func(ctx context.Context) error {
		left, err := list(ctx, p)
		if err == nil && len(left) > stay {
			err = errors.New(fmt.Sprint(len(left), " are left"))
		}
		return err
	})
}
