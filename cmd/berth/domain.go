package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"berth/client"
)

func domainCommand() *cobra.Command {
	find := func(ctx context.Context, s *session, ref string) (string, string, error) {
		d, err := getDomain(ctx, s, ref)
		if err != nil {
			return "", "", err
		}
		return d.ID, d.Name, nil
	}
	return noun(
		"domain", "Public DNS zones that services are published under",
		listCommand("external domains", domainColumns, domainPage),
		getCommand("an external domain", domainNames, domainColumns, getDomain), domainCreate(), domainUpdate(),
		deleteCommand("delete", "external domain", domainNames, find, func(ctx context.Context, s *session, id string) error {
			_, err := s.DeleteExternalDomainWithResponse(ctx, id, nil)
			return err
		}),
	)
}

func domainPage(ctx context.Context, s *session, cursor *string, limit *int) ([]client.ExternalDomain, *string, error) {
	answer, err := s.ListExternalDomainsWithResponse(ctx, &client.ListExternalDomainsParams{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, nil, err
	}
	return answer.JSON200.Items, answer.JSON200.Next, nil
}

func domainNames(ctx context.Context, s *session) ([]string, error) {
	return namesOf(domainPage, func(d client.ExternalDomain) string { return d.Name })(ctx, s)
}

func getDomain(ctx context.Context, s *session, ref string) (*client.ExternalDomain, error) {
	answer, err := s.GetExternalDomainWithResponse(ctx, ref)
	if err != nil {
		return nil, err
	}
	return answer.JSON200, nil
}

func domainCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Let services be published under a public DNS zone", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions, Example: "  berth domain create example.com --site demo",
	}
	site := addSite(cmd)
	auth := cmd.Flags().String("auth-server", "", "base URL of the oauth2-proxy that signs people in, such as https://auth.example.com")
	accounts := cmd.Flags().StringSlice("acme", nil, "ACME account to order certificates from; several are tried in this order")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		answer, err := s.CreateExternalDomainWithResponse(ctx, client.ExternalDomainCreate{
			Name: args[0], Site: optional(*site), AuthServer: optional(*auth), AcmeAccounts: given(cmd, "acme", *accounts),
		})
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON201, domainColumns(s))
	})
	return cmd
}

func domainUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update NAME", Short: "Change an external domain", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: complete(domainNames),
	}
	site := cmd.Flags().String("default-site", "", "site whose edges hold the certificate for all names")
	auth := cmd.Flags().String("auth-server", "", "base URL of the oauth2-proxy that signs people in; empty for none")
	accounts := cmd.Flags().StringSlice("acme", nil, "ACME account to order certificates from; several are tried in this order; empty for none")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		answer, err := s.UpdateExternalDomainWithResponse(ctx, args[0], nil, client.ExternalDomainUpdate{
			Site: given(cmd, "default-site", *site), AuthServer: given(cmd, "auth-server", *auth), AcmeAccounts: given(cmd, "acme", *accounts),
		})
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON200, domainColumns(s))
	})
	return cmd
}

func domainColumns(s *session) []column[client.ExternalDomain] {
	type d = client.ExternalDomain
	return []column[d]{
		{title: "Name", cell: func(d d) string { return d.Name }},
		{title: "ID", detail: true, cell: func(d d) string { return d.ID }},
		{title: "Default site", cell: func(d d) string { return d.Site.Name }},
		{title: "Auth server", cell: func(d d) string { return text(d.AuthServer) }},
		{title: "ACME", cell: func(d d) string {
			var names []string
			if d.AcmeAccounts != nil {
				for _, a := range *d.AcmeAccounts {
					names = append(names, a.Name)
				}
			}
			return strings.Join(names, ", ")
		}},
		{title: "Age", cell: func(d d) string { return s.age(&d.CreatedAt) }},
	}
}
