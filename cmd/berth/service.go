package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth/client"
)

func serviceCommand() *cobra.Command {
	return noun("service", "What containers expose to the outside", serviceList(), serviceAdd(), serviceRemove())
}

func serviceList() *cobra.Command {
	cmd, site := onContainer("list", "List what a container exposes, and what edges say about it")
	cmd.Aliases = []string{"ls"}
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		answer, err := s.ListServicesWithResponse(ctx, args[0], &client.ListServicesParams{Site: optional(*site)})
		if err != nil {
			return err
		}
		return printList(s, answer.JSON200.Items, serviceColumns(s))
	})
	return cmd
}

// serviceFlags are those of one service.
type serviceFlags struct {
	http, tcp, udp, srv         string
	port                        int
	https, skipVerify, auth, h1 bool
	backendName, tls            string
	maxBody, timeout            int
	proxyProtocol               bool
	priority, weight            int
}

// chosenPort is what --tcp and --udp mean without a port: the site chooses one.
const chosenPort = "any"

func (f *serviceFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.http, "http", "", "publish under this name of an external domain")
	flags.StringVar(&f.tcp, "tcp", "", "publish on this TCP port of the edges; without a value on one of the site's choice")
	flags.StringVar(&f.udp, "udp", "", "publish on this UDP port of the edges; without a value on one of the site's choice")
	flags.Lookup("tcp").NoOptDefVal, flags.Lookup("udp").NoOptDefVal = chosenPort, chosenPort
	flags.StringVar(&f.srv, "srv", "", "publish as an SRV record in the site's DNS, such as _ldap._tcp")
	flags.IntVar(&f.port, "port", 0, "port that the container listens on; default: what its image names")
	flags.BoolVar(&f.https, "https-backend", false, "http: the container speaks HTTPS")
	flags.StringVar(&f.backendName, "backend-name", "", "http: name that an HTTPS backend must prove; default: the public name")
	flags.BoolVar(&f.skipVerify, "skip-verify", false, "http: take any certificate of an HTTPS backend")
	flags.BoolVar(&f.auth, "auth", false, "http: only for who is signed in at the domain's auth server")
	flags.IntVar(&f.maxBody, "max-body", 0, "http: largest body of a request in MiB; 0 for 2048, -1 without limit")
	flags.BoolVar(&f.h1, "http1-only", false, "http: do not offer HTTP/2")
	flags.IntVar(&f.timeout, "timeout", 0, "seconds of silence after which a connection ends; 0 for the default")
	flags.StringVar(&f.tls, "tls", "", "tcp: terminate TLS under this name of an external domain")
	flags.BoolVar(&f.proxyProtocol, "proxy-protocol", false, "tcp: send the container a PROXY protocol header")
	flags.IntVar(&f.priority, "priority", 0, "srv: priority, the lowest is asked first")
	flags.IntVar(&f.weight, "weight", 0, "srv: weight among equal priorities")
}

// spec returns the service that the flags describe.
func (f *serviceFlags) spec(cmd *cobra.Command) (spec client.ServiceSpec, err error) {
	spec.Port = optional(f.port)
	kinds := 0
	for _, kind := range []client.ServiceKind{
		client.ServiceKindHTTP, client.ServiceKindTCP, client.ServiceKindUDP, client.ServiceKindSRV,
	} {
		if cmd.Flags().Changed(string(kind)) {
			spec.Kind = kind
			kinds++
		}
	}
	if kinds != 1 {
		return spec, usageError{errors.New("one of --http, --tcp, --udp and --srv is needed")}
	}
	switch spec.Kind {
	case client.ServiceKindHTTP:
		spec.Host = &f.http
		spec.HTTP = &client.HTTPOptions{
			BackendName: optional(f.backendName), SkipVerify: optional(f.skipVerify), Auth: optional(f.auth),
			MaxBodyMiB: optional(f.maxBody), TimeoutSeconds: optional(f.timeout), HTTP1Only: optional(f.h1),
		}
		if f.https {
			spec.HTTP.Backend = optional(client.HTTPOptionsBackendHTTPS)
		}
	case client.ServiceKindSRV:
		spec.SRV = &client.SRVOptions{Name: &f.srv, Priority: optional(f.priority), Weight: optional(f.weight)}
	default:
		spec.Host = optional(f.tls)
		spec.Stream = &client.StreamOptions{
			TLS: optional(f.tls != ""), ProxyProtocol: optional(f.proxyProtocol), TimeoutSeconds: optional(f.timeout),
		}
		spec.ExternalPort, err = externalPort(f.tcp + f.udp)
	}
	return spec, err
}

func externalPort(text string) (*int, error) {
	if text == chosenPort {
		return nil, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, usageError{fmt.Errorf("%q is no port: write --tcp=PORT", text)}
	}
	return &n, nil
}

// published reads services in the short form that --publish takes.
func published(flags []string) (*[]client.ServiceSpec, error) {
	if len(flags) == 0 {
		return nil, nil
	}
	all := make([]client.ServiceSpec, len(flags))
	for i, flag := range flags {
		kind, rest, _ := strings.Cut(flag, "=")
		where, port := "", rest
		if at := strings.LastIndexByte(rest, ':'); at >= 0 {
			where, port = rest[:at], rest[at+1:]
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			return nil, usageError{fmt.Errorf("--publish %s: %q is no port of the container; write http=app.example.com:8080", flag, port)}
		}
		spec := client.ServiceSpec{Kind: client.ServiceKind(kind), Port: &n}
		switch spec.Kind {
		case client.ServiceKindHTTP:
			spec.Host = &where
		case client.ServiceKindSRV:
			spec.SRV = &client.SRVOptions{Name: &where}
		case client.ServiceKindTCP, client.ServiceKindUDP:
			if where != "" {
				if spec.ExternalPort, err = externalPort(where); err != nil {
					return nil, err
				}
			}
		default:
			return nil, usageError{fmt.Errorf("--publish %s: must begin with http=, tcp=, udp= or srv=", flag)}
		}
		all[i] = spec
	}
	return &all, nil
}

func serviceAdd() *cobra.Command {
	cmd, site := onContainer("add", "Publish a service of a container")
	cmd.Example = "  berth service add web01 --http app.example.com --port 8080 --wait\n" +
		"  berth service add web01 --tcp=2022 --port 22\n" +
		"  berth service add web01 --srv _ldap._tcp --port 389"
	wait, key := addWait(cmd), addKey(cmd)
	var f serviceFlags
	f.add(cmd)
	replace := cmd.Flags().StringSlice("replace", nil, "service that this one takes the place of, in the same change")
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		spec, err := f.spec(cmd)
		if err != nil {
			return err
		}
		return s.changeServices(ctx, args[0], *site, client.ServicesChange{
			Add: &[]client.ServiceSpec{spec}, Remove: given(cmd, "replace", *replace),
		}, key(), *wait)
	})
	return cmd
}

func serviceRemove() *cobra.Command {
	cmd, site := onContainer("remove", "Stop publishing services of a container")
	cmd.Use, cmd.Aliases, cmd.Args = "remove NAME SERVICE...", []string{"rm"}, args(cobra.MinimumNArgs(2))
	cmd.Example = "  berth service remove web01 app.example.com tcp/2022 _ldap._tcp"
	wait, key, sure := addWait(cmd), addKey(cmd), addYes(cmd)
	cmd.RunE = with(func(ctx context.Context, s *session, args []string) error {
		if err := s.confirm(*sure, "Stop publishing "+strings.Join(args[1:], ", ")+"?"); err != nil {
			return err
		}
		remove := args[1:]
		return s.changeServices(ctx, args[0], *site, client.ServicesChange{Remove: &remove}, key(), *wait)
	})
	return cmd
}

// changeServices starts a change; with wait it follows it to its end and prints what the container then exposes.
func (s *session) changeServices(
	ctx context.Context, ref, site string, change client.ServicesChange, key *string, wait bool,
) error {
	answer, err := s.ChangeServicesWithResponse(ctx, ref, &client.ChangeServicesParams{
		Site: optional(site), IdempotencyKey: key,
	}, change)
	if err != nil {
		return err
	}
	if !wait {
		return printOne(s, *answer.JSON202, operationColumns(s))
	}
	ended, err := s.progress(ctx, answer.JSON202.ID)
	if err != nil {
		return err
	}
	if err := failedOperation(ended); err != nil {
		return err
	}
	services, err := s.ListServicesWithResponse(ctx, ref, &client.ListServicesParams{Site: optional(site)})
	if err != nil {
		return err
	}
	return printList(s, services.JSON200.Items, serviceColumns(s))
}

func serviceColumns(s *session) []column[client.Service] {
	type v = client.Service
	return []column[v]{
		{title: "Service", cell: func(v v) string { return v.Title }},
		{title: "ID", detail: true, cell: func(v v) string { return v.ID }},
		{title: "Port", cell: func(v v) string { return strconv.Itoa(v.Port) }},
		{title: "State", cell: func(v v) string { return string(v.State) }},
		{title: "Certificate", cell: func(v v) string { return text((*string)(v.Certificate)) }},
		{title: "Edges", cell: func(v v) string { return servedBy(v.Edges) }},
		{title: "Live", cell: func(v v) string { return s.age(v.LiveSince) }},
		{title: "Message", cell: func(v v) string { return text(cmp.Or(v.Message, recordsMessage(v), v.CertificateMessage)) }},
	}
}

// servedBy tells how many edges serve a service, and which do not.
func servedBy(edges []client.ServedBy) string {
	var not []string
	for _, e := range edges {
		switch {
		case !e.Online:
			not = append(not, e.Edge+" is offline")
		case !e.Serves:
			not = append(not, e.Edge+" does not")
		}
	}
	out := fmt.Sprintf("%d/%d", len(edges)-len(not), len(edges))
	if len(not) > 0 {
		out += " (" + strings.Join(not, ", ") + ")"
	}
	return out
}

// recordsMessage says what is missing in public DNS.
func recordsMessage(v client.Service) *string {
	if v.PublicRecords == nil {
		return nil
	}
	if v.PublicRecords.State == client.PublicRecordsStateManual {
		return optional("public DNS must have " + strings.Join(v.PublicRecords.Records, ", "))
	}
	return v.PublicRecords.Message
}
