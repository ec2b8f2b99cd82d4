package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/client"
)

func siteCommand() *cobra.Command {
	return noun(
		"site", "Layer 2 networks with their DHCP range and domain",
		listCommand("sites", siteColumns, sitePage), getCommand("a site", siteNames, siteColumns, getSite),
		siteCreate(), siteUpdate(), siteNetwork(),
		deleteCommand("delete", "site", siteNames, func(ctx context.Context, s *session, ref string) (string, string, error) {
			site, err := getSite(ctx, s, ref)
			if err != nil {
				return "", "", err
			}
			return site.ID, site.Name, nil
		}, func(ctx context.Context, s *session, id string) error {
			_, err := s.DeleteSiteWithResponse(ctx, id, nil)
			return err
		}),
	)
}

func sitePage(ctx context.Context, s *session, cursor *string, limit *int) ([]client.Site, *string, error) {
	answer, err := s.ListSitesWithResponse(ctx, &client.ListSitesParams{Cursor: cursor, Limit: limit})
	if err != nil {
		return nil, nil, err
	}
	return answer.JSON200.Items, answer.JSON200.Next, nil
}

func siteNames(ctx context.Context, s *session) ([]string, error) {
	return namesOf(sitePage, func(v client.Site) string { return v.Name })(ctx, s)
}

func getSite(ctx context.Context, s *session, ref string) (*client.Site, error) {
	answer, err := s.GetSiteWithResponse(ctx, ref)
	if err != nil {
		return nil, err
	}
	return answer.JSON200, nil
}

// siteFlags are those that create and update share.
type siteFlags struct {
	domain, gateway, rangeFirst, rangeLast, dynamicFirst, dynamicLast string
	nameservers, forwarders                                           []string
	lease                                                             time.Duration
	portFirst, portLast                                               int
	public                                                            []string
}

func (f *siteFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.domain, "domain", "", "internal DNS domain, such as demo.internal")
	flags.StringVar(&f.gateway, "gateway", "", "router given by DHCP")
	flags.StringVar(&f.rangeFirst, "range-first", "", "first address for containers")
	flags.StringVar(&f.rangeLast, "range-last", "", "last address for containers")
	flags.StringVar(&f.dynamicFirst, "dynamic-first", "", "first address set aside for guests that Berth does not manage")
	flags.StringVar(&f.dynamicLast, "dynamic-last", "", "last address set aside for them")
	flags.StringSliceVar(&f.nameservers, "nameserver", nil, "name server given by DHCP; default: the edges")
	flags.StringSliceVar(&f.forwarders, "forwarder", nil, "upstream DNS server, IP or IP#PORT")
	flags.IntVar(&f.portFirst, "port-first", 0, "first external port for tcp and udp services")
	flags.IntVar(&f.portLast, "port-last", 0, "last external port for them")
	flags.StringSliceVar(&f.public, "public-address", nil, "address that leads to the edges from outside, or one DNS name that does; public records of services point there")
	flags.DurationVar(&f.lease, "lease-time", 0, "DHCP lease time, such as 12h")
}

func siteCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a site", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: cobra.NoFileCompletions,
		Example: "  berth site create demo --domain demo.internal --cidr 198.18.0.0/24 --gateway 198.18.0.1 \\\n" +
			"    --range-first 198.18.0.50 --range-last 198.18.0.199",
	}
	var f siteFlags
	f.add(cmd)
	cidr := cmd.Flags().String("cidr", "", "network, such as 198.18.0.0/24")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		body := client.SiteCreate{
			Name: args[0], Domain: f.domain, CIDR: *cidr, Gateway: f.gateway, RangeFirst: f.rangeFirst, RangeLast: f.rangeLast,
			DynamicFirst: optional(f.dynamicFirst), DynamicLast: optional(f.dynamicLast),
			Nameservers: given(cmd, "nameserver", f.nameservers), Forwarders: given(cmd, "forwarder", f.forwarders),
			LeaseTime: given(cmd, "lease-time", f.lease.String()),
			PortFirst: given(cmd, "port-first", f.portFirst), PortLast: given(cmd, "port-last", f.portLast),
			PublicAddresses: given(cmd, "public-address", f.public),
		}
		answer, err := s.CreateSiteWithResponse(ctx, body)
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON201, siteColumns(s))
	})
	return cmd
}

func siteUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update NAME", Short: "Change a site", Args: args(cobra.ExactArgs(1)), ValidArgsFunction: complete(siteNames),
	}
	var f siteFlags
	f.add(cmd)
	name := cmd.Flags().String("name", "", "new name")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		body := client.SiteUpdate{
			Name: given(cmd, "name", *name), Domain: given(cmd, "domain", f.domain), Gateway: given(cmd, "gateway", f.gateway),
			RangeFirst: given(cmd, "range-first", f.rangeFirst), RangeLast: given(cmd, "range-last", f.rangeLast),
			DynamicFirst: given(cmd, "dynamic-first", f.dynamicFirst), DynamicLast: given(cmd, "dynamic-last", f.dynamicLast),
			Nameservers: given(cmd, "nameserver", f.nameservers), Forwarders: given(cmd, "forwarder", f.forwarders),
			LeaseTime: given(cmd, "lease-time", f.lease.String()),
			PortFirst: given(cmd, "port-first", f.portFirst), PortLast: given(cmd, "port-last", f.portLast),
			PublicAddresses: given(cmd, "public-address", f.public),
		}
		answer, err := s.UpdateSiteWithResponse(ctx, args[0], nil, body)
		if err != nil {
			return err
		}
		return printOne(s, *answer.JSON200, siteColumns(s))
	})
	return cmd
}

func siteNetwork() *cobra.Command {
	return &cobra.Command{
		Use: "network NAME", Short: "List the addresses that a site holds, and how far its edges are", Args: args(cobra.ExactArgs(1)),
		ValidArgsFunction: complete(siteNames),
		RunE: with(func(ctx context.Context, s *session, args []string) error {
			answer, err := s.GetSiteNetworkWithResponse(ctx, args[0])
			if err != nil {
				return err
			}
			network := answer.JSON200
			if s.format != "table" {
				return s.encode(network)
			}
			fmt.Fprintf(s.out, "Revision %d, published %d\n\n", network.Desired, network.Published)
			if err := printList(s, network.Reservations, reservationColumns()); err != nil {
				return err
			}
			fmt.Fprintln(s.out)
			return printList(s, network.Edges, edgeColumns(s))
		}),
	}
}

func reservationColumns() []column[client.Reservation] {
	type r = client.Reservation
	return []column[r]{
		{title: "Address", cell: func(r r) string { return r.Address }},
		{title: "State", cell: func(r r) string { return string(r.State) }},
		{title: "MAC", cell: func(r r) string { return text(r.MAC) }},
		{title: "Host name", cell: func(r r) string { return text(r.Hostname) }},
	}
}

func siteColumns(s *session) []column[client.Site] {
	type v = client.Site
	return []column[v]{
		{title: "Name", cell: func(v v) string { return v.Name }},
		{title: "ID", detail: true, cell: func(v v) string { return v.ID }},
		{title: "State", cell: func(v v) string { return string(v.State) }},
		{title: "Domain", cell: func(v v) string { return v.Domain }},
		{title: "Network", cell: func(v v) string { return v.CIDR }},
		{title: "Gateway", cell: func(v v) string { return v.Gateway }},
		{title: "Range", cell: func(v v) string { return v.RangeFirst + "-" + v.RangeLast }},
		{title: "Dynamic range", detail: true, cell: func(v v) string {
			if v.DynamicFirst == nil {
				return ""
			}
			return *v.DynamicFirst + "-" + text(v.DynamicLast)
		}},
		{title: "Name servers", detail: true, cell: func(v v) string { return strings.Join(v.Nameservers, ", ") }},
		{title: "Forwarders", detail: true, cell: func(v v) string { return strings.Join(v.Forwarders, ", ") }},
		{title: "External ports", detail: true, cell: func(v v) string { return fmt.Sprintf("%d-%d", v.PortFirst, v.PortLast) }},
		{title: "Public addresses", detail: true, cell: func(v v) string { return strings.Join(v.PublicAddresses, ", ") }},
		{title: "Lease time", detail: true, cell: func(v v) string { return v.LeaseTime }},
		{title: "Revision", cell: func(v v) string { return fmt.Sprintf("%d/%d", v.Published, v.Desired) }},
		{title: "Age", cell: func(v v) string { return s.age(&v.CreatedAt) }},
	}
}
