package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"berth/client"
)

func edgeCommand() *cobra.Command {
	return noun(
		"edge", "Hosts that run dnsmasq and NGINX for a site",
		edgeList(), getCommand("an edge", edgeNames, edgeColumns, getEdge), edgeEnroll(), edgeRetire(),
		deleteCommand("delete", "edge", edgeNames, func(ctx context.Context, s *session, ref string) (string, string, error) {
			e, err := getEdge(ctx, s, ref)
			if err != nil {
				return "", "", err
			}
			return e.ID, e.Name, nil
		}, func(ctx context.Context, s *session, id string) error {
			_, err := s.DeleteEdgeWithResponse(ctx, id)
			return err
		}),
	)
}

func edgePage(site *string) pager[client.Edge] {
	return func(ctx context.Context, s *session, cursor *string, limit *int) ([]client.Edge, *string, error) {
		answer, err := s.ListEdgesWithResponse(ctx, &client.ListEdgesParams{Site: optional(*site), Cursor: cursor, Limit: limit})
		if err != nil {
			return nil, nil, err
		}
		return answer.JSON200.Items, answer.JSON200.Next, nil
	}
}

func edgeList() *cobra.Command {
	var site string
	return listCommand("edges", edgeColumns, edgePage(&site), func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&site, "site", "", "only those of this site, by name or ID")
	})
}

func edgeNames(ctx context.Context, s *session) ([]string, error) {
	anywhere := ""
	return namesOf(edgePage(&anywhere), func(e client.Edge) string { return e.Name })(ctx, s)
}

func getEdge(ctx context.Context, s *session, ref string) (*client.Edge, error) {
	answer, err := s.GetEdgeWithResponse(ctx, ref)
	if err != nil {
		return nil, err
	}
	return answer.JSON200, nil
}

func edgeEnroll() *cobra.Command {
	cmd := &cobra.Command{
		Use: "enroll --site SITE --name NAME", Aliases: []string{"create"}, Short: "Enroll an edge and print its token",
		Long: "Enroll an edge and print the token for berth edge run --token. The token is printed this once.", Args: args(cobra.NoArgs),
	}
	site := addSite(cmd)
	name := cmd.Flags().String("name", "", "name of the edge")
	cmd.RunE = with(func(ctx context.Context, s *session, _ []string) error {
		if *site == "" || *name == "" {
			return usageError{fmt.Errorf("--site and --name are needed")}
		}
		answer, err := s.EnrollEdgeWithResponse(ctx, client.EdgeEnroll{Site: *site, Name: *name})
		if err != nil {
			return err
		}
		if s.format != "table" {
			return s.encode(answer.JSON201)
		}
		_, err = fmt.Fprintln(s.out, answer.JSON201.Token)
		return err
	})
	return cmd
}

func edgeRetire() *cobra.Command {
	cmd := &cobra.Command{
		Use: "retire NAME", Short: "Retire an edge: its token is void, and nothing waits for it any more", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: complete(edgeNames),
	}
	sure := addYes(cmd)
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		if err := s.confirm(*sure, "Is the dnsmasq of edge "+args[0]+" off for good? Addresses are released without asking it."); err != nil {
			return err
		}
		answer, err := s.RetireEdgeWithResponse(ctx, args[0])
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON200, edgeColumns(s))
	})
	return cmd
}

func edgeColumns(s *session) []column[client.Edge] {
	type e = client.Edge
	return []column[e]{
		{title: "Name", cell: func(e e) string { return e.Name }},
		{title: "ID", detail: true, cell: func(e e) string { return e.ID }},
		{title: "State", cell: func(e e) string { return string(e.State) }},
		{title: "Message", detail: true, cell: func(e e) string { return text(e.Message) }},
		{title: "Site", cell: func(e e) string { return e.Site.Name }},
		{title: "Address", cell: func(e e) string { return text(e.Address) }},
		{title: "Applied", cell: func(e e) string { return fmt.Sprint(e.Applied) }},
		{title: "Fetched", detail: true, cell: func(e e) string { return fmt.Sprint(e.Fetched) }},
		{title: "Reloads", detail: true, cell: func(e e) string { return fmt.Sprint(e.Reloads) }},
		{title: "Leases", cell: func(e e) string { return fmt.Sprint(len(e.Leases)) }},
		{title: "Seen", cell: func(e e) string { return s.age(e.SeenAt) }},
		{title: "Age", cell: func(e e) string { return s.age(&e.CreatedAt) }},
	}
}
