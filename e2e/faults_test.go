//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"

	"berth/client"
	"berth/e2e/harness"
)

// fault is one thing that goes wrong while an operation is in a step.
type fault struct {
	name string
	// only tells to which steps it can happen; nil means to all.
	only func(step) bool
	// before sets things up before the request; nil holds the operation in the step until strike is done.
	before func(*cell)
	// strike happens while the operation is in the step; nil when before does it all.
	strike func(*cell)
	// during strikes a step that only needs SQL or waits for edges, where before has nothing to set up.
	during func(*cell)
}

// faults are all of them. A further fault is a further row.
var faults = []fault{ //nolint:gochecknoglobals // data
	{
		name:   "error",
		before: callFault(harness.Fault{Effect: "error", Status: 500, Text: "the lab refuses on purpose"}),
		during: func(c *cell) {
			if c.step.edge {
				c.untilEnd() // the edge never serves it
			}
		},
	},
	{
		name:   "error that heals",
		before: callFault(harness.Fault{Effect: "error", Status: 500, Text: "got timeout", Count: 2}),
		during: func(c *cell) { c.p.Restart("api") },
	},
	{
		name:   "answer lost",
		before: callFault(harness.Fault{Effect: "drop-after", Count: 1}),
		during: func(c *cell) {
			if c.step.edge {
				c.p.Process("edge").Thaw()
				c.p.Restart("edge") // what it applied it may not have reported
				return
			}
			c.request() // as a client does whose connection broke
		},
	},
	{
		name:   "connection lost before",
		only:   func(s step) bool { return s.call != "" },
		before: callFault(harness.Fault{Effect: "drop-before", Count: 1}),
	},
	{
		name:   "task warns",
		only:   func(s step) bool { return s.task },
		before: callFault(harness.Fault{Effect: "task-warn", Text: "odd but fine", Count: 1}),
	},
	{
		name:   "task killed",
		only:   func(s step) bool { return s.task && s.call != "oci.pull" },
		before: callFault(harness.Fault{Effect: "task-kill", Count: 1}),
	},
	{
		name: "hang",
		before: func(c *cell) {
			if c.step.task {
				c.fault(harness.Fault{Operation: c.step.call, Effect: "task-hang", Count: 1})
				return
			}
			c.fault(harness.Fault{Operation: c.step.call, Effect: "delay", DelayMS: 600_000, Count: 1})
		},
		during: func(c *cell) { c.untilEnd() },
	},
	{name: "cancelled", strike: (*cell).cancel},
	{name: "worker killed", strike: func(c *cell) { c.p.Restart("worker") }},
	{name: "temporal killed", strike: func(c *cell) { c.p.Restart("temporal") }},
	{name: "edge away", strike: func(c *cell) { c.p.Process("edge").Kill() }},
	{
		name:   "node away",
		before: callFault(harness.Fault{Effect: "node-away", Count: 1}),
		during: func(c *cell) { c.check(c.p.Lab.SetNode(c.t.Context(), c.node(), false)) },
	},
}

func callFault(f harness.Fault) func(*cell) {
	return func(c *cell) {
		f := f
		f.Operation = c.step.call
		c.fault(f)
	}
}

// cancel asks the operation to stop. A delete that has begun says that it does not.
func (c *cell) cancel() {
	_, err := c.p.Client.CancelOperationWithResponse(c.t.Context(), c.operation)
	var refused *client.Problem
	if errors.As(err, &refused) && refused.Status == 409 && c.step.operation == "delete" && c.step.until != accepted {
		return
	}
	c.check(err)
}

// untilEnd lets the step stay as it is until the operation has ended.
func (c *cell) untilEnd() {
	harness.Await(c.t, opTime, c.name+" ends with its edge silent", func(ctx context.Context) error {
		return c.ended(ctx)
	})
}

// node is the node that matters: the container's, or before it has one the node that it asks for.
func (c *cell) node() string {
	answer, err := c.p.Client.GetContainerWithResponse(c.t.Context(), c.container, &client.GetContainerParams{})
	if err == nil && answer.JSON200.Node != nil {
		return answer.JSON200.Node.Name
	}
	return harness.Nodes[0]
}

func (c *cell) ended(ctx context.Context) error {
	answer, err := c.p.Client.GetOperationWithResponse(ctx, c.operation)
	if err != nil {
		return err
	}
	op := answer.JSON200
	if op.State.Open() {
		step := ""
		if op.Step != nil {
			step = *op.Step
		}
		return fmt.Errorf("the operation is %s at step %q", op.State, step)
	}
	c.state, c.message = string(op.State), ""
	if op.Message != nil {
		c.message = *op.Message
	}
	return nil
}
