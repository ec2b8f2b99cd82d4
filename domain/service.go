package domain

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Service is what a container exposes to the outside of its site.
type Service struct {
	ID          string
	ContainerID string
	SiteID      string
	ServiceSpec
	State     ServiceState
	Revision  int64     // of the site's network, the first that has the service, or the first that has it no longer
	LiveSince time.Time // zero until it was served by every edge that is needed
	CreatedAt time.Time
	Version   int64
}

// ServiceSpec is what a person may ask for. Which fields count depends on Kind; those of other kinds must be empty.
type ServiceSpec struct {
	Kind ServiceKind `json:"kind"`
	Port int         `json:"port"` // that the container listens on

	// Host is the public name, lower case and without a final dot: of an http service, and of the certificate of a tcp service
	// with TLS.
	Host string `json:"host,omitempty"`
	// ExternalPort is what edges listen on for tcp and udp; 0 in a request lets Berth choose of the site's range.
	ExternalPort int           `json:"externalPort,omitempty"`
	HTTP         HTTPOptions   `json:"http"`
	Stream       StreamOptions `json:"stream"`
	SRV          SRVOptions    `json:"srv"`
}

// ServiceKind is how a service is reached.
type ServiceKind string

// The kinds of service.
const (
	ServiceHTTP ServiceKind = "http" // by a public name, through NGINX with TLS
	ServiceTCP  ServiceKind = "tcp"  // by a port of the edges
	ServiceUDP  ServiceKind = "udp"  // by a port of the edges
	ServiceSRV  ServiceKind = "srv"  // by an SRV record in the site's DNS
)

// HTTPOptions are the settings of an http service. The zero value proxies plain HTTP/1.1 with the defaults below.
type HTTPOptions struct {
	Backend        BackendScheme `json:"backend,omitempty"`        // empty means http
	BackendName    string        `json:"backendName,omitempty"`    // https: name sent (SNI) and verified; empty means the public name
	SkipVerify     bool          `json:"skipVerify,omitempty"`     // https: take any certificate of the backend
	Auth           bool          `json:"auth,omitempty"`           // only for who is signed in at the domain's auth server
	MaxBodyMiB     int           `json:"maxBodyMiB,omitempty"`     // of a request; 0 means DefaultMaxBodyMiB, -1 without limit
	TimeoutSeconds int           `json:"timeoutSeconds,omitempty"` // between two reads or writes; 0 means DefaultHTTPTimeout
	HTTP1Only      bool          `json:"http1Only,omitempty"`      // do not offer HTTP/2 to clients
}

// BackendScheme is how an edge talks to a container.
type BackendScheme string

// The schemes of a backend.
const (
	BackendHTTP  BackendScheme = "http"
	BackendHTTPS BackendScheme = "https"
)

// StreamOptions are the settings of a tcp or udp service.
type StreamOptions struct {
	TLS            bool `json:"tls,omitempty"`            // tcp: the edge terminates TLS under ServiceSpec.Host
	ProxyProtocol  bool `json:"proxyProtocol,omitempty"`  // tcp: the container gets a PROXY protocol header (version 1)
	TimeoutSeconds int  `json:"timeoutSeconds,omitempty"` // of silence; 0 means DefaultTCPTimeout or DefaultUDPTimeout
}

// SRVOptions are the settings of an srv service (RFC 2782).
type SRVOptions struct {
	// Name is "_service._proto" in the site's domain, or "_service._proto.<container>" below the container's own name.
	Name     string `json:"name,omitempty"`
	Priority int    `json:"priority,omitempty"`
	Weight   int    `json:"weight,omitempty"`
}

// What services get that do not ask for something else.
const (
	DefaultMaxBodyMiB  = 2048
	MaxMaxBodyMiB      = 1 << 20
	DefaultHTTPTimeout = 60 * time.Second // as NGINX has it
	DefaultTCPTimeout  = 10 * time.Minute
	DefaultUDPTimeout  = time.Minute
	MaxServiceTimeout  = 24 * time.Hour // long polls and websockets that are silent for longer should ping
	MaxServices        = 64             // of one container
)

// The range of external ports of a site that names none.
const (
	DefaultPortFirst = 2000
	DefaultPortLast  = 2999
)

// ServiceState is where a service stands.
type ServiceState string

// The states of a service.
const (
	ServiceRequested ServiceState = "requested" // wanted; some edge that is needed does not serve it yet
	ServiceLive      ServiceState = "live"      // every edge that is online serves it, and at least one does
	ServiceFailing   ServiceState = "failing"   // an edge left it out, in its own words
	ServiceRemoving  ServiceState = "removing"  // wanted no longer; some edge may serve it still
	ServiceParked    ServiceState = "parked"    // of a container that failed: it holds nothing, and is published when that is retried
)

// ServedBy is one edge's word on a service.
type ServedBy struct {
	Edge     string
	Online   bool
	Serves   bool
	Revision int64  // that the edge serves
	Message  string // why it leaves the service out
}

// ServedBy tells for every edge of the service's site that counts whether it serves the service.
func (s Service) ServedBy(edges []Edge) []ServedBy {
	var all []ServedBy
	for _, e := range edges {
		if e.SiteID != s.SiteID || e.State == EdgeRetired {
			continue
		}
		by := ServedBy{Edge: e.Name, Online: e.State == EdgeOnline, Revision: e.Applied}
		if i := slices.IndexFunc(e.LeftOut, func(l LeftOut) bool { return l.ServiceID == s.ID }); i >= 0 {
			by.Message = e.LeftOut[i].Reason
		}
		known := e.Applied >= s.Revision
		by.Serves = s.State != ServiceParked && by.Message == "" && known == (s.State != ServiceRemoving)
		all = append(all, by)
	}
	return all
}

// RefusedBy returns the first edge that is online and leaves the service out, if one does.
func (s Service) RefusedBy(edges []Edge) (ServedBy, bool) {
	for _, by := range s.ServedBy(edges) {
		if by.Online && by.Message != "" && by.Revision >= s.Revision {
			return by, true
		}
	}
	return ServedBy{}, false
}

var (
	srvName     = regexp.MustCompile(`^_[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?\._(tcp|udp)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?$`)
	serviceName = "must be _service._tcp or _service._udp, optionally followed by a dot and the container's own name"
)

// PublicName brings a name that a person typed into the one spelling that is kept: lower case, without final dot. It refuses
// everything that may look like another name: what is not ASCII, and internationalised labels ("xn--"). The error is the rule.
func PublicName(s string) (string, error) {
	name := strings.TrimSuffix(strings.ToLower(s), ".")
	switch {
	case strings.Contains(name, "*"):
		return "", errors.New("must not be a wildcard")
	case strings.ContainsFunc(name, func(r rune) bool { return r > 0x7e }):
		return "", errors.New("must be written in ASCII letters: others may look like another name")
	case slices.ContainsFunc(strings.Split(name, "."), func(l string) bool { return strings.HasPrefix(l, "xn--") }):
		return "", errors.New("must not have internationalised labels (xn--): they may look like another name")
	case !ValidDomain(name) || !strings.Contains(name, "."):
		return "", errors.New("must be a DNS name such as app.example.com")
	case strings.Trim(name[strings.LastIndexByte(name, '.')+1:], "0123456789") == "": // no top-level domain is a number (RFC 3696, 2)
		return "", errors.New("must be a DNS name, not an address")
	}
	return name, nil
}

// Validate returns every field that breaks a rule by itself. container is the name of the container.
func (s ServiceSpec) Validate(container string) []FieldError {
	v := serviceRules{}
	v.between("port", s.Port, 1, 65535, "")
	switch s.Kind {
	case ServiceHTTP:
		v.name(s.Host)
		v.http(s.HTTP)
	case ServiceTCP:
		if s.Stream.TLS {
			v.name(s.Host)
		} else {
			v.unused("host", s.Host != "", "http services and tcp services with TLS")
		}
	case ServiceUDP:
		v.unused("host", s.Host != "", "http services and tcp services with TLS")
		v.unused("stream.tls", s.Stream.TLS, "tcp services")
		v.unused("stream.proxyProtocol", s.Stream.ProxyProtocol, "tcp services")
	case ServiceSRV:
		v.srv(s.SRV, container)
		v.unused("host", s.Host != "", "http services and tcp services with TLS")
	default:
		v.fail("kind", "must be http, tcp, udp or srv")
		return v.bad
	}
	if s.Kind == ServiceTCP || s.Kind == ServiceUDP {
		if s.ExternalPort != 0 {
			v.between("externalPort", s.ExternalPort, 1, 65535, "")
		}
		v.between("stream.timeoutSeconds", s.Stream.TimeoutSeconds, 0, int(MaxServiceTimeout.Seconds()), "")
	} else {
		v.unused("externalPort", s.ExternalPort != 0, "tcp and udp services")
		v.unused("stream", s.Stream != (StreamOptions{}), "tcp and udp services")
	}
	if s.Kind != ServiceHTTP {
		v.unused("http", s.HTTP != (HTTPOptions{}), "http services")
	}
	if s.Kind != ServiceSRV {
		v.unused("srv", s.SRV != (SRVOptions{}), "srv services")
	}
	return v.bad
}

type serviceRules struct{ bad []FieldError }

func (v *serviceRules) fail(field, rule string, args ...any) {
	v.bad = append(v.bad, FieldError{field, fmt.Sprintf(rule, args...)})
}

func (v *serviceRules) between(field string, n, lo, hi int, unit string) {
	if n < lo || n > hi {
		v.fail(field, "must be between %d and %d%s", lo, hi, unit)
	}
}

func (v *serviceRules) unused(field string, given bool, who string) {
	if given {
		v.fail(field, "is for %s only", who)
	}
}

func (v *serviceRules) name(host string) {
	if name, err := PublicName(host); err != nil {
		v.fail("host", "%s", err)
	} else if name != host {
		v.fail("host", "must be lower case and without a final dot")
	}
}

func (v *serviceRules) http(o HTTPOptions) {
	switch cmp.Or(o.Backend, BackendHTTP) {
	case BackendHTTPS:
		if o.BackendName != "" && !ValidDomain(o.BackendName) {
			v.fail("http.backendName", "must be a lower-case DNS name")
		}
	case BackendHTTP:
		v.unused("http.backendName", o.BackendName != "", "https backends")
		v.unused("http.skipVerify", o.SkipVerify, "https backends")
	default:
		v.fail("http.backend", "must be http or https")
	}
	v.between("http.maxBodyMiB", o.MaxBodyMiB, -1, MaxMaxBodyMiB, " MiB")
	v.between("http.timeoutSeconds", o.TimeoutSeconds, 0, int(MaxServiceTimeout.Seconds()), "")
}

func (v *serviceRules) srv(o SRVOptions, container string) {
	parts := strings.SplitN(o.Name, ".", 3)
	if !srvName.MatchString(o.Name) || len(parts) == 3 && parts[2] != container {
		v.fail("srv.name", "%s", serviceName)
	}
	v.between("srv.priority", o.Priority, 0, 65535, "")
	v.between("srv.weight", o.Weight, 0, 65535, "")
}

// Claims returns what nobody else may have while the service is wanted, as keys that are unique in the installation: its public
// name, its port at the site, its SRV name at the site.
func (s ServiceSpec) Claims(siteID string) []string {
	switch s.Kind {
	case ServiceHTTP:
		return []string{"host " + s.Host}
	case ServiceTCP, ServiceUDP:
		claims := []string{fmt.Sprint(s.Kind.PortClaims(siteID), s.ExternalPort)}
		if s.Host != "" {
			claims = append(claims, "host "+s.Host)
		}
		return claims
	case ServiceSRV:
		return []string{"srv " + siteID + "/" + s.SRV.Name}
	}
	return nil
}

// Title names a service for people, such as "https://app.example.com" or "tcp port 2001".
func (s ServiceSpec) Title() string {
	switch s.Kind {
	case ServiceHTTP:
		return "https://" + s.Host
	case ServiceSRV:
		return "SRV " + s.SRV.Name
	}
	return fmt.Sprintf("%s port %d", s.Kind, s.ExternalPort)
}

// ExternalDomain is a public DNS zone that services are published under.
type ExternalDomain struct {
	ID         string
	Name       string // such as "example.com"
	SiteID     string // default site: its edges alone hold a certificate for all names of the domain
	AuthServer string // base URL of an oauth2-proxy that signs people in, empty for none
	// ACMEAccounts are the IDs of those that certificates are ordered from, in the order in which they are tried; none orders none.
	ACMEAccounts []string
	DNS          DNSProvider
	// RecordsForAll asks for public records of every name, not only of those of other sites than the default one.
	RecordsForAll bool
	CreatedAt     time.Time
	Version       int64
}

// Holds reports whether a public name belongs to the domain: the domain itself, or a name below it.
func (d ExternalDomain) Holds(name string) bool {
	return name == d.Name || strings.HasSuffix(name, "."+d.Name)
}

// DomainOf returns the external domain that a public name belongs to, the longest of several; the zero value when there is none.
func DomainOf(all []ExternalDomain, name string) (found ExternalDomain) {
	for _, d := range all {
		if d.Holds(name) && len(d.Name) > len(found.Name) {
			found = d
		}
	}
	return found
}

// PortClaims begins what Claims returns for the external ports of a kind at a site.
func (k ServiceKind) PortClaims(siteID string) string { return string(k) + " " + siteID + "/" }
