// Package nameserver is the public DNS of the lab: a real name server (Knot DNS) that is authoritative for one zone and takes dynamic
// updates (RFC 2136) under a TSIG key (RFC 8945).
package nameserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"text/template"

	"berth/process"

	"github.com/miekg/dns"
)

// The TSIG key that updates are signed with. It is no secret: the lab serves loopback only.
const (
	KeyName      = "berth-lab."
	KeyAlgorithm = dns.HmacSHA256
	KeySecret    = "YmVydGgtbGFiLXRzaWctc2VjcmV0LTMyLWJ5dGVzISE="
)

// Config says what to serve.
type Config struct {
	Dir     string     // of its files, which are made anew at each start
	Listen  string     // host:port, UDP and TCP
	Zone    string     // such as "demo.test"
	Address netip.Addr // that the zone and every name in it has
	Log     *slog.Logger
}

// Server is a running name server.
type Server struct {
	*process.Supervisor
	listen, zone string
}

// Start starts the server and returns when it answers.
func Start(ctx context.Context, c Config) (*Server, error) {
	at, err := netip.ParseAddrPort(c.Listen)
	if err != nil {
		return nil, fmt.Errorf("name server of the lab: %w", err)
	}
	if err := errors.Join(os.RemoveAll(c.Dir), os.MkdirAll(c.Dir, 0o700)); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{"knot.conf": configuration, "zone": zone} {
		var b bytes.Buffer
		err := template.Must(template.New(name).Parse(text)).Execute(&b, map[string]any{
			"Dir": dir, "Address": at.Addr(), "Port": at.Port(), "Zone": c.Zone, "Edge": c.Address, "Key": KeyName, "Secret": KeySecret,
		})
		if err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600)); err != nil {
			return nil, err
		}
	}
	log, err := os.OpenFile(filepath.Join(dir, "knot.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	s := &Server{listen: c.Listen, zone: dns.Fqdn(c.Zone)}
	s.Supervisor, err = process.Start(ctx, process.Child{
		Command: []string{"knotd", "-c", filepath.Join(dir, "knot.conf")}, Ready: s.ready, Output: log, Log: c.Log,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) ready(ctx context.Context) error {
	answer, _, err := new(dns.Client).ExchangeContext(ctx, new(dns.Msg).SetQuestion(s.zone, dns.TypeSOA), s.listen)
	if err == nil && len(answer.Answer) == 0 {
		err = errors.New("the zone is not loaded")
	}
	return err
}

const configuration = `server:
    listen: {{.Address}}@{{.Port}}
    rundir: "{{.Dir}}"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{{.Dir}}"
log:
  - target: stderr
    any: info
key:
  - id: {{.Key}}
    algorithm: hmac-sha256
    secret: {{.Secret}}
acl:
  - id: berth
    key: {{.Key}}
    action: [update, transfer]
zone:
  - domain: {{.Zone}}
    file: "{{.Dir}}/zone"
    zonefile-sync: -1
    acl: berth
`

const zone = `$ORIGIN {{.Zone}}.
$TTL 5
@ SOA ns hostmaster 1 3600 600 86400 1
@ NS ns
ns A {{.Address}}
@ A {{.Edge}}
* A {{.Edge}}
`
