package domain

import "time"

// Cluster is a Proxmox VE cluster, or a single node that is in none. It owns what all its nodes share.
type Cluster struct {
	ID        string
	Name      string
	Endpoints []string // API base URLs such as "https://pve1:8006", tried in turn
	TokenID   string   // API token, "user@realm!id"
	Token     Secret   // the token's secret; empty in answers of lists
	CA        string   // PEM certificates that sign the endpoints'; empty means the system's
	Insecure  bool     // skip verification of the endpoints' certificates
	VMIDFirst int      // first VMID that Berth may use, inclusive
	VMIDLast  int      // last VMID that Berth may use, inclusive
	Realm     string   // Proxmox realm whose users own containers; empty means no ACLs are set yet
	State     ClusterState
	Message   string // why the state is what it is, for people
	PVE       string // Proxmox VE version last seen, such as "9.2.4"
	Quorate   bool
	SeenAt    time.Time // when the observer last reached it
	CreatedAt time.Time
	Version   int64 // for If-Match
}

// ClusterState says whether Berth can work with a cluster.
type ClusterState string

// The states of a cluster.
const (
	ClusterReady       ClusterState = "ready"
	ClusterUnreachable ClusterState = "unreachable" // no endpoint answers
	ClusterRefused     ClusterState = "refused"     // the credential is refused or lacks privileges
	ClusterNoQuorum    ClusterState = "no_quorum"   // reads only
	ClusterUnchecked   ClusterState = "unchecked"
)

// Node is a Proxmox VE server. It belongs to one cluster and to one site.
type Node struct {
	ID              string
	Name            string // Proxmox's node name
	ClusterID       string
	SiteID          string
	Address         string // IPv4 in the site's network; named in DNS, never given to a container; may be empty
	TemplateStorage string // storage with content vztmpl
	RootStorage     string // storage with content rootdir
	Bridge          string // such as "vmbr0"
	State           NodeState
	Message         string
	Cores           int
	MemoryTotal     int64   // bytes, as observed
	MemoryFree      int64   // bytes, as observed
	DiskTotal       int64   // bytes of RootStorage, as observed
	DiskFree        int64   // bytes of RootStorage, as observed
	CPU             float64 // share of all cores in use, 0..1, as observed
	Slots           int     // mutating Proxmox calls that may run at once
	Maintenance     bool    // takes no new containers
	SeenAt          time.Time
	CreatedAt       time.Time
	Version         int64
}

// NodeState is what the observer last saw.
type NodeState string

// The states of a node.
const (
	NodeOnline  NodeState = "online"
	NodeOffline NodeState = "offline"
	NodeUnknown NodeState = "unknown"
)

// DefaultSlots is how many mutating calls run on one node at once: pvedaemon has three workers, and one must stay free for people.
const DefaultSlots = 2

// The VMID range a cluster gets when none is named: above what people usually number by hand.
const (
	DefaultVMIDFirst = 20000
	DefaultVMIDLast  = 29999
)

// Finding is one result of checking a cluster or node before it is used.
type Finding struct {
	Severity string `json:"severity"` // "error" or "warning"
	What     string `json:"what"`     // what is wrong
	Fix      string `json:"fix"`      // what an administrator does about it
}
