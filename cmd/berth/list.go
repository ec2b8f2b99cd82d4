package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// pager fetches one page of a list; next is nil on the last.
type pager[T any] func(ctx context.Context, s *session, cursor *string, limit *int) (page []T, next *string, err error)

// pageSize is how many items one request fetches.
const pageSize = 200

// fetch reads a list to its end, or to the first limit items when that is not 0.
func fetch[T any](ctx context.Context, s *session, limit int, page pager[T]) ([]T, error) {
	all := []T{}
	var cursor *string
	for {
		want := pageSize
		if limit > 0 {
			want = min(want, limit-len(all))
		}
		got, next, err := page(ctx, s, cursor, &want)
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
		if next == nil || *next == "" || limit > 0 && len(all) >= limit {
			return all, nil
		}
		cursor = next
	}
}

// listCommand makes the `list` of a noun; flags adds filters that page reads.
func listCommand[T any](what string, columns func(*session) []column[T], page pager[T], flags ...func(*cobra.Command)) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List " + what, Args: args(cobra.NoArgs)}
	limit := cmd.Flags().Int("limit", 0, "most items to print; 0 prints all")
	for _, add := range flags {
		add(cmd)
	}
	cmd.RunE = with(func(ctx context.Context, s *session, _ []string) error {
		all, err := fetch(ctx, s, *limit, page)
		if err != nil {
			return err
		}
		return printList(s, all, columns(s))
	})
	return cmd
}

// getCommand makes the `get` of a noun.
func getCommand[T any](what string, names lister, columns func(*session) []column[T],
	get func(ctx context.Context, s *session, ref string) (*T, error),
) *cobra.Command {
	return &cobra.Command{
		Use: "get NAME", Short: "Show " + what, Args: args(cobra.ExactArgs(1)), ValidArgsFunction: complete(names),
		RunE: with(func(ctx context.Context, s *session, args []string) error {
			one, err := get(ctx, s, args[0])
			if err != nil {
				return err
			}
			return printOne(s, *one, columns(s))
		}),
	}
}

// deleted is what is printed of a thing that is gone.
type deleted struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
}

// deleteCommand makes the `delete` of a noun whose things go at once. find names what is about to go.
func deleteCommand(use, what string, names lister, find func(ctx context.Context, s *session, ref string) (id, name string, err error),
	remove func(ctx context.Context, s *session, id string) error,
) *cobra.Command {
	cmd := &cobra.Command{
		Use: use + " NAME", Short: strings.ToUpper(use[:1]) + use[1:] + " " + what, Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: complete(names),
	}
	if use == "delete" {
		cmd.Aliases = []string{"rm"}
	}
	sure := addYes(cmd)
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		id, name, err := find(ctx, s, args[0])
		if err != nil {
			return err
		}
		if err := s.confirm(*sure, fmt.Sprintf("%s %s %s?", strings.ToUpper(use[:1])+use[1:], what, name)); err != nil {
			return err
		}
		if err := remove(ctx, s, id); err != nil {
			return err
		}
		gone := deleted{ID: id, Name: name, State: "deleted"}
		return printOne(s, gone, []column[deleted]{
			{title: "Name", cell: func(d deleted) string { return d.Name }},
			{title: "State", cell: func(d deleted) string { return d.State }},
		})
	})
	return cmd
}

// lister lists names for completion.
type lister func(ctx context.Context, s *session) ([]string, error)

// completionPatience is how long a shell waits for names.
const completionPatience = 2 * time.Second

// complete completes the first argument with names; a failure completes nothing, as a shell has no place for it.
func complete(names lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completeFlag(names)(cmd, args, prefix)
	}
}

// completeFlag completes the value of a flag with names.
func completeFlag(names lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		s, err := newSession(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		parent := cmd.Context()
		if parent == nil {
			parent = context.Background()
		}
		ctx, cancel := context.WithTimeout(parent, completionPatience)
		defer cancel()
		all, err := names(ctx, s)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var fitting []string
		for _, name := range all {
			if strings.HasPrefix(name, prefix) {
				fitting = append(fitting, name)
			}
		}
		return fitting, cobra.ShellCompDirectiveNoFileComp
	}
}

// namesOf makes a lister out of a pager.
func namesOf[T any](page pager[T], name func(T) string) lister {
	return func(ctx context.Context, s *session) ([]string, error) {
		all, err := fetch(ctx, s, pageSize, page)
		if err != nil {
			return nil, err
		}
		out := make([]string, len(all))
		for i, one := range all {
			out[i] = name(one)
		}
		return out, nil
	}
}
