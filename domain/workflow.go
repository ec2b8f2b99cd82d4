package domain

// Names and IDs that workflows, their callers and operators share.

// Task queues. Workflows and the activities that only need SQL run on TaskQueue.
const (
	TaskQueue = "berth"
	// PullQueue carries image pulls, which last for minutes, so that they never hold up anything else.
	PullQueue = "berth-pull"
)

// Workflow names, as the Temporal UI shows them.
const (
	WorkflowProvision   = "Provision"
	WorkflowPower       = "Power"
	WorkflowReconfigure = "Reconfigure"
	WorkflowDelete      = "Delete"
	WorkflowImport      = "Import"
	WorkflowExpose      = "Expose"
	WorkflowNetwork     = "Network"
	WorkflowReconcile   = "Reconcile"
	WorkflowObserve     = "Observe"
	WorkflowCertificate = "Certificate"
)

// Workflow returns the name of the workflow that carries operations of a kind.
func (k OperationKind) Workflow() string {
	switch k {
	case OpProvision:
		return WorkflowProvision
	case OpPower:
		return WorkflowPower
	case OpReconfigure:
		return WorkflowReconfigure
	case OpDelete:
		return WorkflowDelete
	case OpImport:
		return WorkflowImport
	case OpExpose:
		return WorkflowExpose
	}
	return WorkflowReconcile
}

// SignalNetworkChanged tells the Network workflow of a site that its desired revision rose.
const SignalNetworkChanged = "changed"

// Search attributes, all of type Keyword.
const (
	AttributeSite      = "BerthSite"
	AttributeNode      = "BerthNode"
	AttributeOwner     = "BerthOwner"
	AttributeContainer = "BerthContainer"
	AttributeOperation = "BerthOperation"
)

// SearchAttributes lists every search attribute that Berth sets.
func SearchAttributes() []string {
	return []string{AttributeSite, AttributeNode, AttributeOwner, AttributeContainer, AttributeOperation}
}

// WorkflowID returns the workflow ID for all operations on a resource: it is the lock of that resource.
func WorkflowID(resource, id string) string { return resource + "/" + id }

// NetworkWorkflowID returns the ID of the workflow that publishes a site's network.
func NetworkWorkflowID(siteID string) string { return "site/" + siteID + "/network" }

// CertificateWorkflowID returns the ID of the workflow that orders and renews a certificate: it is the certificate's lock.
func CertificateWorkflowID(certificateID string) string {
	return WorkflowID("certificate", certificateID)
}

// OperationInput is the payload of every workflow on a container. It holds references only: secrets and everything that
// may change are read from SQL by the activities.
type OperationInput struct {
	OperationID string        `json:"operationId"`
	ContainerID string        `json:"containerId"`
	Kind        OperationKind `json:"kind"`
	Actor       string        `json:"actor"`
	Container   string        `json:"container"` // name, for people
	Site        string        `json:"site"`      // name, for people
	Owner       string        `json:"owner"`
}

// NetworkInput is the payload of the Network workflow.
type NetworkInput struct {
	SiteID string `json:"siteId"`
	Site   string `json:"site"`
}

// ReconcileInput is the payload of the Reconcile workflow.
type ReconcileInput struct {
	DryRun bool `json:"dryRun"`
}
