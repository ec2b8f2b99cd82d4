// Package worker says which role polls which task queue, with which options, and registers what runs there.
package worker

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"berth/activities"
	"berth/domain"
	"berth/workflows"
)

// Workers are the pollers of one process.
type Workers struct {
	running []worker.Worker
}

// stopTimeout is how long running activities may take to end when a worker stops; heartbeats let another one go on after it.
const stopTimeout = 5 * time.Second

// Start starts polling. Two queues keep image pulls, which last for minutes, from holding up anything else.
func Start(c client.Client, set activities.Set, logger *slog.Logger) (*Workers, error) {
	main := worker.New(c, domain.TaskQueue, worker.Options{
		Interceptors:                            []interceptor.WorkerInterceptor{&border{}},
		MaxConcurrentActivityExecutionSize:      200, // most of them wait for Proxmox VE; slots per node bound what it has to bear
		MaxConcurrentLocalActivityExecutionSize: 50,
		MaxConcurrentActivityTaskPollers:        8,
		MaxConcurrentWorkflowTaskPollers:        8,
		MaxHeartbeatThrottleInterval:            2 * time.Second, // the default of a minute would make cancelling slow
		DefaultHeartbeatThrottleInterval:        time.Second,
		WorkerStopTimeout:                       stopTimeout,
		OnFatalError:                            func(err error) { logger.Error("worker stopped", "error", err) },
	})
	workflows.Register(main)
	set.Register(main)
	pulls := worker.New(c, domain.PullQueue, worker.Options{
		Interceptors:                       []interceptor.WorkerInterceptor{&border{}},
		DisableWorkflowWorker:              true,
		MaxConcurrentActivityExecutionSize: 50,
		MaxHeartbeatThrottleInterval:       2 * time.Second,
		DefaultHeartbeatThrottleInterval:   time.Second,
		WorkerStopTimeout:                  stopTimeout,
	})
	set.RegisterPulls(pulls)
	w := &Workers{}
	for _, one := range []worker.Worker{main, pulls} {
		if err := one.Start(); err != nil {
			w.Stop()
			return nil, domain.Errorf(domain.Unavailable, "worker cannot start: %w", err)
		}
		w.running = append(w.running, one)
	}
	return w, nil
}

// Stop stops polling and waits until running activities ended, or for a few seconds.
func (w *Workers) Stop() {
	for _, one := range w.running {
		one.Stop()
	}
}

// ScheduleID is the ID of the Temporal Schedule that runs the reconciler.
const ScheduleID = "berth-reconcile"

// Schedule makes the Temporal Schedule of the reconciler, or brings it up to date.
func Schedule(ctx context.Context, c client.Client, every time.Duration) error {
	spec := client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}}
	_, err := c.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: ScheduleID, Spec: spec, CatchupWindow: time.Minute, // what was missed while Temporal was away is covered by the next run
		Action: &client.ScheduleWorkflowAction{
			ID: "reconcile", Workflow: domain.WorkflowReconcile, TaskQueue: domain.TaskQueue,
			Args:               []any{domain.ReconcileInput{}},
			StaticSummary:      "Compare SQL, Proxmox VE, Temporal and the edges",
			WorkflowRunTimeout: 15 * time.Minute,
		},
	})
	if err == nil {
		return nil
	}
	handle := c.ScheduleClient().GetHandle(ctx, ScheduleID)
	err = handle.Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			in.Description.Schedule.Spec = &spec
			return &client.ScheduleUpdate{Schedule: &in.Description.Schedule}, nil
		},
	})
	if err != nil {
		return domain.Errorf(domain.Unavailable, "reconciler cannot be scheduled: %w", err)
	}
	return nil
}
