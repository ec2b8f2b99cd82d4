package app

import (
	"time"

	"berth/domain"
)

// ClusterInput is what registers a Proxmox cluster.
type ClusterInput struct {
	Name      string   // how people call it; empty takes Proxmox's own name for it
	Endpoints []string // API base URLs such as "https://pve1:8006", tried in turn
	TokenID   string   // "user@realm!id"
	Token     domain.Secret
	CA        string // PEM certificates that sign the endpoints'; empty means the system's
	Insecure  bool   // skip verification of the endpoints' certificates
	VMIDFirst int    // 0 = domain.DefaultVMIDFirst
	VMIDLast  int    // 0 = domain.DefaultVMIDLast
	Realm     string // Proxmox realm whose users own containers; may be empty
}

// ClusterPatch changes a cluster; nil leaves a value as it is.
type ClusterPatch struct {
	Name      *string
	Endpoints *[]string
	TokenID   *string
	Token     *domain.Secret
	CA        *string
	Insecure  *bool
	VMIDFirst *int
	VMIDLast  *int
	Realm     *string
}

// SiteInput is what makes a site.
type SiteInput struct {
	Name         string
	Domain       string
	CIDR         string
	Gateway      string
	RangeFirst   string
	RangeLast    string
	DynamicFirst string
	DynamicLast  string
	Nameservers  []string
	Forwarders   []string
	LeaseTime    time.Duration // 0 = domain.DefaultLeaseTime
}

// SitePatch changes a site; nil leaves a value as it is. What a site is built on, its CIDR, stays.
type SitePatch struct {
	Name         *string
	Domain       *string
	Gateway      *string
	RangeFirst   *string
	RangeLast    *string
	DynamicFirst *string
	DynamicLast  *string
	Nameservers  *[]string
	Forwarders   *[]string
	LeaseTime    *time.Duration
}

// SiteNetwork is what a site's network holds and how far its edges are.
type SiteNetwork struct {
	Site         domain.Site
	Reservations []Reservation // sorted by address
	Edges        []domain.Edge // with their leases
}

// Reservation is one address of a site that is held.
type Reservation struct {
	Address     string
	MAC         string
	Hostname    string
	ContainerID string // empty when the container is gone and the address is quarantined
	Container   string // name
	Releasing   bool   // no longer in use, but not yet forgotten by every edge
}

// NodeInput is what takes a Proxmox node into service.
type NodeInput struct {
	Site            string // name or ID
	Name            string // Proxmox's node name; empty when the cluster has one node only
	Cluster         string // name or ID of a registered cluster; empty finds or makes it by URL
	URL             string // API base URL; not needed when Cluster is registered
	TokenID         string
	Token           domain.Secret
	CA              string
	Insecure        bool
	TemplateStorage string // empty takes the only, or the largest, active one with content vztmpl
	RootStorage     string // the same with content rootdir
	Bridge          string // empty = "vmbr0"
	Address         string // IPv4 in the site's network, for DNS; may be empty
	Slots           int    // 0 = domain.DefaultSlots
}

// NodePatch changes a node; nil leaves a value as it is.
type NodePatch struct {
	TemplateStorage *string
	RootStorage     *string
	Bridge          *string
	Address         *string
	Slots           *int
	Maintenance     *bool
}

// NodeFilter narrows a list of nodes; empty fields match everything.
type NodeFilter struct {
	Site    string // name or ID
	Cluster string // name or ID
	State   domain.NodeState
}

// ContainerInput is a request for a container.
type ContainerInput struct {
	Name  string
	Site  string // name or ID; empty when there is one site only
	Owner string // user name; for administrators alone; empty = the actor's
	Spec  domain.Spec
	Node  string // name or ID of the wanted node; empty lets Berth choose
}

// ContainerPatch changes a container; nil leaves a value as it is.
type ContainerPatch struct {
	Name       *string
	Cores      *int
	MemoryMiB  *int
	SwapMiB    *int
	DiskGiB    *int               // may only grow
	Env        map[string]*string // merged into what is there; a nil value deletes its key
	Entrypoint *string
	Restart    bool // agrees to a restart where one is needed
}

// ContainerFilter narrows a list of containers; empty fields match everything.
type ContainerFilter struct {
	Site  string // name or ID
	Node  string // name or ID
	Owner string // user name; others' are seen by administrators alone
	Name  string
	State domain.ContainerState
	Power domain.Power
}

// PowerInput is a request to switch a container.
type PowerInput struct {
	Action  domain.PowerAction
	Timeout time.Duration // of a shutdown or reboot; 0 = 60 s
	Force   bool          // shutdown: kill when the time is over
}

// ImportInput names a CT of a node that Berth adopts.
type ImportInput struct {
	Site  string // name or ID; empty = the node's
	Node  string // name or ID
	VMID  int
	Owner string // user name; empty = the actor's
	Name  string // host name; empty = the CT's
}

// OperationFilter narrows a list of operations; empty fields match everything.
type OperationFilter struct {
	Container string // name or ID
	Site      string // name or ID
	Kind      domain.OperationKind
	State     domain.OperationState
	Open      bool // only those that have not ended
}

// OperationUpdate is one thing that happened to a watched operation.
type OperationUpdate struct {
	Event     *domain.OperationEvent // a new line in its log, or
	Operation *domain.Operation      // its new state
}

// ImageInput is an image to recommend.
type ImageInput struct {
	Name        string
	Reference   string
	Description string
}

// QuotaInput is what the containers of one user may hold together; 0 means no limit.
type QuotaInput struct {
	Containers int
	Cores      int
	MemoryMiB  int
	DiskGiB    int
}

// TokenInput is what makes a token.
type TokenInput struct {
	Name      string
	Owner     string // user name; others' for administrators alone; empty = the actor's
	Scopes    []domain.Scope
	ExpiresAt time.Time // zero = never
}

// UserInput is what makes a user.
type UserInput struct {
	Name  string
	Admin bool
}

// AuditFilter narrows the audit trail; empty fields match everything.
type AuditFilter struct {
	Actor      string
	Action     string
	Resource   string
	ResourceID string
	Outcome    string
	Since      time.Time
}
