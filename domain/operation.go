package domain

import "time"

// Operation is one run of a workflow on a resource, with its log.
type Operation struct {
	ID           string
	Kind         OperationKind
	Resource     string // noun of the resource, such as "container"
	ResourceID   string
	ResourceName string
	SiteID       string
	State        OperationState
	Step         string // what runs now, or what failed
	Message      string // result in words: what happened, what was undone, what to do next
	ErrorKind    string // stable name of the Kind that ended it, empty on success
	Actor        string // who asked, such as "user:anna", "token:ci" or "reconciler"
	CancelAsked  bool
	RunID        string // Temporal run that carries it; empty until a worker took it up
	Params       OperationParams
	CreatedAt    time.Time
	StartedAt    time.Time
	EndedAt      time.Time
	Version      int64
}

// WorkflowID returns the ID of the Temporal workflow that carries the operation, which is also the lock of the resource.
func (o *Operation) WorkflowID() string { return WorkflowID(o.Resource, o.ResourceID) }

// OperationParams is what was asked for, by kind. It never holds a secret: new environment values are kept with the container.
type OperationParams struct {
	Power       PowerAction  `json:"power,omitempty"`
	Timeout     int          `json:"timeoutSeconds,omitempty"` // of a shutdown or reboot
	Force       bool         `json:"force,omitempty"`          // shutdown: kill when the time is over
	Forget      bool         `json:"forget,omitempty"`         // delete: the node is gone for good
	Reconfigure *Reconfigure `json:"reconfigure,omitempty"`
	Before      *Before      `json:"before,omitempty"` // what a reconfigure goes back to when it fails
	Import      *Import      `json:"import,omitempty"`
	Services    *Services    `json:"services,omitempty"`
}

// Reconfigure lists what to change; nil leaves a value as it is. Environment values travel by the container's row alone.
type Reconfigure struct {
	Name       *string `json:"name,omitempty"`
	Cores      *int    `json:"cores,omitempty"`
	MemoryMiB  *int    `json:"memoryMiB,omitempty"`
	SwapMiB    *int    `json:"swapMiB,omitempty"`
	DiskGiB    *int    `json:"diskGiB,omitempty"`
	Env        bool    `json:"env,omitempty"`        // the environment changed
	Entrypoint bool    `json:"entrypoint,omitempty"` // the entrypoint changed
	Restart    bool    `json:"restart,omitempty"`    // the caller agreed to a restart where one is needed
}

// NeedsRestart reports whether a running container must be restarted for the change to take effect: Proxmox VE keeps
// environment and entrypoint pending until then, everything else is applied live.
func (r *Reconfigure) NeedsRestart() bool { return r.Env || r.Entrypoint }

// Before is what a container was before a reconfigure. Environment values are secret and not kept: they stay as asked for
// and take effect with the next start.
type Before struct {
	Name       *string `json:"name,omitempty"` // set only when the name was to change
	Cores      int     `json:"cores"`
	MemoryMiB  int     `json:"memoryMiB"`
	SwapMiB    int     `json:"swapMiB"`
	Entrypoint string  `json:"entrypoint,omitempty"`
}

// Restore sets a container back to what it was. The disk is left alone: it cannot shrink.
func (b *Before) Restore(c *Container) {
	if b.Name != nil {
		c.Name = *b.Name
	}
	c.Spec.Cores, c.Spec.MemoryMiB, c.Spec.SwapMiB, c.Spec.Entrypoint = b.Cores, b.MemoryMiB, b.SwapMiB, b.Entrypoint
}

// Import names a CT to adopt.
type Import struct {
	NodeID string `json:"nodeId"`
	VMID   int    `json:"vmid"`
}

// Services are the services that an expose operation adds and removes, by ID.
type Services struct {
	Specs    []ServiceSpec `json:"specs,omitempty"` // of what is added
	Added    []string      `json:"added,omitempty"`
	Removed  []string      `json:"removed,omitempty"`
	Revision int64         `json:"revision"` // of the site's network, the first that has the one and not the other
}

// OperationKind says what an operation does.
type OperationKind string

// The kinds of operation.
const (
	OpProvision   OperationKind = "provision"
	OpPower       OperationKind = "power"
	OpReconfigure OperationKind = "reconfigure"
	OpDelete      OperationKind = "delete"
	OpImport      OperationKind = "import"
	OpExpose      OperationKind = "expose" // adds and removes services
	OpRepair      OperationKind = "repair" // by the reconciler
)

// OperationState is where an operation stands.
type OperationState string

// The states of an operation. The first three are open.
const (
	OpPending        OperationState = "pending" // committed, no worker took it up yet
	OpWaiting        OperationState = "waiting" // behind another operation on the same resource
	OpRunning        OperationState = "running"
	OpSucceeded      OperationState = "succeeded"
	OpFailed         OperationState = "failed" // and what it had done is undone
	OpCancelled      OperationState = "cancelled"
	OpNeedsAttention OperationState = "needs_attention"
)

// Open reports whether the operation has not ended.
func (s OperationState) Open() bool { return s == OpPending || s == OpWaiting || s == OpRunning }

// OperationEvent is one line in the log of an operation.
type OperationEvent struct {
	Seq     int64 // grows within the operation, from 1
	Time    time.Time
	Step    string // such as "create"
	Level   string // "info", "warning" or "error"
	Message string
}
