package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth/client"
)

func reconcileCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reconcile", Short: "Compare what should be with what is, and repair it (administrators)", Args: args(cobra.NoArgs),
	}
	dryRun := cmd.Flags().Bool("dry-run", false, "report only")
	cmd.RunE = with(func(ctx context.Context, s *session, _ []string) error {
		answer, err := s.ReconcileWithResponse(ctx, client.ReconcileRequest{DryRun: dryRun})
		if err != nil {
			return err
		}
		if s.format != "table" {
			return s.encode(answer.JSON200)
		}
		_, err = fmt.Fprintln(s.out, strings.TrimSpace(answer.JSON200.Report))
		return err
	})
	return cmd
}
