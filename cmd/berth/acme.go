package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"berth/client"
)

func acmeCommand() *cobra.Command {
	find := func(ctx context.Context, s *session, ref string) (string, string, error) {
		a, err := getACMEAccount(ctx, s, ref)
		if err != nil {
			return "", "", err
		}
		return a.ID, a.Name, nil
	}
	return noun(
		"acme", "Accounts at certificate authorities",
		listCommand("accounts at certificate authorities", acmeColumns, acmePage),
		getCommand("an account at a certificate authority", acmeNames, acmeColumns, getACMEAccount), acmeCreate(),
		deleteCommand("delete", "ACME account", acmeNames, find, func(ctx context.Context, s *session, id string) error {
			_, err := s.DeleteACMEAccountWithResponse(ctx, id)
			return err
		}),
	)
}

func acmePage(ctx context.Context, s *session, cursor *string, limit *int) ([]client.ACMEAccount, *string, error) {
	answer, err := s.ListACMEAccountsWithResponse(ctx, &client.ListACMEAccountsParams{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, nil, err
	}
	return answer.JSON200.Items, answer.JSON200.Next, nil
}

func acmeNames(ctx context.Context, s *session) ([]string, error) {
	return namesOf(acmePage, func(a client.ACMEAccount) string { return a.Name })(ctx, s)
}

func getACMEAccount(ctx context.Context, s *session, ref string) (*client.ACMEAccount, error) {
	answer, err := s.GetACMEAccountWithResponse(ctx, ref)
	if err != nil {
		return nil, err
	}
	return answer.JSON200, nil
}

// letsEncrypt is the directory of the CA that most people want (https://letsencrypt.org/docs/acme-protocol-updates/).
const letsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"

func acmeCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create NAME --agree-tos", Short: "Register at a certificate authority that speaks ACME", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		Example:           "  berth acme create letsencrypt --email admin@example.com --agree-tos\n  berth domain update example.com --acme letsencrypt",
	}
	f := cmd.Flags()
	directory := f.String("directory", letsEncrypt, "URL of the authority's directory")
	email := f.String("email", "", "address that the authority may write to")
	profile := f.String("profile", "", "of the certificates, of those that the authority offers")
	roots := f.String("roots", "", "PEM file of the certificates that sign the authority's API; the system's when left out")
	kid := f.String("eab-kid", "", "key ID for External Account Binding; its HMAC key comes from standard input")
	agree := f.Bool("agree-tos", false, "you have read the authority's terms of service and agree")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		if !*agree {
			return usageError{errors.New("--agree-tos is needed: read the terms that the authority's directory links to")}
		}
		body := client.ACMEAccountCreate{
			Name: args[0], Directory: *directory, Email: optional(*email), Profile: optional(*profile), EabKid: optional(*kid), TermsAgreed: true,
		}
		if *roots != "" {
			pem, err := readFile(cmd, *roots)
			if err != nil {
				return usageError{err}
			}
			body.Roots = &pem
		}
		if *kid != "" {
			key, err := s.password("HMAC key for " + *kid + ": ")
			if err != nil {
				return err
			}
			body.EabKey = &key
		}
		answer, err := s.CreateACMEAccountWithResponse(ctx, body)
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON201, acmeColumns(s))
	})
	return cmd
}

func acmeColumns(s *session) []column[client.ACMEAccount] {
	type a = client.ACMEAccount
	return []column[a]{
		{title: "Name", cell: func(a a) string { return a.Name }},
		{title: "ID", detail: true, cell: func(a a) string { return a.ID }},
		{title: "Directory", cell: func(a a) string { return a.Directory }},
		{title: "Email", cell: func(a a) string { return text(a.Email) }},
		{title: "Account", detail: true, cell: func(a a) string { return text(a.URL) }},
		{title: "Profile", detail: true, cell: func(a a) string { return text(a.Profile) }},
		{title: "EAB key ID", detail: true, cell: func(a a) string { return text(a.EabKid) }},
		{title: "Blocked until", cell: func(a a) string {
			if a.BlockedUntil == nil || a.BlockedUntil.Before(time.Now()) {
				return ""
			}
			return when(a.BlockedUntil)
		}},
		{title: "Because", detail: true, cell: func(a a) string { return text(a.BlockedReason) }},
		{title: "Age", cell: func(a a) string { return s.age(&a.CreatedAt) }},
	}
}
