package main

import (
	"context"

	"github.com/spf13/cobra"

	"berth/client"
)

func userCommand() *cobra.Command {
	return noun(
		"user", "People and owners of tokens",
		listCommand("users", userColumns, userPage), getCommand("a user", userNames, userColumns, getUser), userCreate(),
	)
}

func userPage(ctx context.Context, s *session, cursor *string, limit *int) ([]client.User, *string, error) {
	answer, err := s.ListUsersWithResponse(ctx, &client.ListUsersParams{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, nil, err
	}
	return answer.JSON200.Items, answer.JSON200.Next, nil
}

func userNames(ctx context.Context, s *session) ([]string, error) {
	return namesOf(userPage, func(u client.User) string { return u.Name })(ctx, s)
}

func getUser(ctx context.Context, s *session, ref string) (*client.User, error) {
	answer, err := s.GetUserWithResponse(ctx, ref)
	if err != nil {
		return nil, err
	}
	return answer.JSON200, nil
}

func userCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a user", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
	}
	admin := cmd.Flags().Bool("admin", false, "an administrator")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		answer, err := s.CreateUserWithResponse(ctx, client.UserCreate{Name: args[0], Admin: optional(*admin)})
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON201, userColumns(s))
	})
	return cmd
}

func userColumns(s *session) []column[client.User] {
	type u = client.User
	return []column[u]{
		{title: "Name", cell: func(u u) string { return u.Name }},
		{title: "ID", cell: func(u u) string { return u.ID }},
		{title: "Administrator", cell: func(u u) string { return yes(u.Admin) }},
		{title: "Age", cell: func(u u) string { return s.age(&u.CreatedAt) }},
	}
}
