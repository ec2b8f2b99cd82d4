package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/client"
)

func certificateCommand() *cobra.Command {
	find := func(ctx context.Context, s *session, ref string) (string, string, error) {
		c, err := getCertificate(ctx, s, ref)
		if err != nil {
			return "", "", err
		}
		return c.ID, "for " + strings.Join(c.Names, ", "), nil
	}
	show := getCommand("a certificate", certificateIDs, certificateColumns, getCertificate)
	show.Use, show.Aliases = "show ID", []string{"get"}
	return noun(
		"certificate", "Certificates for public names",
		listCommand("certificates", certificateColumns, certificatePage), show, certificateUpload(), certificateRenew(), certificateRevoke(),
		deleteCommand("delete", "certificate", certificateIDs, find, func(ctx context.Context, s *session, id string) error {
			_, err := s.DeleteCertificateWithResponse(ctx, id)
			return err
		}),
	)
}

func certificatePage(ctx context.Context, s *session, cursor *string, limit *int) ([]client.Certificate, *string, error) {
	answer, err := s.ListCertificatesWithResponse(ctx, &client.ListCertificatesParams{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, nil, err
	}
	return answer.JSON200.Items, answer.JSON200.Next, nil
}

func certificateIDs(ctx context.Context, s *session) ([]string, error) {
	return namesOf(certificatePage, func(c client.Certificate) string {
		return cobra.CompletionWithDesc(c.ID, strings.Join(c.Names, ", "))
	})(ctx, s)
}

func getCertificate(ctx context.Context, s *session, ref string) (*client.Certificate, error) {
	answer, err := s.GetCertificateWithResponse(ctx, ref)
	if err != nil {
		return nil, err
	}
	return answer.JSON200, nil
}

func certificateUpload() *cobra.Command {
	cmd := &cobra.Command{
		Use: "upload --chain FILE --key FILE", Short: "Bring a certificate of your own", Args: args(cobra.NoArgs),
		Example: "  berth certificate upload --chain fullchain.pem --key privkey.pem",
	}
	chainFile := cmd.Flags().String("chain", "", "PEM file of the certificates, leaf first")
	keyFile := cmd.Flags().String("key", "", "PEM file of the key, not encrypted; - for standard input")
	cmd.RunE = with(func(ctx context.Context, s *session, _ []string) error {
		if *chainFile == "" || *keyFile == "" {
			return usageError{errors.New("--chain and --key are needed")}
		}
		chain, err := readFile(cmd, *chainFile)
		if err != nil {
			return usageError{err}
		}
		key, err := readFile(cmd, *keyFile)
		if err != nil {
			return usageError{err}
		}
		answer, err := s.UploadCertificateWithResponse(ctx, client.CertificateUpload{Chain: chain, Key: &key})
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON201, certificateColumns(s))
	})
	return cmd
}

func certificateRenew() *cobra.Command {
	cmd := &cobra.Command{
		Use: "renew ID", Short: "Order a certificate anew now; it is served until the new one is there",
		Args: args(cobra.ExactArgs(1)), ValidArgsFunction: complete(certificateIDs),
	}
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		answer, err := s.RenewCertificateWithResponse(ctx, args[0])
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON202, certificateColumns(s))
	})
	return cmd
}

func certificateRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke ID", Short: "Revoke a certificate, as when its key was seen by others, and order one under a new key",
		Args: args(cobra.ExactArgs(1)), ValidArgsFunction: complete(certificateIDs),
	}
	yes := addYes(cmd)
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		c, err := getCertificate(ctx, s, args[0])
		if err != nil {
			return err
		}
		if err := s.confirm(*yes, "Revoke the certificate for "+strings.Join(c.Names, ", ")+"?"); err != nil {
			return err
		}
		answer, err := s.RevokeCertificateWithResponse(ctx, c.ID)
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON202, certificateColumns(s))
	})
	return cmd
}

func certificateColumns(s *session) []column[client.Certificate] {
	type c = client.Certificate
	return []column[c]{
		{title: "ID", cell: func(c c) string { return c.ID }},
		{title: "Names", cell: func(c c) string { return strings.Join(c.Names, ", ") }},
		{title: "Source", cell: func(c c) string { return string(c.Source) }},
		{title: "State", cell: func(c c) string { return string(c.State) }},
		{title: "Issuer", cell: func(c c) string { return text(c.Issuer) }},
		{title: "Serial", detail: true, cell: func(c c) string { return text(c.Serial) }},
		{title: "Valid from", detail: true, cell: func(c c) string { return when(c.NotBefore) }},
		{title: "Valid until", cell: func(c c) string { return when(c.NotAfter) }},
		{title: "Renewed at", detail: true, cell: func(c c) string { return when(c.RenewAt) }},
		{title: "Shown by", detail: true, cell: func(c c) string { return text(c.Challenge) }},
		{title: "Next try", detail: true, cell: func(c c) string { return when(c.RetryAt) }},
		{title: "Message", detail: true, cell: func(c c) string { return text(c.Message) }},
		{title: "Age", cell: func(c c) string { return s.age(&c.CreatedAt) }},
	}
}

// when writes a moment that may not be known.
func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339)
}
