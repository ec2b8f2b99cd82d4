package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/client"
)

func auditCommand() *cobra.Command {
	var actor, action, resource, resourceID, outcome string
	var since time.Duration
	page := func(ctx context.Context, s *session, cursor *string, limit *int) ([]client.AuditEntry, *string, error) {
		params := &client.ListAuditParams{
			Actor: optional(actor), Action: optional(action), Resource: optional(resource), ResourceID: optional(resourceID),
			Outcome: optional(outcome), Cursor: cursor, Limit: limit,
		}
		if since > 0 {
			from := s.now().Add(-since).UTC()
			params.Since = &from
		}
		answer, err := s.ListAuditWithResponse(ctx, params)
		if err != nil {
			return nil, nil, err
		}
		return answer.JSON200.Items, answer.JSON200.Next, nil
	}
	return noun("audit", "Who did what from where", listCommand("the audit trail, newest first", auditColumns, page, func(cmd *cobra.Command) {
		flags := cmd.Flags()
		flags.StringVar(&actor, "actor", "", "only what this actor did")
		flags.StringVar(&action, "action", "", "only this action, such as container.create")
		flags.StringVar(&resource, "resource", "", "only what was done to this kind of thing, such as container")
		flags.StringVar(&resourceID, "id", "", "only what was done to the thing with this ID")
		flags.StringVar(&outcome, "outcome", "", "only what ended so, such as ok or forbidden")
		flags.DurationVar(&since, "since", 0, "only the last part of the trail, such as 24h")
	}))
}

func auditColumns(*session) []column[client.AuditEntry] {
	type a = client.AuditEntry
	return []column[a]{
		{title: "Time", cell: func(a a) string { return moment(&a.Time) }},
		{title: "Actor", cell: func(a a) string { return a.Actor }},
		{title: "From", cell: func(a a) string { return text(a.Source) }},
		{title: "Action", cell: func(a a) string { return a.Action }},
		{title: "Name", cell: func(a a) string { return text(a.Name) }},
		{title: "Outcome", cell: func(a a) string { return a.Outcome }},
		{title: "Detail", cell: func(a a) string { return strings.ReplaceAll(text(a.Detail), "\n", " ") }},
	}
}
