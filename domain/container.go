package domain

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Container is one guest that a person asked for.
type Container struct {
	ID        string
	Name      string // host name, unique among the containers of a site that hold a reservation
	SiteID    string
	Owner     string // user name
	Spec      Spec
	State     ContainerState
	Power     Power  // what was last observed
	WantPower Power  // what the owner last asked for
	Message   string // why the state is what it is, for people
	Placement Placement
	Address   string // IPv4, reserved; empty when nothing is held
	MAC       string
	Unmanaged bool   // imported with an address outside the site's range: Berth names it but does not hand it out
	Digest    string // of the image it was made from, "sha256:..."
	Operation string // ID of the operation that runs or waits, empty when none does
	CreatedAt time.Time
	ReadyAt   time.Time // when provision last ended; zero until then
	Version   int64
}

// Spec is what a person may ask for.
type Spec struct {
	Image      string // OCI reference, or "template:<volid>"
	Cores      int    // 0 = all of the node's
	MemoryMiB  int
	SwapMiB    int
	DiskGiB    int
	Env        map[string]string // added to the image's; values are write-only
	Entrypoint string            // replaces the image's; empty keeps it
	NodeID     string            // wanted node; empty lets Berth choose
}

// The resources a container gets when none are named, and the least that Proxmox VE takes.
const (
	DefaultCores     = 1
	DefaultMemoryMiB = 512
	DefaultDiskGiB   = 4
	MinMemoryMiB     = 16
	MaxCores         = 8192
	MaxDiskGiB       = 128 * 1024
	MaxMemoryMiB     = 16 * 1024 * 1024
)

// Placement is where a container lives and why there.
type Placement struct {
	ClusterID string
	NodeID    string
	Node      string // name of the node
	VMID      int    // 0 until placed
	Reason    string // why this node, for people
}

// ContainerState is where a container stands in its life.
type ContainerState string

// The states of a container.
const (
	ContainerProvisioning   ContainerState = "provisioning"
	ContainerReady          ContainerState = "ready"
	ContainerFailed         ContainerState = "failed" // undone, holds nothing; retry or delete
	ContainerDeleting       ContainerState = "deleting"
	ContainerNeedsAttention ContainerState = "needs_attention" // Message says what a human has to do
	ContainerMissing        ContainerState = "missing"         // vanished from its node
)

// Power is whether a container runs.
type Power string

// The values of Power.
const (
	PowerUnknown Power = "unknown"
	PowerRunning Power = "running"
	PowerStopped Power = "stopped"
)

// PowerAction is what a person may do to a container's power.
type PowerAction string

// The power actions, named as in Proxmox VE. Shutdown asks the guest, Stop does not.
const (
	ActionStart    PowerAction = "start"
	ActionShutdown PowerAction = "shutdown"
	ActionStop     PowerAction = "stop"
	ActionReboot   PowerAction = "reboot"
)

// Wants returns the power a container has after the action.
func (a PowerAction) Wants() Power {
	if a == ActionShutdown || a == ActionStop {
		return PowerStopped
	}
	return PowerRunning
}

// Valid reports whether a is one of the power actions.
func (a PowerAction) Valid() bool {
	switch a {
	case ActionStart, ActionShutdown, ActionStop, ActionReboot:
		return true
	}
	return false
}

var envKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// WithDefaults fills what was left out.
func (s Spec) WithDefaults() Spec {
	if s.Cores == 0 {
		s.Cores = DefaultCores
	}
	if s.MemoryMiB == 0 {
		s.MemoryMiB = DefaultMemoryMiB
	}
	if s.DiskGiB == 0 {
		s.DiskGiB = DefaultDiskGiB
	}
	return s
}

// Validate returns every field that breaks a rule. Limits are those of Proxmox VE.
func (s Spec) Validate() []FieldError {
	var bad []FieldError
	between := func(field string, v, lo, hi int, unit string) {
		if v < lo || v > hi {
			bad = append(bad, FieldError{field, fmt.Sprintf("must be between %d and %d%s", lo, hi, unit)})
		}
	}
	if _, err := ParseImage(s.Image); err != nil {
		bad = append(bad, FieldError{"image", err.Error()})
	}
	between("cores", s.Cores, 0, MaxCores, "")
	between("memoryMiB", s.MemoryMiB, MinMemoryMiB, MaxMemoryMiB, " MiB")
	between("swapMiB", s.SwapMiB, 0, MaxMemoryMiB, " MiB")
	between("diskGiB", s.DiskGiB, 1, MaxDiskGiB, " GiB")
	bad = append(bad, ValidateEnv(s.Env)...)
	if !printable(s.Entrypoint) {
		bad = append(bad, FieldError{"entrypoint", "must not contain control characters"})
	}
	return bad
}

// ValidateEnv returns every environment variable that breaks a rule.
func ValidateEnv(env map[string]string) []FieldError {
	var bad []FieldError
	for key, value := range env {
		if !envKey.MatchString(key) {
			bad = append(bad, FieldError{"env." + key, "must be named with letters, digits and _, and not start with a digit"})
		} else if !printable(value) {
			bad = append(bad, FieldError{"env." + key, "must not contain control characters or line breaks: Proxmox VE refuses them"})
		}
	}
	return bad
}

// printable follows the pattern of Proxmox VE's env and entrypoint: no control character but tab.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}
