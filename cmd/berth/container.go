package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"berth/client"
)

func containerCommand() *cobra.Command {
	return noun(
		"container", "Guests that people asked for",
		containerList(), containerGet(), containerCreate(), containerUpdate(), containerDelete(), containerImport(),
		containerPower("start", "Start a container"), containerPower("shutdown", "Ask a container's guest to shut down"),
		containerPower("stop", "Stop a container at once"), containerPower("reboot", "Reboot a container"), containerRetry(),
	)
}

func containerList() *cobra.Command {
	var site *string
	var owner, node, state string
	page := func(ctx context.Context, s *session, cursor *string, limit *int) ([]client.Container, *string, error) {
		answer, err := s.ListContainersWithResponse(ctx, &client.ListContainersParams{
			Site: optional(*site), Owner: optional(owner), Node: optional(node), State: optional(client.ContainerState(state)),
			Cursor: cursor, Limit: limit,
		})
		if err != nil {
			return nil, nil, err
		}
		return answer.JSON200.Items, answer.JSON200.Next, nil
	}
	return listCommand("containers", containerColumns, page, func(cmd *cobra.Command) {
		site = addSite(cmd)
		cmd.Flags().StringVar(&owner, "owner", "", "only those of this user")
		cmd.Flags().StringVar(&node, "node", "", "only those on this node, by name or ID")
		cmd.Flags().StringVar(&state, "state", "", "only those in this state, such as ready or failed")
	})
}

func containerNames(ctx context.Context, s *session) ([]string, error) {
	most := pageSize
	answer, err := s.ListContainersWithResponse(ctx, &client.ListContainersParams{Site: optional(flagText(s.cmd, "site")), Limit: &most})
	if err != nil {
		return nil, err
	}
	names := make([]string, len(answer.JSON200.Items))
	for i, c := range answer.JSON200.Items {
		names[i] = cobra.CompletionWithDesc(c.Name, string(c.State))
	}
	return names, nil
}

// onContainer makes a command whose one argument is a container, looked for in --site.
func onContainer(use, short string) (cmd *cobra.Command, site *string) {
	cmd = &cobra.Command{
		Use: use + " NAME", Short: short, Args: args(cobra.ExactArgs(1)), ValidArgsFunction: complete(containerNames),
	}
	return cmd, addSite(cmd)
}

func containerGet() *cobra.Command {
	cmd, site := onContainer("get", "Show a container")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		return s.showContainer(ctx, args[0], *site)
	})
	return cmd
}

func (s *session) showContainer(ctx context.Context, ref, site string) error {
	answer, err := s.GetContainerWithResponse(ctx, ref, &client.GetContainerParams{Site: optional(site)})
	if err != nil {
		return err
	}
	return printOne(s, *answer.JSON200, containerColumns(s))
}

// show prints a container whose operation was started; with wait it follows that to its end and prints what became of it.
func (s *session) show(ctx context.Context, accepted *client.AcceptedContainer, wait bool) error {
	if !wait || accepted.Operation == nil {
		return printOne(s, accepted.Container, containerColumns(s))
	}
	ended, err := s.progress(ctx, accepted.Operation.ID)
	if err != nil {
		return err
	}
	if err := s.showContainer(ctx, accepted.Container.ID, ""); err != nil {
		return err
	}
	return failedOperation(ended)
}

func containerPower(action, short string) *cobra.Command {
	cmd, site := onContainer(action, short)
	wait, key := addWait(cmd), addKey(cmd)
	var timeout int
	var force bool
	if action == "shutdown" || action == "reboot" {
		cmd.Flags().IntVar(&timeout, "timeout", 0, "seconds that the guest has for it; 0 leaves it to the server")
	}
	if action == "shutdown" {
		cmd.Flags().BoolVar(&force, "force", false, "stop the container when that time is over")
	}
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		answer, err := s.PowerContainerWithResponse(ctx, args[0],
			&client.PowerContainerParams{Site: optional(*site), IdempotencyKey: key()},
			client.PowerRequest{Action: client.PowerRequestAction(action), TimeoutSeconds: optional(timeout), Force: optional(force)})
		if err != nil {
			return err
		}
		return s.finish(ctx, answer.JSON202, *wait)
	})
	return cmd
}

func containerRetry() *cobra.Command {
	cmd, site := onContainer("retry", "Provision a failed container again")
	wait, key := addWait(cmd), addKey(cmd)
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		answer, err := s.RetryContainerWithResponse(ctx, args[0], &client.RetryContainerParams{Site: optional(*site), IdempotencyKey: key()})
		if err != nil {
			return err
		}
		return s.finish(ctx, answer.JSON202, *wait)
	})
	return cmd
}

func containerDelete() *cobra.Command {
	cmd, site := onContainer("delete", "Delete a container and everything it holds")
	cmd.Aliases = []string{"rm"}
	wait, key, sure := addWait(cmd), addKey(cmd), addYes(cmd)
	forget := cmd.Flags().Bool("forget", false, "the node is gone for good: VMID and address stay quarantined (administrators)")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		if err := s.confirm(*sure, "Delete container "+args[0]+" and its data?"); err != nil {
			return err
		}
		answer, err := s.DeleteContainerWithResponse(ctx, args[0], &client.DeleteContainerParams{
			Site: optional(*site), Forget: optional(*forget), IdempotencyKey: key(),
		})
		if err != nil {
			return err
		}
		return s.finish(ctx, answer.JSON202, *wait)
	})
	return cmd
}

// addKey adds --idempotency-key. Without one a command makes its own.
func addKey(cmd *cobra.Command) func() *string {
	key := cmd.Flags().String("idempotency-key", "", "repeating a command with the same key starts nothing new")
	return func() *string {
		if *key == "" {
			*key = uuid.NewString()
		}
		return key
	}
}

func containerColumns(s *session) []column[client.Container] {
	type c = client.Container
	node := func(c c) string {
		if c.Node == nil {
			return ""
		}
		return c.Node.Name
	}
	return []column[c]{
		{title: "Name", cell: func(c c) string { return c.Name }},
		{title: "ID", detail: true, cell: func(c c) string { return c.ID }},
		{title: "State", cell: func(c c) string { return string(c.State) }},
		{title: "Power", cell: func(c c) string { return string(c.Power) }},
		{title: "Message", detail: true, cell: func(c c) string { return text(c.Message) }},
		{title: "Address", cell: func(c c) string { return text(c.Address) }},
		{title: "MAC", detail: true, cell: func(c c) string { return text(c.MAC) }},
		{title: "DNS name", detail: true, cell: func(c c) string { return text(c.FQDN) }},
		{title: "Site", cell: func(c c) string { return c.Site.Name }},
		{title: "Node", cell: node},
		{title: "VMID", detail: true, cell: func(c c) string { return number(c.VMID) }},
		{title: "Placed there", detail: true, cell: func(c c) string { return text(c.PlacementReason) }},
		{title: "Owner", cell: func(c c) string { return c.Owner }},
		{title: "Image", detail: true, cell: func(c c) string { return c.Image }},
		{title: "Digest", detail: true, cell: func(c c) string { return text(c.Digest) }},
		{title: "Size", detail: true, cell: func(c c) string {
			return fmt.Sprintf("%d cores, %d MiB memory, %d MiB swap, %d GiB disk", c.Cores, c.MemoryMiB, c.SwapMiB, c.DiskGiB)
		}},
		{title: "Environment", detail: true, cell: func(c c) string { return strings.Join(c.EnvKeys, ", ") }},
		{title: "Entrypoint", detail: true, cell: func(c c) string { return text(c.Entrypoint) }},
		{title: "Operation", detail: true, cell: func(c c) string { return text(c.Operation) }},
		{title: "Age", cell: func(c c) string { return s.age(&c.CreatedAt) }},
	}
}

func number(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}
