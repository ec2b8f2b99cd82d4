package domain

import "time"

// Quarantine is what one operation could not remove: a VMID, addresses, or both, that nobody gets until an administrator has
// looked.
type Quarantine struct {
	ID          string // of the operation that left it behind
	ContainerID string
	Container   string // name; empty when neither container nor operation is known any more
	Kind        OperationKind
	SiteID      string // of the addresses; empty when there are none
	Addresses   []string
	ClusterID   string // of the VMID; empty when there is none
	NodeID      string
	Node        string // name; empty when the node was deleted
	VMID        int    // 0 when there is none
	Reason      string
	Since       time.Time
}
