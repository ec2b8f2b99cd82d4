package main

import (
	"context"
	"errors"
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
	var dns dnsFlags
	dns.add(cmd)
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		provider, err := dns.provider(cmd, s)
		if err != nil {
			return err
		}
		answer, err := s.CreateExternalDomainWithResponse(ctx, client.ExternalDomainCreate{
			Name: args[0], Site: optional(*site), AuthServer: optional(*auth), AcmeAccounts: given(cmd, "acme", *accounts),
			DNS: provider, RecordsForAll: given(cmd, "records-for-all", dns.all),
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
	var dns dnsFlags
	dns.add(cmd)
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		provider, err := dns.provider(cmd, s)
		if err != nil {
			return err
		}
		answer, err := s.UpdateExternalDomainWithResponse(ctx, args[0], nil, client.ExternalDomainUpdate{
			Site: given(cmd, "default-site", *site), AuthServer: given(cmd, "auth-server", *auth), AcmeAccounts: given(cmd, "acme", *accounts),
			DNS: provider, RecordsForAll: given(cmd, "records-for-all", dns.all),
		})
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON200, domainColumns(s))
	})
	return cmd
}

// dnsFlags say who answers for the public zone of a domain. The secret comes from standard input: flags are seen by everybody on the host.
type dnsFlags struct {
	kind, server, key, algorithm string
	all                          bool
}

func (f *dnsFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.kind, "dns", "", "how public records are changed: manual, cloudflare or rfc2136; the API token or TSIG key comes from standard input")
	flags.StringVar(&f.server, "dns-server", "", "rfc2136: host or host:port of the zone's primary name server; cloudflare: URL of the API, if not their own")
	flags.StringVar(&f.key, "dns-key", "", "rfc2136: name of the TSIG key")
	flags.StringVar(&f.algorithm, "dns-algorithm", "", "rfc2136: algorithm of the TSIG key; default hmac-sha256")
	flags.BoolVar(&f.all, "records-for-all", false, "give names of the default site public records too, not only those of other sites")
}

// provider is nil when no flag asks for one.
func (f *dnsFlags) provider(cmd *cobra.Command, s *session) (*client.DNSProviderInput, error) {
	if !cmd.Flags().Changed("dns") {
		for _, name := range []string{"dns-server", "dns-key", "dns-algorithm"} {
			if cmd.Flags().Changed(name) {
				return nil, usageError{errors.New("--" + name + " goes with --dns")}
			}
		}
		return nil, nil //nolint:nilnil // none is asked for
	}
	in := client.DNSProviderInput{
		Provider: client.DNSProviderKind(f.kind), Server: optional(f.server), KeyName: optional(f.key), KeyAlgorithm: optional(f.algorithm),
	}
	if in.Provider == client.DNSProviderKindManual {
		return &in, nil
	}
	secret, err := s.password("API token or TSIG key: ")
	in.Secret = &secret
	return &in, err
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
		{title: "DNS", cell: func(d d) string { return string(d.DNS.Provider) }},
		{title: "DNS server", detail: true, cell: func(d d) string { return text(d.DNS.Server) }},
		{title: "TSIG key", detail: true, cell: func(d d) string { return text(d.DNS.KeyName) }},
		{title: "Records", detail: true, cell: func(d d) string {
			if d.RecordsForAll {
				return "of all names"
			}
			return "of other sites than the default one"
		}},
		{title: "Age", cell: func(d d) string { return s.age(&d.CreatedAt) }},
	}
}
