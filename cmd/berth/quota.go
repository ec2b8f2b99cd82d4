package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"berth/client"
)

func quotaCommand() *cobra.Command {
	return noun(
		"quota", "Limits of what a user's containers may hold together",
		listCommand("quotas", quotaColumns, quotaPage), getCommand("the quota of a user", userNames, quotaColumns, getQuota), quotaSet(),
		deleteCommand("delete", "quota", userNames, func(_ context.Context, _ *session, ref string) (string, string, error) {
			return ref, ref, nil
		}, func(ctx context.Context, s *session, user string) error {
			_, err := s.DeleteQuotaWithResponse(ctx, user)
			return err
		}),
	)
}

func quotaPage(ctx context.Context, s *session, _ *string, _ *int) ([]client.Quota, *string, error) {
	answer, err := s.ListQuotasWithResponse(ctx)
	if err != nil {
		return nil, nil, err
	}
	return answer.JSON200.Items, nil, nil
}

func getQuota(ctx context.Context, s *session, user string) (*client.Quota, error) {
	answer, err := s.GetQuotaWithResponse(ctx, user)
	if err != nil {
		return nil, err
	}
	return answer.JSON200, nil
}

func quotaSet() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set USER", Aliases: []string{"create", "update"}, Short: "Set the quota of a user", Args: args(cobra.ExactArgs(1)),
		Long: "Set the quota of a user, or with the name default that of everybody who has none of their own. Limits that are not\n" +
			"named stay as they are; 0 means no limit.", ValidArgsFunction: complete(userNames),
	}
	containers := cmd.Flags().Int("containers", 0, "containers")
	cores := cmd.Flags().Int("cores", 0, "CPU cores of all together")
	memory := cmd.Flags().String("memory", "0", "memory of all together in MiB, or with a unit such as 64G")
	disk := cmd.Flags().String("disk", "0", "disk of all together in GiB, or with a unit such as 1T")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		memoryMiB, err := parseSize(*memory, "M")
		if err != nil {
			return usageError{fmt.Errorf("--memory: %w", err)}
		}
		diskGiB, err := parseSize(*disk, "G")
		if err != nil {
			return usageError{fmt.Errorf("--disk: %w", err)}
		}
		body := client.QuotaSet{Containers: *containers, Cores: *cores, MemoryMiB: memoryMiB, DiskGiB: diskGiB}
		if err := s.keepLimits(ctx, cmd, args[0], &body); err != nil {
			return err
		}
		answer, err := s.SetQuotaWithResponse(ctx, args[0], body)
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON200, quotaColumns(s))
	})
	return cmd
}

// keepLimits takes over the limits that were not named, from the quota that holds now.
func (s *session) keepLimits(ctx context.Context, cmd *cobra.Command, user string, body *client.QuotaSet) error {
	now, err := getQuota(ctx, s, user)
	if exitCode(err) == exitNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	for flag, limit := range map[string]struct {
		to   *int
		from int
	}{
		"containers": {&body.Containers, now.Containers}, "cores": {&body.Cores, now.Cores},
		"memory": {&body.MemoryMiB, now.MemoryMiB}, "disk": {&body.DiskGiB, now.DiskGiB},
	} {
		if !cmd.Flags().Changed(flag) {
			*limit.to = limit.from
		}
	}
	return nil
}

func quotaColumns(*session) []column[client.Quota] {
	type q = client.Quota
	limit := func(n int, unit string) string {
		if n == 0 {
			return "no limit"
		}
		return fmt.Sprintf("%d%s", n, unit)
	}
	return []column[q]{
		{title: "User", cell: func(q q) string { return q.Name }},
		{title: "Containers", cell: func(q q) string { return limit(q.Containers, "") }},
		{title: "Cores", cell: func(q q) string { return limit(q.Cores, "") }},
		{title: "Memory", cell: func(q q) string { return limit(q.MemoryMiB, " MiB") }},
		{title: "Disk", cell: func(q q) string { return limit(q.DiskGiB, " GiB") }},
		{title: "Used", detail: true, cell: func(q q) string {
			if q.Usage == nil {
				return ""
			}
			return fmt.Sprintf("%d containers, %d cores, %d MiB memory, %d GiB disk",
				q.Usage.Containers, q.Usage.Cores, q.Usage.MemoryMiB, q.Usage.DiskGiB)
		}},
	}
}
