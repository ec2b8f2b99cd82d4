package domain

import "time"

// Activity names, as the Temporal UI shows them. The first word is what happens, not who does it.
const (
	// SQL only; run as local activities.
	ActivityBegin      = "Begin"
	ActivityPlace      = "Place"
	ActivityUnplace    = "Unplace"
	ActivityRelease    = "Release"
	ActivityFinish     = "Finish"
	ActivityRemove     = "Remove"
	ActivityPublish    = "Publish"
	ActivityNextInLine = "NextInLine"
	ActivityWithdraw   = "Withdraw"
	ActivityRestore    = "Restore"

	// Network of a site.
	ActivityAwaitServed   = "AwaitServed"
	ActivityAwaitReleased = "AwaitReleased"
	ActivityAwaitLive     = "AwaitLive"

	// Proxmox VE.
	ActivityPullImage   = "PullImage"
	ActivityCreate      = "Create"
	ActivityConfigure   = "Configure"
	ActivityGrant       = "Grant"
	ActivityRevoke      = "Revoke"
	ActivityStart       = "Start"
	ActivityVerify      = "Verify"
	ActivityDestroy     = "Destroy"
	ActivityPower       = "Power"
	ActivityRename      = "Rename"
	ActivityReconfigure = "Reconfigure"
	ActivityRevert      = "Revert"
	ActivityAdopt       = "Adopt"
	ActivityDisown      = "Disown"
	ActivityObserve     = "Observe"

	// Certificates; BeginOrder, FailOrder and TidyOrder need SQL only.
	ActivityBeginOrder        = "BeginOrder"
	ActivityRevokeCertificate = "RevokeCertificate"
	ActivityRegister          = "RegisterAccount"
	ActivityOrder             = "Order"
	ActivityAuthorize         = "Authorize"
	ActivityAwaitChallenge    = "AwaitChallenge"
	ActivityAnswer            = "Answer"
	ActivityFinalize          = "Finalize"
	ActivityInstall           = "Install"
	ActivityAwaitInstalled    = "AwaitInstalled"
	ActivityFailOrder         = "FailOrder"
	ActivityTidyOrder         = "TidyOrder"
	ActivityTidyRecords       = "TidyRecords"
	ActivityAwaitIssued       = "AwaitIssued"

	// Public DNS.
	ActivityPublishNames  = "PublishNames"
	ActivityWithdrawNames = "WithdrawNames"

	// Whole installation.
	ActivityReconcile = "Reconcile"
)

// Deadlines bound the steps of an operation. They travel in the result of Begin, so that a change of configuration never
// alters a running workflow.
type Deadlines struct {
	Network   time.Duration `json:"network"` // until edges serve a revision
	Release   time.Duration `json:"release"` // until every edge has let go of a revision; then a human is needed
	Pull      time.Duration `json:"pull"`
	Create    time.Duration `json:"create"`
	Start     time.Duration `json:"start"`
	Verify    time.Duration `json:"verify"` // until the guest holds its address
	Power     time.Duration `json:"power"`
	Heartbeat time.Duration `json:"heartbeat"` // silence after which an activity's worker counts as dead
	Undo      time.Duration `json:"undo"`      // how long a compensation is tried before a human is needed
	// Certificate is how long a certificate authority may take for one step of an order, and an operation waits for a certificate.
	Certificate time.Duration `json:"certificate,omitempty"`
}

// DefaultDeadlines are generous: they decide when Berth gives up, not how fast it is. Pull, create, start and destroy
// follow the durations that Proxmox VE itself allows its tasks.
func DefaultDeadlines() Deadlines {
	return Deadlines{
		Network:   2 * time.Minute,
		Release:   10 * time.Minute,
		Pull:      15 * time.Minute,
		Create:    10 * time.Minute,
		Start:     6 * time.Minute,
		Verify:    2 * time.Minute,
		Power:     5 * time.Minute,
		Heartbeat: 20 * time.Second,
		Undo:      30 * time.Minute,

		Certificate: 2 * time.Minute,
	}
}

// Scale multiplies every deadline, for tests. Heartbeats keep at least two seconds.
func (d Deadlines) Scale(f float64) Deadlines {
	s := func(v time.Duration) time.Duration { return time.Duration(float64(v) * f) }
	return Deadlines{
		Network: s(d.Network), Release: s(d.Release), Pull: s(d.Pull), Create: s(d.Create), Start: s(d.Start),
		Verify: s(d.Verify), Power: s(d.Power), Heartbeat: max(s(d.Heartbeat), 2*time.Second),
		Undo: s(d.Undo), Certificate: s(d.Certificate),
	}
}

// Begun is the result of Begin.
type Begun struct {
	Deadlines Deadlines       `json:"deadlines"`
	Revision  int64           `json:"revision"` // of the site's network that serves the container's reservation
	SiteID    string          `json:"siteId"`
	Params    OperationParams `json:"params"`
	Placed    bool            `json:"placed"`             // the container has a node and VMID
	Cancelled bool            `json:"cancelled"`          // asked to cancel before it began
	Services  int             `json:"services,omitempty"` // that the container exposes
	// Certificates are those that names of the container still wait for.
	Certificates []CertificateInput `json:"certificates,omitempty"`
	// Names are the public names of the container that have records of their own, or are to have or to lose them.
	Names int `json:"names,omitempty"`
	// Quarantined says what an earlier operation of the container left behind on a node; empty when nothing.
	Quarantined string `json:"quarantined,omitempty"`
}

// PlaceInput asks for a node and VMID.
type PlaceInput struct {
	OperationInput
	Exclude    []string `json:"exclude,omitempty"`    // IDs of nodes that refused
	AvoidVMIDs []int    `json:"avoidVmids,omitempty"` // that the cluster has given to guests Berth does not know
}

// Placed is the result of Place.
type Placed struct {
	NodeID string `json:"nodeId"`
	Node   string `json:"node"`
	VMID   int    `json:"vmid"`
	Reason string `json:"reason"`
}

// RevisionInput names a revision of a site's network to wait for.
type RevisionInput struct {
	OperationInput
	SiteID   string `json:"siteId"`
	Revision int64  `json:"revision"`
}

// Pulled is the result of PullImage.
type Pulled struct {
	Volume string `json:"volume"` // volume ID of the CT template
	Digest string `json:"digest,omitempty"`
}

// CreateInput is the payload of Create.
type CreateInput struct {
	OperationInput
	Image Pulled `json:"image"`
}

// Destroyed is the result of Destroy.
type Destroyed struct {
	// Leftover says why something that Berth cannot remove is left on the node; empty when nothing is left. VMID and address
	// are then quarantined.
	Leftover string `json:"leftover,omitempty"`
}

// UnplaceInput frees or quarantines a VMID.
type UnplaceInput struct {
	OperationInput
	Quarantine string `json:"quarantine,omitempty"` // reason; empty frees it
}

// ReleaseInput frees or quarantines address, MAC and name.
type ReleaseInput struct {
	OperationInput
	Quarantine string `json:"quarantine,omitempty"` // reason; empty frees them
}

// LiveInput names services to wait for.
type LiveInput struct {
	OperationInput
	SiteID   string   `json:"siteId"`
	Services []string `json:"services,omitempty"` // IDs; empty means all of the container's
}

// Released is the result of Release, Withdraw and Restore.
type Released struct {
	Revision int64 `json:"revision"` // that no longer serves them; 0 when nothing was held
}

// FinishInput ends an operation in SQL, and sets what the container is after it.
type FinishInput struct {
	OperationInput
	Result    OperationState `json:"result"`
	After     ContainerState `json:"after,omitempty"` // state of the container; empty keeps it
	Step      string         `json:"step,omitempty"`  // that failed
	Message   string         `json:"message"`
	ErrorKind string         `json:"errorKind,omitempty"`
}

// FailureInfo travels as the details of a Temporal application error, so that a workflow can decide what to do next.
type FailureInfo struct {
	Kind       string `json:"kind"`
	Message    string `json:"message"`
	Elsewhere  bool   `json:"elsewhere,omitempty"`  // another node may succeed
	NewVMID    bool   `json:"newVmid,omitempty"`    // another VMID may succeed
	Quarantine bool   `json:"quarantine,omitempty"` // something is left that Berth cannot remove
}

// Next is the result of NextInLine: the delete that waits for the container, if any.
type Next struct {
	OperationID string `json:"operationId,omitempty"`
	Actor       string `json:"actor,omitempty"`
}

// RenameInput is the payload of Rename.
type RenameInput struct {
	OperationInput
	Name string `json:"name"`
}

// PowerInput is the payload of Power.
type PowerInput struct {
	OperationInput
	Action PowerAction `json:"action"`
}

// Reconfigured is the result of Reconfigure.
type Reconfigured struct {
	Restart bool `json:"restart"` // the container runs and must be restarted for the change to take effect
}

// ObserveInput is the payload of Observe.
type ObserveInput struct {
	ClusterID string `json:"clusterId"`
	Cluster   string `json:"cluster"`
}

// Repair is one thing that the reconciler healed or found.
type Repair struct {
	What    string `json:"what"`    // such as "operation not running", "container vanished", "stray"
	Subject string `json:"subject"` // such as "container web01"
	Action  string `json:"action"`  // what was done, or "reported"
	Detail  string `json:"detail,omitempty"`
}

// ReconcileReport is the result of Reconcile.
type ReconcileReport struct {
	DryRun  bool     `json:"dryRun"`
	Repairs []Repair `json:"repairs"`
}
