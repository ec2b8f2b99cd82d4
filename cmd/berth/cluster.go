package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"berth/client"
)

func clusterCommand() *cobra.Command {
	return noun(
		"cluster", "Proxmox VE clusters",
		listCommand("clusters", clusterColumns, clusterPage), getCommand("a cluster", clusterNames, clusterColumns, getCluster),
		clusterCreate(), clusterUpdate(), clusterGuests(),
		deleteCommand("delete", "cluster", clusterNames, func(ctx context.Context, s *session, ref string) (string, string, error) {
			c, err := getCluster(ctx, s, ref)
			if err != nil {
				return "", "", err
			}
			return c.ID, c.Name, nil
		}, func(ctx context.Context, s *session, id string) error {
			_, err := s.DeleteClusterWithResponse(ctx, id, nil)
			return err
		}),
	)
}

func clusterPage(ctx context.Context, s *session, cursor *string, limit *int) ([]client.Cluster, *string, error) {
	answer, err := s.ListClustersWithResponse(ctx, &client.ListClustersParams{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, nil, err
	}
	return answer.JSON200.Items, answer.JSON200.Next, nil
}

func clusterNames(ctx context.Context, s *session) ([]string, error) {
	return namesOf(clusterPage, func(c client.Cluster) string { return c.Name })(ctx, s)
}

func getCluster(ctx context.Context, s *session, ref string) (*client.Cluster, error) {
	answer, err := s.GetClusterWithResponse(ctx, ref)
	if err != nil {
		return nil, err
	}
	return answer.JSON200, nil
}

// proxmoxToken is the flags for a credential of Proxmox VE and for trusting its certificate.
type proxmoxToken struct {
	token, tokenFile, caFile string
	insecure                 bool
}

func (p *proxmoxToken) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&p.token, "token", "", "API token of Proxmox VE, user@realm!id=secret; default: PVE_TOKEN")
	cmd.Flags().StringVar(&p.tokenFile, "token-file", "", "file that holds it, - for standard input")
	cmd.Flags().StringVar(&p.caFile, "ca-file", "", "PEM file of the CA that signs Proxmox VE's certificate, such as its pve-root-ca.pem")
	cmd.Flags().BoolVar(&p.insecure, "insecure", false, "do not verify Proxmox VE's certificate")
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	cmd.MarkFlagsMutuallyExclusive("insecure", "ca-file")
}

// read returns what was given; nil for what was not.
func (p *proxmoxToken) read(cmd *cobra.Command) (id, secret, ca *string, err error) {
	whole := p.token
	if p.tokenFile != "" {
		if whole, err = readFile(cmd, p.tokenFile); err != nil {
			return nil, nil, nil, usageError{err}
		}
	}
	if whole == "" {
		whole = os.Getenv("PVE_TOKEN")
	}
	if whole = strings.TrimSpace(whole); whole != "" {
		first, second, found := strings.Cut(whole, "=")
		if !found || first == "" || second == "" {
			return nil, nil, nil, usageError{fmt.Errorf("the API token of Proxmox VE must be user@realm!id=secret")}
		}
		id, secret = &first, &second
	}
	if p.caFile != "" {
		pem, err := os.ReadFile(p.caFile)
		if err != nil {
			return nil, nil, nil, usageError{err}
		}
		content := string(pem)
		ca = &content
	}
	return id, secret, ca, nil
}

// clusterFlags are those that create and update share.
type clusterFlags struct {
	proxmoxToken
	urls        []string
	first, last int
	realm       string
}

func (f *clusterFlags) add(cmd *cobra.Command) {
	f.proxmoxToken.add(cmd)
	cmd.Flags().StringArrayVar(&f.urls, "url", nil, "base URL of the API, such as https://pve1:8006; may be repeated")
	cmd.Flags().IntVar(&f.first, "vmid-first", 0, "first VMID that Berth may use")
	cmd.Flags().IntVar(&f.last, "vmid-last", 0, "last VMID that Berth may use")
	cmd.Flags().StringVar(&f.realm, "realm", "", "Proxmox realm whose users own containers")
}

func clusterCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create NAME --url URL --token TOKEN", Short: "Register a cluster", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	var f clusterFlags
	f.add(cmd)
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		id, secret, ca, err := f.read(cmd)
		if err != nil {
			return err
		}
		if id == nil || len(f.urls) == 0 {
			return usageError{fmt.Errorf("--url and a token (--token, --token-file or PVE_TOKEN) are needed")}
		}
		answer, err := s.CreateClusterWithResponse(ctx, client.ClusterCreate{
			Name: &args[0], Endpoints: f.urls, TokenID: *id, Token: secret, CA: ca, Insecure: optional(f.insecure),
			VMIDFirst: optional(f.first), VMIDLast: optional(f.last), Realm: optional(f.realm),
		})
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON201, clusterColumns(s))
	})
	return cmd
}

func clusterUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update NAME", Short: "Change a cluster", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: complete(clusterNames),
	}
	var f clusterFlags
	f.add(cmd)
	name := cmd.Flags().String("name", "", "new name")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		id, secret, ca, err := f.read(cmd)
		if err != nil {
			return err
		}
		body := client.ClusterUpdate{
			Name: given(cmd, "name", *name), TokenID: id, Token: secret, CA: ca, Insecure: given(cmd, "insecure", f.insecure),
			VMIDFirst: given(cmd, "vmid-first", f.first), VMIDLast: given(cmd, "vmid-last", f.last), Realm: given(cmd, "realm", f.realm),
			Endpoints: given(cmd, "url", f.urls),
		}
		answer, err := s.UpdateClusterWithResponse(ctx, args[0], nil, body)
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON200, clusterColumns(s))
	})
	return cmd
}

func clusterGuests() *cobra.Command {
	return &cobra.Command{
		Use: "guests NAME", Short: "List the CTs that Berth does not manage", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: complete(clusterNames),
		RunE: with(func(ctx context.Context, s *session, args []string) error {
			answer, err := s.ListClusterGuestsWithResponse(ctx, args[0])
			if err != nil {
				return err
			}
			return printList(s, answer.JSON200.Items, []column[client.Guest]{
				{title: "VMID", cell: func(g client.Guest) string { return fmt.Sprint(g.VMID) }},
				{title: "Name", cell: func(g client.Guest) string { return text(g.Name) }},
				{title: "Node", cell: func(g client.Guest) string { return g.Node }},
				{title: "Running", cell: func(g client.Guest) string { return yes(g.Running) }},
			})
		}),
	}
}

func clusterColumns(s *session) []column[client.Cluster] {
	type c = client.Cluster
	return []column[c]{
		{title: "Name", cell: func(c c) string { return c.Name }},
		{title: "ID", detail: true, cell: func(c c) string { return c.ID }},
		{title: "State", cell: func(c c) string { return string(c.State) }},
		{title: "Message", detail: true, cell: func(c c) string { return text(c.Message) }},
		{title: "Proxmox VE", cell: func(c c) string { return text(c.PVE) }},
		{title: "Quorate", cell: func(c c) string { return yes(c.Quorate) }},
		{title: "Endpoints", cell: func(c c) string { return strings.Join(c.Endpoints, ",") }},
		{title: "Token", detail: true, cell: func(c c) string { return c.TokenID }},
		{title: "VMIDs", detail: true, cell: func(c c) string { return fmt.Sprintf("%d to %d", c.VMIDFirst, c.VMIDLast) }},
		{title: "Realm", detail: true, cell: func(c c) string { return text(c.Realm) }},
		{title: "Findings", detail: true, cell: func(c c) string { return findings(c.Findings) }},
		{title: "Age", cell: func(c c) string { return s.age(&c.CreatedAt) }},
	}
}

func findings(all *[]client.Finding) string {
	if all == nil {
		return ""
	}
	lines := make([]string, len(*all))
	for i, f := range *all {
		lines[i] = string(f.Severity) + ": " + f.What + "; " + f.Fix
	}
	return strings.Join(lines, "\n\t")
}
