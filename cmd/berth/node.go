package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth/client"
)

func nodeCommand() *cobra.Command {
	return noun(
		"node", "Proxmox VE servers",
		nodeList(), getCommand("a node", nodeNames, nodeColumns, getNode), nodeCreate(), nodeUpdate(), nodeCheck(), nodeStorages(),
		deleteCommand("delete", "node", nodeNames, func(ctx context.Context, s *session, ref string) (string, string, error) {
			n, err := getNode(ctx, s, ref)
			if err != nil {
				return "", "", err
			}
			return n.ID, n.Name, nil
		}, func(ctx context.Context, s *session, id string) error {
			_, err := s.DeleteNodeWithResponse(ctx, id, nil)
			return err
		}),
	)
}

func nodePage(site, cluster *string) pager[client.Node] {
	return func(ctx context.Context, s *session, cursor *string, limit *int) ([]client.Node, *string, error) {
		answer, err := s.ListNodesWithResponse(ctx, &client.ListNodesParams{
			Site: optional(*site), Cluster: optional(*cluster), Cursor: cursor, Limit: limit,
		})
		if err != nil {
			return nil, nil, err
		}
		return answer.JSON200.Items, answer.JSON200.Next, nil
	}
}

func nodeList() *cobra.Command {
	var site, cluster string
	return listCommand("nodes", nodeColumns, nodePage(&site, &cluster), func(cmd *cobra.Command) {
		cmd.Flags().StringVar(&site, "site", "", "only those of this site, by name or ID")
		cmd.Flags().StringVar(&cluster, "cluster", "", "only those of this cluster, by name or ID")
	})
}

func nodeNames(ctx context.Context, s *session) ([]string, error) {
	anywhere := ""
	return namesOf(nodePage(&anywhere, &anywhere), func(n client.Node) string { return n.Name })(ctx, s)
}

func getNode(ctx context.Context, s *session, ref string) (*client.Node, error) {
	answer, err := s.GetNodeWithResponse(ctx, ref)
	if err != nil {
		return nil, err
	}
	return answer.JSON200, nil
}

// nodeFlags are those that create and update share.
type nodeFlags struct {
	templateStorage, rootStorage, bridge, address string
	slots                                         int
}

func (f *nodeFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.templateStorage, "template-storage", "", "storage for images; default at creation: picked")
	flags.StringVar(&f.rootStorage, "root-storage", "", "storage for root file systems; default at creation: picked")
	flags.StringVar(&f.bridge, "bridge", "", "bridge of the site's network; default at creation: vmbr0")
	flags.StringVar(&f.address, "address", "", "IPv4 address of the node in the site's network, for DNS")
	flags.IntVar(&f.slots, "slots", 0, "changing calls to Proxmox VE that may run at once")
}

func nodeCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create --site SITE --name NAME --url URL --token TOKEN", Short: "Import a node", Args: args(cobra.NoArgs),
		Long: "Import a node of a Proxmox VE cluster into a site. The cluster is found by --cluster or --url, or registered on the way\n" +
			"with the token given here. The node is checked first.",
		Example: "  berth node create --site demo --name pve1 --url https://pve1:8006 --token 'berth@pve!berth=SECRET' --insecure",
	}
	var f nodeFlags
	var p proxmoxToken
	site := addSite(cmd)
	f.add(cmd)
	p.add(cmd)
	name := cmd.Flags().String("name", "", "name of the node in Proxmox VE")
	cluster := cmd.Flags().String("cluster", "", "cluster that is registered already, by name or ID")
	url := cmd.Flags().String("url", "", "base URL of the node's API, such as https://pve1:8006")
	_ = cmd.RegisterFlagCompletionFunc("cluster", completeFlag(clusterNames))
	cmd.RunE = with(func(ctx context.Context, s *session, _ []string) error {
		id, secret, ca, err := p.read(cmd)
		if err != nil {
			return err
		}
		if *site == "" || *cluster == "" && *url == "" {
			return usageError{fmt.Errorf("--site, and --url or --cluster, are needed")}
		}
		answer, err := s.CreateNodeWithResponse(ctx, client.NodeCreate{
			Site: *site, Name: optional(*name), Cluster: optional(*cluster), URL: optional(*url), TokenID: id, Token: secret, CA: ca,
			Insecure: optional(p.insecure), TemplateStorage: optional(f.templateStorage), RootStorage: optional(f.rootStorage),
			Bridge: optional(f.bridge), Address: optional(f.address), Slots: optional(f.slots),
		})
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON201, nodeColumns(s))
	})
	return cmd
}

func nodeUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update NAME", Short: "Change a node", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: complete(nodeNames),
	}
	var f nodeFlags
	f.add(cmd)
	maintenance := cmd.Flags().Bool("maintenance", false, "take no new containers; --maintenance=false ends it")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		answer, err := s.UpdateNodeWithResponse(ctx, args[0], nil, client.NodeUpdate{
			TemplateStorage: given(cmd, "template-storage", f.templateStorage), RootStorage: given(cmd, "root-storage", f.rootStorage),
			Bridge: given(cmd, "bridge", f.bridge), Address: given(cmd, "address", f.address), Slots: given(cmd, "slots", f.slots),
			Maintenance: given(cmd, "maintenance", *maintenance),
		})
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON200, nodeColumns(s))
	})
	return cmd
}

func nodeCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check NAME", Short: "Check version, privileges, storages and bridge of a node", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: complete(nodeNames),
		RunE: with(func(ctx context.Context, s *session, args []string) error {
			answer, err := s.CheckNodeWithResponse(ctx, args[0])
			if err != nil {
				return err
			}
			if err := printList(s, answer.JSON200.Items, []column[client.Finding]{
				{title: "Severity", cell: func(f client.Finding) string { return string(f.Severity) }},
				{title: "What", cell: func(f client.Finding) string { return f.What }},
				{title: "Fix", cell: func(f client.Finding) string { return f.Fix }},
			}); err != nil {
				return err
			}
			for _, f := range answer.JSON200.Items {
				if f.Severity == client.FindingSeverityError {
					return fmt.Errorf("node %s cannot be used as it is", args[0])
				}
			}
			return nil
		}),
	}
}

func nodeStorages() *cobra.Command {
	return &cobra.Command{
		Use: "storages NAME", Short: "List the storages of a node", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: complete(nodeNames),
		RunE: with(func(ctx context.Context, s *session, args []string) error {
			answer, err := s.ListNodeStoragesWithResponse(ctx, args[0])
			if err != nil {
				return err
			}
			type st = client.Storage
			return printList(s, answer.JSON200.Items, []column[st]{
				{title: "Name", cell: func(v st) string { return v.Name }},
				{title: "Content", cell: func(v st) string { return strings.Join(v.Content, ",") }},
				{title: "Free", cell: func(v st) string { return size(v.Free) }},
				{title: "Total", cell: func(v st) string { return size(v.Total) }},
				{title: "Shared", cell: func(v st) string { return yes(v.Shared) }},
				{title: "Active", cell: func(v st) string { return yes(v.Active) }},
			})
		}),
	}
}

func nodeColumns(s *session) []column[client.Node] {
	type n = client.Node
	return []column[n]{
		{title: "Name", cell: func(n n) string { return n.Name }},
		{title: "ID", detail: true, cell: func(n n) string { return n.ID }},
		{title: "State", cell: func(n n) string { return string(n.State) }},
		{title: "Message", detail: true, cell: func(n n) string { return text(n.Message) }},
		{title: "Site", cell: func(n n) string { return n.Site.Name }},
		{title: "Cluster", cell: func(n n) string { return n.Cluster.Name }},
		{title: "Address", cell: func(n n) string { return text(n.Address) }},
		{title: "Cores", detail: true, cell: func(n n) string { return fmt.Sprint(n.Cores) }},
		{title: "Memory free", cell: func(n n) string { return size(n.MemoryFree) }},
		{title: "Disk free", cell: func(n n) string { return size(n.DiskFree) }},
		{title: "Images on", detail: true, cell: func(n n) string { return n.TemplateStorage }},
		{title: "Disks on", detail: true, cell: func(n n) string { return n.RootStorage }},
		{title: "Bridge", detail: true, cell: func(n n) string { return n.Bridge }},
		{title: "Slots", detail: true, cell: func(n n) string { return fmt.Sprint(n.Slots) }},
		{title: "Maintenance", detail: true, cell: func(n n) string { return yes(n.Maintenance) }},
		{title: "Findings", detail: true, cell: func(n n) string { return findings(n.Findings) }},
		{title: "Age", cell: func(n n) string { return s.age(&n.CreatedAt) }},
	}
}
