package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
	// x/term: reads a line from a terminal without showing it.
	"golang.org/x/term"

	"berth/client"
)

func registryCommand() *cobra.Command {
	find := func(ctx context.Context, s *session, ref string) (string, string, error) {
		r, err := getRegistry(ctx, s, ref)
		if err != nil {
			return "", "", err
		}
		return r.ID, r.Host, nil
	}
	return noun(
		"registry", "Image registries that want a login",
		listCommand("the registries that Berth has a login for", registryColumns, registryPage),
		getCommand("a registry", registryNames, registryColumns, getRegistry), registryCreate(), registryUpdate(),
		deleteCommand("delete", "registry", registryNames, find, func(ctx context.Context, s *session, id string) error {
			_, err := s.DeleteRegistryWithResponse(ctx, id, nil)
			return err
		}),
	)
}

func registryPage(ctx context.Context, s *session, cursor *string, limit *int) ([]client.Registry, *string, error) {
	answer, err := s.ListRegistriesWithResponse(ctx, &client.ListRegistriesParams{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, nil, err
	}
	return answer.JSON200.Items, answer.JSON200.Next, nil
}

func registryNames(ctx context.Context, s *session) ([]string, error) {
	return namesOf(registryPage, func(r client.Registry) string { return r.Host })(ctx, s)
}

func getRegistry(ctx context.Context, s *session, ref string) (*client.Registry, error) {
	answer, err := s.GetRegistryWithResponse(ctx, ref)
	if err != nil {
		return nil, err
	}
	return answer.JSON200, nil
}

func registryCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create HOST --username USER", Short: "Give Berth a login for a registry; the password comes from standard input",
		Args: args(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	username := cmd.Flags().String("username", "", "user, or name of an access token")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		if *username == "" {
			return usageError{errors.New("--username is needed")}
		}
		password, err := s.password("Password of " + *username + " at " + args[0] + ": ")
		if err != nil {
			return err
		}
		answer, err := s.CreateRegistryWithResponse(ctx, client.RegistryCreate{Host: args[0], Username: *username, Password: &password})
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON201, registryColumns(s))
	})
	return cmd
}

func registryUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update HOST", Short: "Change the login for a registry; a new password comes from standard input",
		Args: args(cobra.ExactArgs(1)), ValidArgsFunction: complete(registryNames),
	}
	username := cmd.Flags().String("username", "", "new user, or name of an access token")
	renew := cmd.Flags().Bool("new-password", false, "read a new password from standard input, or ask for it on a terminal")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		body := client.RegistryUpdate{Username: given(cmd, "username", *username)}
		if *renew {
			password, err := s.password("New password for " + args[0] + ": ")
			if err != nil {
				return err
			}
			body.Password = &password
		}
		if body.Username == nil && body.Password == nil {
			return usageError{errors.New("--username or --new-password is needed")}
		}
		answer, err := s.UpdateRegistryWithResponse(ctx, args[0], nil, body)
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON200, registryColumns(s))
	})
	return cmd
}

// password asks for a password on a terminal without showing it, or else reads standard input. It is no flag, because
// everybody on the machine can read the arguments of a process.
func (s *session) password(question string) (string, error) {
	in := s.cmd.InOrStdin()
	var text []byte
	var err error
	if file, isFile := in.(*os.File); isFile && isatty.IsTerminal(file.Fd()) {
		_, _ = fmt.Fprint(s.err, question)
		text, err = term.ReadPassword(int(file.Fd()))
		_, _ = fmt.Fprintln(s.err)
	} else {
		text, err = io.ReadAll(in)
	}
	if err != nil {
		return "", usageError{fmt.Errorf("the password cannot be read: %w", err)}
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", usageError{errors.New("the password is empty: give it on standard input")}
	}
	return password, nil
}

func registryColumns(s *session) []column[client.Registry] {
	type r = client.Registry
	return []column[r]{
		{title: "Host", cell: func(r r) string { return r.Host }},
		{title: "ID", detail: true, cell: func(r r) string { return r.ID }},
		{title: "User", cell: func(r r) string { return r.Username }},
		{title: "Age", cell: func(r r) string { return s.age(&r.CreatedAt) }},
	}
}
