package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth/client"
)

func quarantineCommand() *cobra.Command {
	return noun(
		"quarantine", "VMIDs and addresses that nobody gets, because an operation could not remove something (administrators)",
		listCommand("what is quarantined", quarantineColumns, quarantinePage), quarantineRelease(),
	)
}

func quarantinePage(ctx context.Context, s *session, _ *string, _ *int) ([]client.Quarantine, *string, error) {
	answer, err := s.ListQuarantinesWithResponse(ctx)
	if err != nil {
		return nil, nil, err
	}
	return answer.JSON200.Items, nil, nil
}

func quarantineRelease() *cobra.Command {
	cmd := &cobra.Command{
		Use: "release ID", Short: "Let others have VMID and addresses again, after you have cleaned up", Args: args(cobra.ExactArgs(1)),
		Long: "Let others have VMID and addresses again, after you have cleaned up. The cluster is asked whether something of the\n" +
			"container is left under the VMID: if so, or if it cannot be asked, nothing is released.",
		ValidArgsFunction: complete(namesOf(quarantinePage, func(q client.Quarantine) string { return q.ID })),
	}
	force := cmd.Flags().Bool("force", false, "do not ask the cluster: the node is gone for good")
	sure := addYes(cmd)
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		question := "Is everything of it removed, and does nothing answer at its addresses?"
		if *force {
			question = "Is the node gone for good? The cluster is not asked, and another guest will get VMID and addresses."
		}
		if err := s.confirm(*sure, question); err != nil {
			return err
		}
		answer, err := s.ReleaseQuarantineWithResponse(ctx, args[0], client.QuarantineRelease{Force: force})
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON200, quarantineColumns(s))
	})
	return cmd
}

func quarantineColumns(s *session) []column[client.Quarantine] {
	type q = client.Quarantine
	return []column[q]{
		{title: "ID", cell: func(q q) string { return q.ID }},
		{title: "Container", cell: func(q q) string { return q.Name }},
		{title: "State", detail: true, cell: func(q q) string { return string(q.State) }},
		{title: "VMID", cell: func(q q) string {
			if q.VMID == nil {
				return ""
			}
			return fmt.Sprint(*q.VMID)
		}},
		{title: "Node", cell: func(q q) string { return text(q.Node) }},
		{title: "Addresses", cell: func(q q) string { return strings.Join(q.Addresses, ",") }},
		{title: "Operation", cell: func(q q) string { return text(q.Operation) }},
		{title: "Since", cell: func(q q) string { return s.age(&q.Since) }},
		{title: "Reason", cell: func(q q) string { return q.Reason }},
	}
}
