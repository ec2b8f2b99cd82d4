package templates

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"berth/domain"
)

// Files maps slash-separated paths, relative to a daemon's folder, to contents.
type Files map[string]string

// Paths of dnsmasq's files that are not named by a container. Whoever applies the files writes the two marker files.
const (
	DnsmasqConf       = "dnsmasq.conf"      // read at start only
	DnsmasqHosts      = "hosts"             // folder of DNS names, re-read by dnsmasq whenever a file in it changes
	DnsmasqDHCP       = "dhcp"              // folder of reservations; dnsmasq notices additions, deletions need SIGHUP
	DnsmasqNames      = "hosts/names"       // names of nodes and edges
	DnsmasqRevision   = "hosts/revision"    // marker, proves by DNS what was read of the folders
	DnsmasqGeneration = "generation"        // marker, read at start and upon SIGHUP only
	MarkerRevision    = "revision.berth."   // + domain: AAAA as in DnsmasqRevision
	MarkerGeneration  = "generation.berth." // + domain: AAAA as in DnsmasqGeneration
	MarkerConf        = "conf.berth."       // + domain: TXT, the digest of the configuration that dnsmasq started with
)

// DnsmasqOptions is what dnsmasq's configuration needs to know about the host it runs on.
type DnsmasqOptions struct {
	Dir           string // absolute path of the folder that Files are relative to
	ListenAddress string // IPv4 address for DNS; DHCP is served on the interface that has it
	Port          int    // of DNS; 0 means 53
	LeaseFile     string // empty means Dir/leases
	PIDFile       string // empty means Dir/dnsmasq.pid
	LogFile       string // empty means syslog
	User          string // dnsmasq drops its privileges to; empty means its own default
}

//go:embed dnsmasq.conf.tmpl
var dnsmasqConf string

var (
	dnsmasqTemplate = template.Must(template.New(DnsmasqConf).Option("missingkey=error").Parse(dnsmasqConf))
	safePath        = regexp.MustCompile(`^/[A-Za-z0-9._/@+=~:-]+$`)
	userName        = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)
)

// Dnsmasq renders the configuration of a site's dnsmasq: the main file, one file per container in DnsmasqHosts and
// DnsmasqDHCP, and the names of nodes and edges. What ValidateSnapshot finds wrong with single hosts is left out and
// returned. The error is of kind Invalid, when the site itself or the options cannot be served.
func Dnsmasq(snapshot domain.Snapshot, options DnsmasqOptions) (Files, []Problem, error) {
	options, err := options.complete()
	if err != nil {
		return nil, nil, err
	}
	good, problems, err := ValidateSnapshot(snapshot)
	if err != nil {
		return nil, nil, err
	}
	records, more := srvRecords(good)
	problems = append(problems, more...)
	conf, err := renderConf(good, options, records)
	if err != nil {
		return nil, nil, err
	}
	files := Files{DnsmasqConf: conf}
	var names strings.Builder
	for _, n := range good.Names {
		fmt.Fprintf(&names, "%s %s.%s\n", n.Address, n.Name, good.Domain)
	}
	files[DnsmasqNames] = names.String()
	for _, h := range good.Hosts {
		files[DnsmasqHosts+"/"+h.ID] = fmt.Sprintf("%s %s.%s\n", h.Address, h.Hostname, good.Domain)
		if Reserved(good, h) {
			// id:* makes the client identifier irrelevant: it changes with every reinstallation of a guest.
			files[DnsmasqDHCP+"/"+h.ID] = fmt.Sprintf("%s,id:*,%s,%s,%d\n", h.MAC, h.Address, h.Hostname, leaseSeconds(good))
		}
	}
	return files, problems, nil
}

// Marker returns the line of a hosts file that maps one of the marker names of a domain to an address.
func Marker(name, domain string, value netip.Addr) string {
	return value.String() + " " + name + domain + "\n"
}

// Reserved reports whether DHCP hands the host its address: one outside the site's range is only named.
func Reserved(s domain.Snapshot, h domain.Host) bool {
	return h.MAC != "" && between(h.Address, s.RangeFirst, s.RangeLast)
}

// ConfDigest returns the digest that a configuration made by Dnsmasq announces as MarkerConf.
func ConfDigest(conf string) string {
	body, _, _ := strings.Cut(conf, "\ntxt-record=")
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// srvRecords returns the values of srv-host for what can be served: name, target, port, priority, weight.
func srvRecords(s domain.Snapshot) (records []string, left []Problem) {
	named := map[string]bool{}
	for _, h := range s.Hosts {
		named[h.Hostname] = true
	}
	for _, v := range s.Services {
		if v.Kind != domain.ServiceSRV {
			continue
		}
		reason := ""
		if bad := v.Validate(v.Hostname); len(bad) > 0 {
			reason = bad[0].Field + " " + bad[0].Rule
		} else if !named[v.Hostname] {
			reason = "its container has no name in the site"
		}
		if reason != "" {
			left = append(left, Problem{ID: v.ID, Name: v.Title(), Reason: reason})
			continue
		}
		records = append(records, fmt.Sprintf("%s.%s,%s.%s,%d,%d,%d",
			v.SRV.Name, s.Domain, v.Hostname, s.Domain, v.Port, v.SRV.Priority, v.SRV.Weight))
	}
	slices.Sort(records)
	return records, left
}

func renderConf(s domain.Snapshot, options DnsmasqOptions, srv []string) (string, error) {
	network := netip.MustParsePrefix(s.CIDR) // validated
	others := slices.DeleteFunc(slices.Clone(s.Edges), func(e string) bool { return e == options.ListenAddress })
	nameservers := s.Nameservers
	if len(nameservers) == 0 {
		nameservers = append([]string{options.ListenAddress}, others...)
	}
	var out strings.Builder
	err := dnsmasqTemplate.Execute(&out, map[string]any{
		"Snapshot":    s,
		"Options":     options,
		"Port":        options.Port,
		"Network":     network,
		"Mask":        net.IP(net.CIDRMask(network.Bits(), 32)).String(),
		"Lease":       leaseSeconds(s),
		"LeaseMax":    1 << (32 - network.Bits()), // dnsmasq's own limit is 1000
		"SRV":         srv,
		"Nameservers": strings.Join(nameservers, ","),
		// An authoritative dnsmasq refuses (DHCPNAK "wrong server-ID") what a client asks of another server of the network.
		"Alone": len(others) == 0,
	})
	if err != nil {
		return "", fmt.Errorf("render %s: %w", DnsmasqConf, err)
	}
	return fmt.Sprintf("%s\ntxt-record=%s%s,%s\n", out.String(), MarkerConf, s.Domain, ConfDigest(out.String())), nil
}

func leaseSeconds(s domain.Snapshot) int64 {
	if s.LeaseSeconds == 0 {
		return int64(domain.DefaultLeaseTime.Seconds())
	}
	return s.LeaseSeconds
}

// complete fills what was left out and refuses what would mean something else inside dnsmasq's configuration.
func (o DnsmasqOptions) complete() (DnsmasqOptions, error) {
	if o.Port == 0 {
		o.Port = 53
	}
	if o.LeaseFile == "" {
		o.LeaseFile = filepath.Join(o.Dir, "leases")
	}
	if o.PIDFile == "" {
		o.PIDFile = filepath.Join(o.Dir, "dnsmasq.pid")
	}
	var bad []domain.FieldError
	path := func(field, value string) {
		if !safePath.MatchString(value) {
			bad = append(bad, domain.FieldError{Field: field, Rule: "must be an absolute path of letters, digits and ._/@+=~:-"})
		}
	}
	path("dir", o.Dir)
	path("leaseFile", o.LeaseFile)
	path("pidFile", o.PIDFile)
	if o.LogFile != "" {
		path("logFile", o.LogFile)
	}
	if !isIPv4(o.ListenAddress) {
		bad = append(bad, domain.FieldError{Field: "listenAddress", Rule: "must be an IPv4 address of this host"})
	}
	if o.Port < 1 || o.Port > 65535 {
		bad = append(bad, domain.FieldError{Field: "port", Rule: "must be between 1 and 65535"})
	}
	if o.User != "" && !userName.MatchString(o.User) {
		bad = append(bad, domain.FieldError{Field: "user", Rule: "must be the name of a user of this host"})
	}
	return o, domain.InvalidFields("the configuration of dnsmasq", bad)
}
