//go:build e2e

package bench_test

import (
	"context"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"berth/domain"
)

// Parts of a provision, which follow each other and add up to its wall time, less what happens before the workflow starts
// and after it ends.
type parts struct {
	start    time.Duration // from the request until the workflow has started: validation, reservation, commit, Temporal's start
	tasks    time.Duration // workflow tasks, with the SQL steps (local activities) that run within
	dispatch time.Duration // from scheduling an activity until a worker has it
	edges    time.Duration // waiting for nothing but the edges, debounce included
	steps    time.Duration // activities on Proxmox VE, tasks and guest included
}

// dissect reads the parts out of a run's history.
func dissect(ctx context.Context, c client.Client, workflowID, runID string, asked time.Time) (parts, time.Time, error) {
	var p parts
	all, err := history(ctx, c, workflowID, runID)
	if err != nil {
		return p, time.Time{}, err
	}
	scheduled := map[int64]string{} // names of activities by event
	var last time.Time              // end of the part before
	var current func(*parts, time.Duration)
	busy := 0 // steps on Proxmox VE under way
	for _, e := range all {
		at := e.EventTime.AsTime()
		if current == nil { // the first event
			p.start, last = at.Sub(asked), at
			current = inTasks
			continue
		}
		if d := at.Sub(last); d > 0 {
			current(&p, d)
			last = at
		}
		switch e.EventType {
		case enums.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, enums.EVENT_TYPE_WORKFLOW_TASK_STARTED:
			if busy == 0 {
				current = inTasks
			}
		case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			if busy == 0 {
				current = inEdges // unless this task scheduled a step, which its next event says
			}
		case enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			name := e.GetActivityTaskScheduledEventAttributes().ActivityType.Name
			scheduled[e.EventId] = name
			if name != domain.ActivityAwaitServed {
				busy++
				current = inDispatch
			}
		case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED:
			if scheduled[e.GetActivityTaskStartedEventAttributes().ScheduledEventId] != domain.ActivityAwaitServed {
				current = inSteps
			}
		case enums.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
			if scheduled[e.GetActivityTaskCompletedEventAttributes().ScheduledEventId] != domain.ActivityAwaitServed {
				busy--
				current = inTasks
			}
		}
	}
	return p, last, nil
}

// history returns the events of a run as they happened: Temporal writes that an activity started down with its end.
func history(ctx context.Context, c client.Client, workflowID, runID string) ([]*historypb.HistoryEvent, error) {
	var all []*historypb.HistoryEvent
	events := c.GetWorkflowHistory(ctx, workflowID, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b *historypb.HistoryEvent) int { return a.EventTime.AsTime().Compare(b.EventTime.AsTime()) })
	return all, nil
}

func inTasks(p *parts, d time.Duration)    { p.tasks += d }
func inDispatch(p *parts, d time.Duration) { p.dispatch += d }
func inEdges(p *parts, d time.Duration)    { p.edges += d }
func inSteps(p *parts, d time.Duration)    { p.steps += d }
