// Package nameserver is the public DNS of the lab: a real name server (Knot DNS) that is authoritative for some zones and takes dynamic
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
	Zones   []string   // such as "demo.test"
	Address netip.Addr // that the zones and every name in them have
	Log     *slog.Logger
}

// Server is a running name server.
type Server struct {
	*process.Supervisor
	Client
	zones []string
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
	files := map[string]string{"knot.conf": configuration}
	for _, name := range c.Zones {
		files[name] = zone
	}
	for name, text := range files {
		var b bytes.Buffer
		err := template.Must(template.New(name).Parse(text)).Execute(&b, map[string]any{
			"Dir": dir, "Address": at.Addr(), "Port": at.Port(), "Zones": c.Zones, "Zone": name, "Edge": c.Address, "Key": KeyName, "Secret": KeySecret,
		})
		if err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600)); err != nil {
			return nil, err
		}
	}
	log, err := os.OpenFile(filepath.Join(dir, "knot.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	s := &Server{Client: Client{c.Listen}, zones: c.Zones}
	s.Supervisor, err = process.Start(ctx, process.Child{
		Command: []string{"knotd", "-c", filepath.Join(dir, "knot.conf")}, Ready: s.ready, Output: log, Log: c.Log,
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) ready(ctx context.Context) error {
	for _, zone := range s.zones {
		answer, _, err := new(dns.Client).ExchangeContext(ctx, new(dns.Msg).SetQuestion(dns.Fqdn(zone), dns.TypeSOA), s.Address)
		if err == nil && len(answer.Answer) == 0 {
			err = fmt.Errorf("zone %s is not loaded", zone)
		}
		if err != nil {
			return err
		}
	}
	return nil
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
{{range .Zones}}  - domain: {{.}}
    file: "{{$.Dir}}/{{.}}"
    zonefile-sync: -1
    acl: berth
{{end}}`

const zone = `$ORIGIN {{.Zone}}.
$TTL 5
@ SOA ns hostmaster 1 3600 600 86400 1
@ NS ns
ns A {{.Address}}
@ A {{.Edge}}
* A {{.Edge}}
`
