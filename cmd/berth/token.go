package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/client"
)

func tokenCommand() *cobra.Command {
	return noun(
		"token", "API tokens",
		tokenList(), getCommand("a token", tokenNames, tokenColumns, getToken), tokenCreate(),
		deleteCommand("delete", "token", tokenNames, func(ctx context.Context, s *session, ref string) (string, string, error) {
			t, err := getToken(ctx, s, ref)
			if err != nil {
				return "", "", err
			}
			return t.ID, t.Name, nil
		}, func(ctx context.Context, s *session, id string) error {
			_, err := s.DeleteTokenWithResponse(ctx, id)
			return err
		}),
	)
}

func tokenPage(owner *string) pager[client.Token] {
	return func(ctx context.Context, s *session, cursor *string, limit *int) ([]client.Token, *string, error) {
		answer, err := s.ListTokensWithResponse(ctx, &client.ListTokensParams{Owner: optional(*owner), Cursor: cursor, Limit: limit})
		if err != nil {
			return nil, nil, err
		}
		return answer.JSON200.Items, answer.JSON200.Next, nil
	}
}

func tokenList() *cobra.Command {
	var owner string
	return listCommand("API tokens", tokenColumns, tokenPage(&owner), func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&owner, "owner", "", "only those of this user (administrators)")
	})
}

func tokenNames(ctx context.Context, s *session) ([]string, error) {
	anybody := ""
	return namesOf(tokenPage(&anybody), func(t client.Token) string { return t.Name })(ctx, s)
}

// getToken looks for a token in the list. Names may repeat among owners, so that a name must be unique.
func getToken(ctx context.Context, s *session, ref string) (*client.Token, error) {
	anybody := ""
	all, err := fetch(ctx, s, 0, tokenPage(&anybody))
	if err != nil {
		return nil, err
	}
	var found []client.Token
	for _, t := range all {
		if t.ID == ref {
			return &t, nil
		}
		if t.Name == ref {
			found = append(found, t)
		}
	}
	switch len(found) {
	case 0:
		return nil, missing("token", ref)
	case 1:
		return &found[0], nil
	}
	detail := fmt.Sprintf("%d tokens are called %q: name one by its ID", len(found), ref)
	return nil, &client.Problem{Type: "urn:berth:problem:conflict", Title: "Something stands in the way", Status: 409, Detail: &detail}
}

func tokenCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create an API token and print it", Args: args(cobra.ExactArgs(1)),
		Long:              "Create an API token and print it. It is printed this once: Berth keeps only its hash.",
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	scopes := cmd.Flags().StringSlice("scope", []string{"read", "containers"}, "what it may do: read, containers, admin")
	owner := cmd.Flags().String("owner", "", "whose token it is; default: yours (administrators)")
	lasts := cmd.Flags().Duration("expires-in", 0, "how long it lasts, such as 720h; default: for ever")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		body := client.TokenCreate{Name: args[0], Owner: optional(*owner)}
		for _, scope := range *scopes {
			body.Scopes = append(body.Scopes, client.TokenCreateScopes(scope))
		}
		if *lasts > 0 {
			until := s.now().Add(*lasts).UTC().Truncate(time.Second)
			body.ExpiresAt = &until
		}
		answer, err := s.CreateTokenWithResponse(ctx, body)
		if err != nil {
			return err
		}
		if s.format != "table" {
			return s.encode(answer.JSON201)
		}
		_, err = fmt.Fprintln(s.out, answer.JSON201.Secret)
		return err
	})
	return cmd
}

func tokenColumns(s *session) []column[client.Token] {
	type t = client.Token
	return []column[t]{
		{title: "Name", cell: func(t t) string { return t.Name }},
		{title: "ID", cell: func(t t) string { return t.ID }},
		{title: "State", cell: func(t t) string { return string(t.State) }},
		{title: "Owner", cell: func(t t) string { return t.Owner }},
		{title: "Scopes", cell: func(t t) string {
			words := make([]string, len(t.Scopes))
			for i, scope := range t.Scopes {
				words[i] = string(scope)
			}
			return strings.Join(words, ",")
		}},
		{title: "Expires", cell: func(t t) string { return moment(t.ExpiresAt) }},
		{title: "Used", cell: func(t t) string { return s.age(t.LastUsedAt) }},
		{title: "Age", cell: func(t t) string { return s.age(&t.CreatedAt) }},
	}
}
