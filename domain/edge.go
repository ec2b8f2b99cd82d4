package domain

import "time"

// Edge is a host that runs dnsmasq and NGINX for a site.
type Edge struct {
	ID        string
	Name      string
	SiteID    string
	Address   string // IPv4 that dnsmasq answers on in the site's network, as the edge reported it
	State     EdgeState
	Applied   int64             // last revision that is served
	Fetched   int64             // last revision that was fetched
	Message   string            // the edge's own words about the last apply; empty when all is well
	Versions  map[string]string // "berth", "dnsmasq", "nginx" -> version
	Leases    []Lease
	Reloads   int64 // reloads and restarts of its daemons since the edge started
	LeftOut   []LeftOut
	SeenAt    time.Time
	AppliedAt time.Time
	CreatedAt time.Time
	Version   int64
}

// EdgeState is how an edge stands to its site.
type EdgeState string

// The states of an edge. Online and offline follow from when it was last seen.
const (
	EdgeEnrolled EdgeState = "enrolled" // has a token, was never seen
	EdgeOnline   EdgeState = "online"
	EdgeOffline  EdgeState = "offline"
	EdgeRetired  EdgeState = "retired" // no longer counts; its token is void
)

// EdgeTimeout is the silence after which an edge counts as offline. Edges report at least every EdgeReportInterval.
const (
	EdgeTimeout        = 15 * time.Second
	EdgeReportInterval = 5 * time.Second
)

// Lease is one DHCP lease that an edge's dnsmasq holds.
type Lease struct {
	Address  string    `json:"address"`
	MAC      string    `json:"mac"`
	Hostname string    `json:"hostname,omitempty"`
	Expires  time.Time `json:"expires"`
}

// EdgeReport is what an edge tells about itself.
type EdgeReport struct {
	Address  string            `json:"address"`
	Fetched  int64             `json:"fetched"`
	Applied  int64             `json:"applied"`
	Message  string            `json:"message,omitempty"`
	Versions map[string]string `json:"versions,omitempty"`
	Leases   []Lease           `json:"leases"`
	Reloads  int64             `json:"reloads"`
	LeftOut  []LeftOut         `json:"leftOut"` // services that the edge does not serve
}

// LeftOut is a service that an edge does not serve, so that its neighbours are served.
type LeftOut struct {
	ServiceID string `json:"serviceId"`
	Reason    string `json:"reason"` // in the words of the program that refused it
}

// Snapshot is everything an edge needs to serve its site: pure data, from which templates make files.
type Snapshot struct {
	SiteID       string     `json:"siteId"`
	Site         string     `json:"site"`
	Revision     int64      `json:"revision"`
	Domain       string     `json:"domain"`
	CIDR         string     `json:"cidr"`
	Gateway      string     `json:"gateway"`
	RangeFirst   string     `json:"rangeFirst"`
	RangeLast    string     `json:"rangeLast"`
	DynamicFirst string     `json:"dynamicFirst,omitempty"`
	DynamicLast  string     `json:"dynamicLast,omitempty"`
	Nameservers  []string   `json:"nameservers,omitempty"`
	Forwarders   []string   `json:"forwarders,omitempty"`
	LeaseSeconds int64      `json:"leaseSeconds"`
	Hosts        []Host     `json:"hosts"`           // containers, sorted by ID
	Edges        []string   `json:"edges,omitempty"` // addresses of all edges of the site, sorted
	Names        []HostName `json:"names"`           // further names: nodes and edges, sorted by name

	Services     []ServedService   `json:"services,omitempty"`     // sorted by ID
	Certificates []EdgeCertificate `json:"certificates,omitempty"` // sorted by ID
	Challenges   []Challenge       `json:"challenges,omitempty"`   // sorted by token
}

// ServedService is one service of a Snapshot.
type ServedService struct {
	ID       string `json:"id"`
	Hostname string `json:"hostname"` // of the container, without the site's domain
	ServiceSpec
	Certificate string `json:"certificate,omitempty"` // ID among the snapshot's; empty means the edge's own self-signed one
	AuthServer  string `json:"authServer,omitempty"`  // base URL of the domain's auth server; empty with HTTP.Auth means: refuse
}

// EdgeCertificate is a certificate with its key, for the edges of one site.
type EdgeCertificate struct {
	ID    string `json:"id"`
	Chain string `json:"chain"` // PEM, leaf first
	Key   string `json:"key"`   // PEM
}

// Challenge is what an ACME server asks for at http://<name>/.well-known/acme-challenge/<token> (RFC 8555, 8.3).
type Challenge struct {
	Token            string `json:"token"`
	KeyAuthorization string `json:"keyAuthorization"`
	// Record is the name of the TXT record that answers a challenge of type dns-01; empty in what edges answer, so in every snapshot.
	Record string `json:"record,omitempty"`
}

// Host is one container of a Snapshot: a DHCP reservation and a DNS name.
type Host struct {
	ID       string `json:"id"` // container
	Hostname string `json:"hostname"`
	MAC      string `json:"mac"`
	Address  string `json:"address"`
}

// HostName is a DNS name without a DHCP reservation.
type HostName struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}
