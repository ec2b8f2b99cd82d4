package app

import (
	"context"

	"berth/domain"
)

// Proxmox is what the use cases ask of Proxmox VE directly, without a workflow: reads alone.
type Proxmox interface {
	// Check returns what an administrator has to know before the node is used.
	Check(ctx context.Context, c domain.Cluster, n domain.Node) ([]domain.Finding, error)
	Nodes(ctx context.Context, c domain.Cluster) ([]RemoteNode, error)
	Storages(ctx context.Context, c domain.Cluster, node string) ([]RemoteStorage, error)
	// Guests returns the containers of a node, or of every node when it is empty.
	Guests(ctx context.Context, c domain.Cluster, node string) ([]RemoteGuest, error)
	// Leftover says in words what of a container is left in the cluster under a VMID: a CT with its marker, or with the lock of
	// a create or destroy, wherever it is now. It is empty when nothing is, also when the VMID is somebody else's. node is where
	// it was last, empty when that is not known any more.
	Leftover(ctx context.Context, c domain.Cluster, node string, vmid int, containerID string) (words string, err error)
	// Guest returns one container of a node as its own configuration has it, NotFound when the node has none. The listing of the
	// cluster lags behind by seconds, and names a container that was just made not at all.
	Guest(ctx context.Context, c domain.Cluster, node string, vmid int) (RemoteGuest, error)
	// Name returns the name of the Proxmox cluster, empty for a single node, and the version of Proxmox VE.
	Name(ctx context.Context, c domain.Cluster) (clusterName string, version string, err error)
}

// ImageSource reads image registries.
type ImageSource interface {
	Inspect(ctx context.Context, img domain.Image) (domain.ImageInfo, error)
}

// RemoteNode is a server as its Proxmox cluster lists it.
type RemoteNode struct {
	Name   string
	IP     string
	Online bool
}

// RemoteStorage is a storage of a node.
type RemoteStorage struct {
	Name    string
	Content []string // such as "vztmpl", "rootdir"
	Total   int64    // bytes
	Free    int64    // bytes
	Shared  bool
	Active  bool
}

// RemoteGuest is a container as Proxmox VE lists it.
type RemoteGuest struct {
	VMID    int
	Name    string
	Node    string
	Running bool
	Managed bool // carries Berth's marker
}
