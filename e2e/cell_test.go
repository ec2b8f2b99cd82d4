//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/client"
	"berth/e2e/harness"
)

const (
	// holdFor is how long a call is held so that something can happen meanwhile.
	holdFor = 2 * time.Second
	// opTime is how long an operation may take to end when something goes wrong: all deadlines of the steps together, as
	// they are scaled down, with those of undoing.
	opTime = 4 * time.Minute
	// scale is what the deadlines are multiplied by.
	scale = 0.05
)

// cell is one run of an operation with one fault in one step.
type cell struct {
	step      step
	struck    fault
	name      string // of the container
	container string // its ID; empty before there is one
	operation string // its ID
	state     string // of the operation when it had ended
	message   string
	refused   error // why the request was

	t *testing.T
	p *harness.Platform
}

func (c *cell) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cell) fault(f harness.Fault) int {
	c.t.Helper()
	id, err := c.p.Lab.AddFault(c.t.Context(), f)
	c.check(err)
	return id
}

// run runs the cell and returns how it ended.
func (c *cell) run() end {
	c.setUp()
	defer c.heal()
	switch {
	case c.step.call != "" && c.struck.before != nil:
		c.struck.before(c)
		c.request()
	case c.step.call != "":
		id := c.fault(harness.Fault{Operation: c.step.call, Effect: "delay", DelayMS: holdFor.Milliseconds(), Count: 1})
		c.request()
		harness.Await(c.t, time.Minute, c.name+" comes to "+c.step.call, func(ctx context.Context) error {
			n, err := c.p.Lab.Struck(ctx, id)
			if err == nil && n == 0 {
				err = errors.New("the call was not made")
			}
			return err
		})
		c.struck.strike(c)
	default:
		c.strikeInside()
	}
	if c.refused == nil {
		harness.Await(c.t, opTime, fmt.Sprintf("%s ends after %s", c.name, c.struck.name), c.ended)
	}
	c.heal()
	harness.Await(c.t, time.Minute, "the platform is ready again", c.p.Ready)
	return c.outcome()
}

// strikeInside strikes a step that makes no call to Proxmox VE.
func (c *cell) strikeInside() {
	strike := c.struck.strike
	if strike == nil {
		strike = c.struck.during
	}
	switch {
	case c.step.edge:
		c.p.Process("edge").Freeze()
		c.request()
		c.await(running)
		strike(c)
		c.p.Process("edge").Thaw()
	case c.step.until == accepted && c.step.operation == "provision" && c.struck.name == "error":
		c.refuse(http.StatusUnprocessableEntity, client.ContainerCreate{Name: c.name, Image: "no reference at all!"})
	case c.step.until == accepted:
		c.p.Hold("worker")
		c.request()
		strike(c)
		c.p.Process("worker").Thaw()
	case c.struck.name == "error": // of placing: no node has room
		c.tooLarge()
	default:
		c.request()
		c.await(c.step.until)
		strike(c)
	}
}

func (c *cell) await(r reached) {
	c.t.Helper()
	harness.Await(c.t, time.Minute, c.name+" gets to its step", func(ctx context.Context) error {
		answer, err := c.p.Client.GetOperationWithResponse(ctx, c.operation)
		if err != nil {
			return err
		}
		op := answer.JSON200
		if !op.State.Open() {
			return nil // too fast to be struck in time, which is a run without a fault
		}
		if r == running && op.State != client.OperationStateRunning {
			return fmt.Errorf("the operation is %s", op.State)
		}
		if r == ctGone {
			for _, node := range harness.Nodes {
				cts, err := c.p.World.PVE.CTs(ctx, node)
				if err != nil {
					return err
				}
				for _, ct := range cts {
					if strings.Contains(ct.Tags, c.container) {
						return fmt.Errorf("CT %d is still on %s", ct.VMID, node)
					}
				}
			}
		}
		return nil
	})
}

// setUp brings the world to where the step can happen.
func (c *cell) setUp() {
	c.t.Helper()
	if c.step.call == "oci.pull" {
		c.forgetImages()
	}
	if c.step.operation != "delete" {
		return
	}
	made, op, err := c.create()
	c.check(err)
	c.container, c.operation = made, op
	harness.Await(c.t, time.Minute, c.name+" is provisioned", c.ended)
	if c.state != "succeeded" {
		c.t.Fatalf("%s could not be provisioned to be deleted: %s", c.name, c.message)
	}
	c.state, c.message = "", ""
}

// forgetImages removes the images from the nodes, so that they have to be pulled.
func (c *cell) forgetImages() {
	c.t.Helper()
	for _, node := range harness.Nodes {
		var content []struct{ Volid string }
		path := "/nodes/" + node + "/storage/local/content"
		c.check(c.p.World.PVE.Call(c.t.Context(), http.MethodGet, path, url.Values{"content": {"vztmpl"}}, &content))
		for _, one := range content {
			c.check(c.p.World.PVE.Call(c.t.Context(), http.MethodDelete, path+"/"+one.Volid, nil, nil))
		}
	}
}

// request asks for the operation. It can be repeated: the key makes it the same request.
func (c *cell) request() {
	c.t.Helper()
	key := "cell-" + c.name + "-" + c.step.operation
	if c.step.operation == "delete" {
		answer, err := c.p.Client.DeleteContainerWithResponse(c.t.Context(), c.container, &client.DeleteContainerParams{IdempotencyKey: &key})
		c.check(err)
		c.operation = answer.JSON202.ID
		return
	}
	before := c.operation
	var err error
	c.container, c.operation, err = c.create()
	c.check(err)
	if before != "" && before != c.operation {
		c.t.Errorf("the repeated request made another operation, %s beside %s", c.operation, before)
	}
}

func (c *cell) create() (container, operation string, err error) {
	key := "cell-" + c.name + "-provision"
	env := map[string]string{"CELL": c.name} // so that there is something to configure
	memory := 64
	answer, err := c.p.Client.CreateContainerWithResponse(c.t.Context(), &client.CreateContainerParams{IdempotencyKey: &key},
		client.ContainerCreate{Name: c.name, Image: c.p.Image("tiny:1"), Env: &env, MemoryMiB: &memory})
	if err != nil {
		return "", "", err
	}
	return answer.JSON202.Container.ID, answer.JSON202.Operation.ID, nil
}

// refuse sends a request that has to be refused.
func (c *cell) refuse(status int, body client.ContainerCreate) {
	c.t.Helper()
	_, err := c.p.Client.CreateContainerWithResponse(c.t.Context(), &client.CreateContainerParams{}, body)
	var problem *client.Problem
	if !errors.As(err, &problem) || problem.Status/100 != status/100 {
		c.t.Fatalf("a wrong request was not refused: %v", err)
	}
	c.refused = err
}

// tooLarge asks for more memory than any node has.
func (c *cell) tooLarge() {
	c.t.Helper()
	memory := 1 << 20
	answer, err := c.p.Client.CreateContainerWithResponse(c.t.Context(), &client.CreateContainerParams{},
		client.ContainerCreate{Name: c.name, Image: c.p.Image("tiny:1"), MemoryMiB: &memory})
	c.check(err)
	c.container, c.operation = answer.JSON202.Container.ID, answer.JSON202.Operation.ID
}

// heal takes away what the fault did to the surroundings.
func (c *cell) heal() {
	c.t.Helper()
	ctx := context.WithoutCancel(c.t.Context())
	c.check(c.p.Lab.ClearFaults(ctx))
	online, err := c.p.Lab.Online(ctx)
	c.check(err)
	for node, on := range online {
		if !on {
			c.check(c.p.Lab.SetNode(ctx, node, true))
		}
	}
	for _, name := range []string{"temporal", "api", "worker", "edge"} {
		if process := c.p.Process(name); process.Alive() {
			process.Thaw()
		} else {
			c.p.Restart(name)
		}
	}
}

// outcome is how the container was left.
func (c *cell) outcome() end {
	c.t.Helper()
	if c.refused != nil {
		return undone
	}
	answer, err := c.p.Client.GetContainerWithResponse(c.t.Context(), c.container, &client.GetContainerParams{})
	var missing *client.Problem
	if errors.As(err, &missing) && missing.Status == http.StatusNotFound {
		return gone
	}
	c.check(err)
	switch answer.JSON200.State {
	case client.ContainerStateReady:
		return ready
	case client.ContainerStateFailed:
		return undone
	case client.ContainerStateNeedsAttention:
		return attention
	}
	c.t.Fatalf("%s was left %s", c.name, answer.JSON200.State)
	return ""
}

// journal is what the operation tells of its steps.
func (c *cell) journal() string {
	answer, err := c.p.Client.ListOperationEventsWithResponse(c.t.Context(), c.operation, &client.ListOperationEventsParams{})
	if err != nil {
		return "no journal: " + err.Error()
	}
	var b strings.Builder
	for _, e := range answer.JSON200.Items {
		fmt.Fprintf(&b, "%s %s\n", e.Time.Format("15:04:05.000"), e.Message)
	}
	return b.String()
}

// tidy deletes what a cell leaves when all is well, so that the next one finds an empty world. What needs attention keeps
// its VMID and address, as it should.
func (c *cell) tidy(how end) {
	c.t.Helper()
	if !slices.Contains([]end{ready, undone}, how) || c.container == "" {
		return
	}
	answer, err := c.p.Client.DeleteContainerWithResponse(c.t.Context(), c.container, &client.DeleteContainerParams{})
	c.check(err)
	c.operation = answer.JSON202.ID
	harness.Await(c.t, time.Minute, c.name+" is deleted", c.ended)
	if c.state != "succeeded" {
		c.t.Fatalf("%s could not be deleted: %s", c.name, c.message)
	}
}
