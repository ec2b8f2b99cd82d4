package templates

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"berth/domain"
)

// NginxOptions is what NGINX's configuration needs to know about the host it runs on.
type NginxOptions struct {
	Dir          string   // absolute path of the folder that Files are relative to
	RunDir       string   // absolute path of the folder for logs, socket, process ID, and the edge's own self-signed certificate
	Listen       []string // addresses for HTTP, HTTPS and streams; empty means all, IPv4 and IPv6
	HTTPPort     int      // 0 means 80
	HTTPSPort    int      // 0 means 443
	Resolver     string   // "ip" or "ip:port" of the edge's own dnsmasq
	User         string   // of the workers; empty means NGINX's own default
	Stream       bool     // NGINX can serve tcp and udp
	StreamModule string   // path of the module for them; empty when it is built in
	HTTP2        bool     // knows the directive "http2 on" (1.25.1); else it is a parameter of listen
}

// Paths of NGINX's files.
const (
	NginxConf         = "nginx.conf"
	NginxDigest       = "digest"          // what NGINX answers at /digest of its socket when it serves these files
	NginxCertificates = "certificates"    // folder of <id>.pem and <id>.key
	NginxChallenges   = "challenges"      // folder that has .well-known/acme-challenge/<token>
	NginxSocket       = "status.sock"     // in RunDir
	NginxPID          = "nginx.pid"       // in RunDir
	SelfSignedChain   = "self-signed.pem" // in RunDir
	SelfSignedKey     = "self-signed.key" // in RunDir
)

var (
	//go:embed nginx.conf.tmpl
	nginxConf string
	//go:embed pages/*.html
	nginxPages embed.FS

	nginxTemplate = template.Must(template.New(NginxConf).Option("missingkey=error").Funcs(template.FuncMap{"quote": quote}).Parse(nginxConf))
	acmeToken     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
)

const digestHere = "@digest@"

// Nginx renders the configuration of a site's NGINX: one server block for each certificate and set of options, however many
// names there are. Services that cannot be served are left out and returned. The error is of kind Invalid, when the site itself or
// the options cannot be served.
func Nginx(snapshot domain.Snapshot, options NginxOptions) (Files, []Problem, error) {
	options, err := options.complete()
	if err != nil {
		return nil, nil, err
	}
	good, _, err := ValidateSnapshot(snapshot)
	if err != nil {
		return nil, nil, err
	}
	files := Files{}
	if err := addPages(files); err != nil {
		return nil, nil, err
	}
	addChallenges(files, good.Challenges)
	n := nginx{snapshot: good, options: options, files: files, broken: map[string]string{}}
	n.certificates()
	n.services()
	conf, err := n.render()
	if err != nil {
		return nil, nil, err
	}
	files[NginxConf] = conf
	files[NginxDigest] = digestOf(files)
	files[NginxConf] = strings.Replace(conf, digestHere, files[NginxDigest], 1)
	return files, n.left, nil
}

func digestOf(files Files) string {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(sum, "%q %q\n", name, files[name])
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func addPages(files Files) error {
	pages, err := fs.Glob(nginxPages, "pages/*.html")
	for _, page := range pages {
		content, readErr := nginxPages.ReadFile(page)
		err = cmp.Or(err, readErr)
		files[page] = string(content)
	}
	return err
}

func addChallenges(files Files, all []domain.Challenge) {
	for _, c := range all {
		if acmeToken.MatchString(c.Token) {
			files[NginxChallenges+"/.well-known/acme-challenge/"+c.Token] = c.KeyAuthorization
		}
	}
}

// nginx gathers what the template needs.
type nginx struct {
	snapshot domain.Snapshot
	options  NginxOptions
	files    Files
	left     []Problem
	broken   map[string]string // certificate -> why it cannot be used
	http     []domain.ServedService
	streams  []domain.ServedService
}

// certificates writes those that NGINX will take.
func (n *nginx) certificates() {
	for _, c := range n.snapshot.Certificates {
		if !hostID.MatchString(c.ID) {
			continue // it is a file name here
		}
		if _, err := tls.X509KeyPair([]byte(c.Chain), []byte(c.Key)); err != nil {
			n.broken[c.ID] = strings.TrimPrefix(err.Error(), "tls: ")
			continue
		}
		n.files[path.Join(NginxCertificates, c.ID+".pem")] = c.Chain
		n.files[path.Join(NginxCertificates, c.ID+".key")] = c.Key
	}
}

// services sorts out what can be served. Of two that want the same the one with the lower ID, which is the older, gets it.
func (n *nginx) services() {
	taken := map[string]string{}
	all := slices.SortedStableFunc(slices.Values(n.snapshot.Services), func(a, b domain.ServedService) int { return cmp.Compare(a.ID, b.ID) })
	for _, v := range all {
		if v.Kind == domain.ServiceSRV {
			continue // dnsmasq's
		}
		reason := n.wrong(v)
		if reason == "" {
			if by, is := taken[v.Title()]; is {
				reason = "service " + by + " has it already"
			}
		}
		if reason != "" {
			n.left = append(n.left, Problem{ID: v.ID, Name: v.Title(), Reason: reason})
			continue
		}
		taken[v.Title()] = v.ID
		if v.Kind == domain.ServiceHTTP {
			n.http = append(n.http, v)
		} else {
			n.streams = append(n.streams, v)
		}
	}
}

// wrong says why a service cannot be served, empty when it can. Values were checked when they came in; what means something else
// inside a configuration is kept out once more.
func (n *nginx) wrong(v domain.ServedService) string {
	if bad := v.Validate(v.Hostname); len(bad) > 0 {
		return bad[0].Field + " " + bad[0].Rule
	}
	switch {
	case !domain.ValidHostname(v.Hostname):
		return "its container has no host name"
	case n.broken[v.Certificate] != "":
		return "its certificate cannot be used: " + n.broken[v.Certificate]
	case v.AuthServer != "" && authURL(v.AuthServer) == nil:
		return "its auth server is no URL of scheme and host"
	case v.Kind == domain.ServiceHTTP && v.HTTP.HTTP1Only && !n.options.HTTP2:
		return "this edge's NGINX cannot leave HTTP/2 out for a single service: 1.25.1 and newer can"
	case v.Kind != domain.ServiceHTTP && !n.options.Stream:
		return "this edge's NGINX lacks the stream module (libnginx-mod-stream)"
	case v.Kind == domain.ServiceTCP && (v.ExternalPort == n.options.HTTPPort || v.ExternalPort == n.options.HTTPSPort):
		return "the port is NGINX's own"
	case v.Kind != domain.ServiceHTTP && v.ExternalPort == 0:
		return "externalPort must be given"
	}
	return ""
}

func authURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.RawQuery != "" || u.User != nil {
		return nil
	}
	if !domain.ValidDomain(u.Hostname()) && !isIPv4(u.Hostname()) {
		return nil
	}
	return u
}

// httpGroup is one server block: names that share certificate and options.
type httpGroup struct {
	HTTP                domain.HTTPOptions
	Chain, Key          string // paths
	AuthServer          string
	AuthHost, AuthName  string
	Scheme, BackendName string
	Timeout             int
	MaxBody             string
	Hosts               []string
}

func (n *nginx) httpGroups() []httpGroup {
	type key struct {
		http              domain.HTTPOptions
		certificate, auth string
	}
	groups := map[key]*httpGroup{}
	var order []key
	for _, v := range n.http {
		k := key{http: v.HTTP, certificate: v.Certificate}
		if v.HTTP.Auth {
			k.auth = v.AuthServer
		}
		if groups[k] == nil {
			groups[k], order = n.httpGroup(v), append(order, k)
		}
		groups[k].Hosts = append(groups[k].Hosts, v.Host)
	}
	all := make([]httpGroup, len(order))
	for i, k := range order {
		all[i] = *groups[k]
	}
	return all
}

func (n *nginx) httpGroup(v domain.ServedService) *httpGroup {
	g := &httpGroup{
		HTTP: v.HTTP, AuthServer: v.AuthServer, Scheme: string(cmp.Or(v.HTTP.Backend, domain.BackendHTTP)),
		BackendName: "$host", Timeout: cmp.Or(v.HTTP.TimeoutSeconds, int(domain.DefaultHTTPTimeout.Seconds())),
	}
	g.Chain, g.Key = n.pair(v.Certificate)
	if v.HTTP.BackendName != "" {
		g.BackendName = quote(v.HTTP.BackendName)
	}
	if u := authURL(v.AuthServer); u != nil {
		g.AuthHost, g.AuthName = u.Host, u.Hostname()
	}
	switch size := cmp.Or(v.HTTP.MaxBodyMiB, domain.DefaultMaxBodyMiB); {
	case size < 0:
		g.MaxBody = "0" // without limit
	default:
		g.MaxBody = strconv.Itoa(size) + "m"
	}
	return g
}

// streamGroup is one server block: ports that share certificate and options.
type streamGroup struct {
	Stream     domain.StreamOptions
	Chain, Key string
	Timeout    int
	Listen     []string
}

func (n *nginx) streamGroups() []streamGroup {
	type key struct {
		kind        domain.ServiceKind
		stream      domain.StreamOptions
		certificate string
	}
	groups := map[key]*streamGroup{}
	var order []key
	for _, v := range n.streams {
		k := key{v.Kind, v.Stream, v.Certificate}
		if groups[k] == nil {
			usual := domain.DefaultTCPTimeout
			if v.Kind == domain.ServiceUDP {
				usual = domain.DefaultUDPTimeout
			}
			g := &streamGroup{Stream: v.Stream, Timeout: cmp.Or(v.Stream.TimeoutSeconds, int(usual.Seconds()))}
			g.Chain, g.Key = n.pair(v.Certificate)
			groups[k], order = g, append(order, k)
		}
		suffix := ""
		if v.Kind == domain.ServiceUDP {
			suffix = " udp"
		}
		if v.Stream.TLS {
			suffix += " ssl"
		}
		for _, address := range n.options.listen(v.ExternalPort) {
			groups[k].Listen = append(groups[k].Listen, address+suffix)
		}
	}
	all := make([]streamGroup, len(order))
	for i, k := range order {
		all[i] = *groups[k]
	}
	return all
}

// pair returns the paths of a certificate and its key; the edge's own self-signed ones when the snapshot has none.
func (n *nginx) pair(id string) (chain, key string) {
	name := path.Join(NginxCertificates, id)
	if _, ok := n.files[name+".pem"]; !ok {
		return path.Join(n.options.RunDir, SelfSignedChain), path.Join(n.options.RunDir, SelfSignedKey)
	}
	return path.Join(n.options.Dir, name+".pem"), path.Join(n.options.Dir, name+".key")
}

func (n *nginx) render() (string, error) {
	o := n.options
	http2, redirect := " http2", ""
	if o.HTTP2 {
		http2 = ""
	}
	if o.HTTPSPort != 443 {
		redirect = ":" + strconv.Itoa(o.HTTPSPort)
	}
	var out strings.Builder
	err := nginxTemplate.Execute(&out, map[string]any{
		"Snapshot":       n.snapshot,
		"Options":        o,
		"Run":            o.RunDir,
		"Files":          o.Dir,
		"Digest":         digestHere,
		"HashSize":       max(2048, 4*max(len(n.http), len(n.streams))),
		"HTTPListen":     o.listen(o.HTTPPort),
		"HTTPSListen":    o.listen(o.HTTPSPort),
		"HTTP2Parameter": http2,
		"RedirectPort":   redirect,
		"HTTP":           n.http,
		"Groups":         n.httpGroups(),
		"Streams":        n.streams,
		"StreamGroups":   n.streamGroups(),
	})
	if err != nil {
		return "", fmt.Errorf("render %s: %w", NginxConf, err)
	}
	return out.String(), nil
}

// listen returns what "listen" gets for a port.
func (o NginxOptions) listen(port int) []string {
	if len(o.Listen) == 0 {
		return []string{strconv.Itoa(port), fmt.Sprintf("[::]:%d", port)}
	}
	all := make([]string, len(o.Listen))
	for i, a := range o.Listen {
		all[i] = netip.AddrPortFrom(netip.MustParseAddr(a), uint16(port)).String() // checked by complete
	}
	return all
}

// complete fills what was left out and refuses what would mean something else inside NGINX's configuration.
func (o NginxOptions) complete() (NginxOptions, error) {
	o.HTTPPort, o.HTTPSPort = cmp.Or(o.HTTPPort, 80), cmp.Or(o.HTTPSPort, 443)
	o.RunDir = cmp.Or(o.RunDir, o.Dir)
	var bad []domain.FieldError
	for field, value := range map[string]string{"dir": o.Dir, "runDir": o.RunDir, "streamModule": cmp.Or(o.StreamModule, "/")} {
		if !safePath.MatchString(value) && value != "/" {
			bad = append(bad, domain.FieldError{Field: field, Rule: "must be an absolute path of letters, digits and ._/@+=~:-"})
		}
	}
	for i, a := range o.Listen {
		if address, err := netip.ParseAddr(a); err != nil || address.Zone() != "" {
			bad = append(bad, domain.FieldError{Field: fmt.Sprintf("listen[%d]", i), Rule: "must be an IP address of this host"})
		}
	}
	for field, port := range map[string]int{"httpPort": o.HTTPPort, "httpsPort": o.HTTPSPort} {
		if port < 1 || port > 65535 {
			bad = append(bad, domain.FieldError{Field: field, Rule: "must be between 1 and 65535"})
		}
	}
	if _, err := netip.ParseAddrPort(o.Resolver); err != nil && !isIPv4(o.Resolver) {
		bad = append(bad, domain.FieldError{Field: "resolver", Rule: "must be an IP address, optionally with a port"})
	}
	if o.User != "" && !userName.MatchString(o.User) {
		bad = append(bad, domain.FieldError{Field: "user", Rule: "must be the name of a user of this host"})
	}
	slices.SortFunc(bad, func(a, b domain.FieldError) int { return cmp.Compare(a.Field, b.Field) })
	return o, domain.InvalidFields("the configuration of NGINX", bad)
}

// quote makes one word of NGINX's configuration of a text. Variables cannot be escaped in it, so a dollar sign is taken out, which
// none of the values that are quoted may have.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", "", "\n", " ", "\r", " ").Replace(s) + `"`
}
