package main

import (
	"context"
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"berth/client"
)

func imageCommand() *cobra.Command {
	find := func(ctx context.Context, s *session, ref string) (string, string, error) {
		i, err := getImage(ctx, s, ref)
		if err != nil {
			return "", "", err
		}
		return i.ID, i.Name, nil
	}
	remove := deleteCommand("remove", "image", imageNames, find, func(ctx context.Context, s *session, id string) error {
		_, err := s.RemoveImageWithResponse(ctx, id)
		return err
	})
	remove.Short, remove.Aliases = "Recommend an image no longer", []string{"delete", "rm"}
	return noun(
		"image", "What containers are made from",
		listCommand("the images that administrators recommend", imageColumns, imagePage),
		getCommand("a recommended image", imageNames, imageColumns, getImage), imageInspect(), imageAdd(), remove,
	)
}

func imagePage(ctx context.Context, s *session, _ *string, _ *int) ([]client.Image, *string, error) {
	answer, err := s.ListImagesWithResponse(ctx)
	if err != nil {
		return nil, nil, err
	}
	return answer.JSON200.Items, nil, nil
}

func imageNames(ctx context.Context, s *session) ([]string, error) {
	return namesOf(imagePage, func(i client.Image) string { return i.Name })(ctx, s)
}

func imageReferences(ctx context.Context, s *session) ([]string, error) {
	return namesOf(imagePage, func(i client.Image) string { return i.Reference })(ctx, s)
}

// getImage looks for an image in the catalogue, which is short.
func getImage(ctx context.Context, s *session, ref string) (*client.Image, error) {
	all, _, err := imagePage(ctx, s, nil, nil)
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.ID == ref || i.Name == ref || i.Reference == ref {
			return &i, nil
		}
	}
	return nil, missing("recommended image", ref)
}

// missing is the problem that the API would answer for a thing that only a list can be searched for.
func missing(what, ref string) error {
	detail := fmt.Sprintf("there is no %s %q", what, ref)
	return &client.Problem{Type: "urn:berth:problem:not-found", Title: "There is no such thing", Status: 404, Detail: &detail}
}

func imageAdd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "add NAME REFERENCE", Aliases: []string{"create"}, Short: "Recommend an image", Args: args(cobra.ExactArgs(2)),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	description := cmd.Flags().String("description", "", "what it is for")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		answer, err := s.AddImageWithResponse(ctx, client.ImageAdd{Name: args[0], Reference: args[1], Description: optional(*description)})
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON201, imageColumns(s))
	})
	return cmd
}

func imageInspect() *cobra.Command {
	return &cobra.Command{
		Use: "inspect REFERENCE", Short: "Ask the registry about an image", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: complete(imageReferences),
		RunE: with(func(ctx context.Context, s *session, args []string) error {
			answer, err := s.InspectImageWithResponse(ctx, &client.InspectImageParams{Reference: args[0]})
			if err != nil {
				return err
			}
			type i = client.ImageInfo
			return printOne(s, *answer.JSON200, []column[i]{
				{title: "Reference", cell: func(i i) string { return i.Reference }},
				{title: "Digest", cell: func(i i) string { return i.Digest }},
				{title: "Platform", cell: func(i i) string { return i.Platform }},
				{title: "Size", cell: func(i i) string { return fmt.Sprintf("%s in %d layers", size(i.Size), i.Layers) }},
				{title: "Entrypoint", cell: func(i i) string { return strings.Join(i.Entrypoint, " ") }},
				{title: "Environment", cell: func(i i) string { return strings.Join(i.Env, "\n\t") }},
				{title: "Ports", cell: func(i i) string { return strings.Join(i.Ports, ", ") }},
				{title: "Labels", cell: func(i i) string { return labels(i.Labels) }},
			})
		}),
	}
}

func labels(all map[string]string) string {
	lines := make([]string, 0, len(all))
	for key, value := range all {
		lines = append(lines, key+"="+value)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n\t")
}

func imageColumns(*session) []column[client.Image] {
	type i = client.Image
	return []column[i]{
		{title: "Name", cell: func(i i) string { return i.Name }},
		{title: "ID", detail: true, cell: func(i i) string { return i.ID }},
		{title: "Reference", cell: func(i i) string { return i.Reference }},
		{title: "Description", cell: func(i i) string { return text(i.Description) }},
	}
}
