package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth/client"
)

func operationCommand() *cobra.Command {
	cancel := &cobra.Command{
		Use: "cancel ID", Short: "Ask an operation to stop and undo what it did", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: complete(openOperations),
	}
	cancelWait := addWait(cancel)
	cancel.RunE = with(func(ctx context.Context, s *session, args []string) error {
		answer, err := s.CancelOperationWithResponse(ctx, args[0])
		if err != nil {
			return err
		}
		if !*cancelWait {
			return printOne(s, *answer.JSON202, operationColumns(s))
		}
		// A cancelled operation is what was asked for.
		ended, err := s.progress(ctx, answer.JSON202.ID)
		if err != nil {
			return err
		}
		if err := printOne(s, *ended, operationColumns(s)); err != nil || ended.State == client.OperationStateCancelled {
			return err
		}
		return failedOperation(ended)
	})
	retry := &cobra.Command{Use: "retry ID", Short: "Do again what an operation did not achieve", Args: args(cobra.ExactArgs(1))}
	retryWait := addWait(retry)
	retry.RunE = with(func(ctx context.Context, s *session, args []string) error {
		answer, err := s.RetryOperationWithResponse(ctx, args[0])
		if err != nil {
			return err
		}
		return s.finish(ctx, answer.JSON202, *retryWait)
	})
	watch := &cobra.Command{
		Use: "watch ID", Short: "Follow an operation to its end", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: complete(openOperations),
		RunE: with(func(ctx context.Context, s *session, args []string) error {
			return s.finish(ctx, &client.Operation{ID: args[0]}, true)
		}),
	}
	return noun(
		"operation", "Runs of a workflow on a resource",
		operationList(), getCommand("an operation", nil, operationColumns, getOperation), cancel, retry, watch,
	)
}

func operationList() *cobra.Command {
	var site *string
	var container, state, kind string
	var open bool
	page := func(ctx context.Context, s *session, cursor *string, limit *int) ([]client.Operation, *string, error) {
		answer, err := s.ListOperationsWithResponse(ctx, &client.ListOperationsParams{
			Site: optional(*site), Container: optional(container), State: optional(client.OperationState(state)),
			Kind: optional(client.OperationKind(kind)), Open: optional(open), Cursor: cursor, Limit: limit,
		})
		if err != nil {
			return nil, nil, err
		}
		return answer.JSON200.Items, answer.JSON200.Next, nil
	}
	return listCommand("operations, newest first", operationColumns, page, func(cmd *cobra.Command) {
		site = addSite(cmd)
		cmd.Flags().StringVar(&container, "container", "", "only those of this container, by name or ID")
		cmd.Flags().StringVar(&state, "state", "", "only those in this state, such as running or failed")
		cmd.Flags().StringVar(&kind, "kind", "", "only those of this kind, such as provision or delete")
		cmd.Flags().BoolVar(&open, "open", false, "only those that have not ended")
	})
}

func openOperations(ctx context.Context, s *session) ([]string, error) {
	open := true
	answer, err := s.ListOperationsWithResponse(ctx, &client.ListOperationsParams{Open: &open})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, o := range answer.JSON200.Items {
		ids = append(ids, cobra.CompletionWithDesc(o.ID, o.Name))
	}
	return ids, nil
}

func getOperation(ctx context.Context, s *session, id string) (*client.Operation, error) {
	answer, err := s.GetOperationWithResponse(ctx, id)
	if err != nil {
		return nil, err
	}
	return answer.JSON200, nil
}

func addWait(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("wait", "w", false, "follow the operation, and fail when it fails")
}

// finish prints an operation that was started; with wait it follows it to its end first.
func (s *session) finish(ctx context.Context, o *client.Operation, wait bool) error {
	if !wait {
		return printOne(s, *o, operationColumns(s))
	}
	ended, err := s.progress(ctx, o.ID)
	if err != nil {
		return err
	}
	if err := printOne(s, *ended, operationColumns(s)); err != nil {
		return err
	}
	return failedOperation(ended)
}

// progress follows an operation to its end, with one line on standard error for each of its events.
func (s *session) progress(ctx context.Context, id string) (*client.Operation, error) {
	return s.FollowOperation(ctx, id, func(e client.OperationEvent) {
		mark := ""
		if e.Level != client.OperationEventLevelInfo {
			mark = strings.ToUpper(string(e.Level)) + " "
		}
		fmt.Fprintf(s.err, "%s  %-12s %s%s\n", e.Time.Local().Format("15:04:05"), text(e.Step), mark, e.Message)
	})
}

// failedOperation is nil for an operation that succeeded, and says why for every other.
func failedOperation(o *client.Operation) error {
	if o.State == client.OperationStateSucceeded {
		return nil
	}
	return fmt.Errorf("operation %s (%s) ended as %s: %s", o.ID, o.Name, o.State, orDash(text(o.Message)))
}

func operationColumns(s *session) []column[client.Operation] {
	type o = client.Operation
	return []column[o]{
		{title: "ID", cell: func(o o) string { return o.ID }},
		{title: "Name", cell: func(o o) string { return o.Name }},
		{title: "State", cell: func(o o) string { return string(o.State) }},
		{title: "Step", cell: func(o o) string { return text(o.Step) }},
		{title: "Message", detail: true, cell: func(o o) string { return text(o.Message) }},
		{title: "Asked by", detail: true, cell: func(o o) string { return o.Actor }},
		{title: "Workflow", detail: true, cell: func(o o) string { return o.WorkflowID }},
		{title: "Run", detail: true, cell: func(o o) string { return text(o.RunID) }},
		{title: "Started", detail: true, cell: func(o o) string { return moment(o.StartedAt) }},
		{title: "Ended", detail: true, cell: func(o o) string { return moment(o.EndedAt) }},
		{title: "Age", cell: func(o o) string { return s.age(&o.CreatedAt) }},
	}
}
