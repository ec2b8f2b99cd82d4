package activities_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"berth/domain"
	"berth/lab/pve"
	"berth/proxmox"
)

// TestSlotsBoundWhatANodeDoesAtOnce lets one change hang on a node with a single slot: the next one waits for it, with
// heartbeats, and goes on when the slot is free.
func TestSlotsBoundWhatANodeDoesAtOnce(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	node, err := w.store.Node(ctx, w.nodes[0].ID)
	w.must(err)
	node.Slots = 1
	w.must(w.store.UpdateNode(ctx, &node))
	onFirst := func(c *domain.Container) { c.Spec.NodeID = node.ID }
	first, second := w.request("web01", onFirst), w.request("web02", onFirst)
	step(t, w.set.Proxmox.Create, w.placed(first))
	step(t, w.set.Proxmox.Create, w.placed(second))
	w.fault(pve.Fault{Operation: "lxc.start", VMID: w.container(first).Placement.VMID, Effect: pve.EffectTaskHang, Count: 1})

	slow := make(chan error, 1)
	go func() { slow <- startIn("container/"+first.ContainerID, w, first, nil) }()
	eventually(t, "the first start is at work", func() bool { return w.pve.Faults()[0].Struck == 1 })

	waits, quick := make(chan struct{}), make(chan error, 1)
	go func() {
		told := false
		quick <- startIn("container/"+second.ContainerID, w, second, func(doing string) {
			if strings.Contains(doing, "free slot on node pve1") && !told {
				told = true
				close(waits)
			}
		})
	}()
	select {
	case <-waits:
	case err := <-quick:
		t.Fatalf("the second start ended with %v beside the first one, on a node with one slot", err)
	}
	status, err := w.client.Status(ctx, "pve1", w.container(second).Placement.VMID)
	w.must(err)
	if status.Running {
		t.Error("the second container runs, though the only slot is taken")
	}
	tasks, err := w.client.Tasks(ctx, "pve1", proxmox.TaskFilter{VMID: w.container(first).Placement.VMID})
	w.must(err)
	for _, task := range tasks {
		if task.Running {
			w.must(w.client.StopTask(ctx, task.Ref))
		}
	}
	if err := <-slow; err == nil {
		t.Error("the start whose task was stopped succeeded")
	}
	w.must(<-quick)
}

// startIn starts a container within a workflow of its own, because a slot belongs to the workflow that took it. heard gets
// what the heartbeats say.
func startIn(workflowID string, w *world, in domain.OperationInput, heard func(doing string)) error {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: workflowID, TaskQueue: domain.TaskQueue})
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var beat struct{ Doing string }
		if heard != nil && details.Get(&beat) == nil {
			heard(beat.Doing)
		}
	})
	env.RegisterActivityWithOptions(w.set.Proxmox.Start, activity.RegisterOptions{Name: domain.ActivityStart})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		})
		return workflow.ExecuteActivity(ctx, domain.ActivityStart, in).Get(ctx, nil)
	})
	return env.GetWorkflowError()
}
