// Package guest runs the containers of the simulated Proxmox VE nodes. A Runtime knows processes, file systems and
// network interfaces; it knows nothing of the Proxmox API, its tasks, locks or configuration files.
package guest

import "context"

// Runtime runs guests. There are two: real ones by LXC, and simulated ones where the kernel allows no better.
// Every method is safe for concurrent use; a guest is named by its VMID, which is unique in a cluster.
type Runtime interface {
	// Kind is "lxc" or "simulated"; the lab says aloud which it runs.
	Kind() string

	// Unpack fills an empty volume with the root file system in archive: an OCI archive (tar with oci-layout) or a plain
	// root file system tar, optionally compressed with gzip, xz or zstd. size is the volume's size in bytes; an archive that
	// does not fit is an error. logf receives lines as a task log would show them. The result is nil for a plain tar.
	Unpack(ctx context.Context, volume, archive string, size int64, logf Logf) (*ImageConfig, error)

	// Resize grows a volume to size bytes.
	Resize(ctx context.Context, volume string, size int64) error

	// RemoveVolume deletes a volume and everything in it. Removing one that does not exist is no error.
	RemoveVolume(ctx context.Context, volume string) error

	// Start boots the guest and returns once its first process runs.
	Start(ctx context.Context, spec Spec, logf Logf) error

	// Stop kills the guest and returns when all its processes are gone. Stopping one that is not running is no error.
	Stop(ctx context.Context, vmid int) error

	// Shutdown asks the guest's first process to end (spec's HaltSignal) and waits until it did or ctx ends.
	Shutdown(ctx context.Context, vmid int) error

	// Lease runs a DHCP client of the host inside the guest's network namespace, as Proxmox VE does for interfaces with
	// host-managed=1, and returns when the interface holds an address.
	Lease(ctx context.Context, vmid int, iface string, logf Logf) error

	// Apply changes limits of a running guest.
	Apply(ctx context.Context, vmid int, limits Limits) error

	// Status tells whether the guest runs, and what it uses. The zero Status means stopped.
	Status(ctx context.Context, vmid int) (Status, error)

	// Interfaces lists the network interfaces of a running guest, lo included, as `ip -j a` tells them.
	Interfaces(ctx context.Context, vmid int) ([]Interface, error)

	// Close stops every guest and removes what the runtime made on the host (namespaces, bridges), but no volume.
	Close(ctx context.Context) error
}

// Logf writes one line to a task log.
type Logf func(format string, args ...any)

// ImageConfig is what an OCI image says about how to run it.
type ImageConfig struct {
	Entrypoint []string // Entrypoint and Cmd joined
	Env        []string // "KEY=value"
	WorkingDir string
	User       string // as written in the image: name, uid, or either with ":group"
	UID, GID   int    // User looked up in the image's /etc/passwd and /etc/group
	StopSignal string // such as "SIGTERM"; empty when the image names none
	Volumes    []string
}

// Limits are the resources of a guest.
type Limits struct {
	MemoryMiB int
	SwapMiB   int
	Cores     int // 0 = all of the node
}

// NIC is one network interface to give to a guest.
type NIC struct {
	Name   string // inside the guest, such as "eth0"
	MAC    string
	Bridge string // of the node; must exist, else Start fails
	// Address is "dhcp" or "manual" (the guest looks after itself) or an IPv4 prefix such as "198.18.0.5/24" to set up.
	Address string
	Gateway string
	// HostManaged means the caller follows up with Lease; nothing is written into the guest for this interface.
	HostManaged bool
}

// Spec says how to boot a guest.
type Spec struct {
	VMID         int
	Node         string
	Hostname     string
	Volume       string   // root file system, filled by Unpack
	Entrypoint   []string // empty means /sbin/init
	Env          []string // "KEY=value"
	WorkingDir   string
	UID, GID     int
	HaltSignal   string // "" means SIGPWR for init systems (LXC's default)
	Limits       Limits
	NICs         []NIC
	Nameserver   string // "" means what DHCP or the image says
	Searchdomain string
	// Unprivileged maps root of the guest to an unprivileged user of the host.
	Unprivileged bool
}

// Status is what a guest does and uses.
type Status struct {
	Running   bool
	PID       int
	UptimeSec int64
	MemBytes  int64
	DiskBytes int64
	CPU       float64 // share of one core, 0..n
	NetIn     int64
	NetOut    int64
}

// Interface is one network interface of a running guest.
type Interface struct {
	Name      string
	MAC       string
	Addresses []Address
}

// Address is one address of an Interface.
type Address struct {
	IP     string
	Prefix int
	Family string // "inet" or "inet6"
}
