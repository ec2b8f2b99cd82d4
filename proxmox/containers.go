package proxmox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/domain"
)

// CreateSpec is a CT to create. It is unprivileged, and not started: a start inside the create task would run in a task
// of its own that nobody is told about. Environment and entrypoint are not here, as an OCI image overwrites them: Configure
// them afterwards.
type CreateSpec struct {
	VMID                     int
	Hostname                 string
	Template                 string // volume ID, such as local:vztmpl/app.tar
	Storage                  string // of the root disk
	DiskGiB                  int
	Cores                    int // 0: all
	MemoryMiB, SwapMiB       int
	Net                      Net
	Tags                     []string
	Description              string
	OnBoot, Nesting          bool
	Pool                     string
	Nameserver, Searchdomain string
	SSHPublicKeys            string // one a line; needs an image with a known distribution
}

// Create starts the creation of a CT. Success of the task does not include a start. When the outcome is unknown, ReconcileCreate
// finds it out.
func (c *Client) Create(ctx context.Context, node string, s CreateSpec) (TaskRef, error) {
	what := fmt.Sprintf("create CT %d on %s", s.VMID, node)
	if err := checkVMID(node, s.VMID); err != nil {
		return TaskRef{}, err
	}
	if s.Template == "" || s.Storage == "" || s.DiskGiB < 1 || s.MemoryMiB < 16 {
		return TaskRef{}, domain.Errorf(domain.Invalid, "%s: template, storage, a disk of 1 GiB and 16 MiB of memory are the least", what)
	}
	params := map[string]any{
		"vmid": s.VMID, "ostemplate": s.Template, "rootfs": fmt.Sprintf("%s:%d", s.Storage, s.DiskGiB),
		"memory": s.MemoryMiB, "swap": s.SwapMiB, "unprivileged": true, "onboot": s.OnBoot,
	}
	if s.Net.Bridge != "" {
		params["net0"] = s.Net.String()
	}
	if s.Cores > 0 {
		params["cores"] = s.Cores
	}
	if s.Nesting {
		params["features"] = "nesting=1" // the only feature a token may set
	}
	for name, value := range map[string]string{
		"hostname": s.Hostname, "tags": strings.Join(s.Tags, ";"), "description": s.Description, "pool": s.Pool,
		"nameserver": s.Nameserver, "searchdomain": s.Searchdomain, "ssh-public-keys": s.SSHPublicKeys,
	} {
		if value != "" {
			params[name] = value
		}
	}
	return c.dispatch(ctx, what, http.MethodPost, nodePath(node, "lxc"), params)
}

// String writes the device in Proxmox's form.
func (n Net) String() string {
	or := func(value, instead string) string {
		if value == "" {
			return instead
		}
		return value
	}
	parts := []string{"name=" + or(n.Name, "eth0")}
	add := func(key, value string) {
		if value != "" {
			parts = append(parts, key+"="+value)
		}
	}
	add("bridge", n.Bridge)
	add("hwaddr", n.MAC)
	if n.VLAN > 0 {
		add("tag", strconv.Itoa(n.VLAN))
	}
	add("ip", or(n.IP, "dhcp"))
	add("gw", n.Gateway)
	if n.HostManaged != nil {
		add("host-managed", formValue(*n.HostManaged))
	}
	if n.Firewall {
		add("firewall", "1")
	}
	for _, key := range slices.Sorted(maps.Keys(n.Rest)) {
		add(key, n.Rest[key])
	}
	return strings.Join(parts, ",")
}

// ConfigChange is what to change of a CT; nil fields stay. On a running CT memory, swap, cores and devices change at once, hostname too;
// environment and entrypoint with the next start.
type ConfigChange struct {
	Hostname, Description, Nameserver, Searchdomain *string
	Cores, MemoryMiB, SwapMiB                       *int
	OnBoot                                          *bool
	Tags                                            *[]string // all of them
	Nets                                            map[int]Net
	Env                                             []string // all of them, as K=V; empty but not nil: none
	Entrypoint                                      *string
	Delete                                          []string // names of options to unset
	Digest                                          string   // refuse when the configuration is no longer this one
}

// Configure changes a CT's configuration. No change at all is a success without a call.
func (c *Client) Configure(ctx context.Context, node string, vmid int, ch ConfigChange) error {
	if err := checkVMID(node, vmid); err != nil {
		return err
	}
	params, unset := map[string]any{}, slices.Clone(ch.Delete)
	for name, value := range map[string]*string{
		"hostname": ch.Hostname, "description": ch.Description, "nameserver": ch.Nameserver, "searchdomain": ch.Searchdomain,
		"entrypoint": ch.Entrypoint,
	} {
		switch {
		case value == nil:
		case *value == "": // Proxmox takes no empty values
			unset = append(unset, name)
		default:
			params[name] = *value
		}
	}
	for name, value := range map[string]*int{"cores": ch.Cores, "memory": ch.MemoryMiB, "swap": ch.SwapMiB} {
		if value != nil {
			params[name] = *value
		}
	}
	if ch.OnBoot != nil {
		params["onboot"] = *ch.OnBoot
	}
	switch {
	case ch.Tags == nil:
	case len(*ch.Tags) > 0:
		params["tags"] = strings.Join(*ch.Tags, ";")
	default:
		unset = append(unset, "tags")
	}
	for n, device := range ch.Nets {
		params[fmt.Sprintf("net%d", n)] = device.String()
	}
	switch {
	case len(ch.Env) > 0:
		params["env"] = strings.Join(ch.Env, "\x00")
		c = c.Hiding(append(values(ch.Env), c.hide...))
	case ch.Env != nil:
		unset = append(unset, "env")
	}
	if len(unset) > 0 {
		slices.Sort(unset)
		params["delete"] = strings.Join(slices.Compact(unset), ",")
	}
	if len(params) == 0 {
		return nil
	}
	if ch.Digest != "" {
		params["digest"] = ch.Digest
	}
	return c.change(ctx, fmt.Sprintf("configure CT %d on %s", vmid, node), http.MethodPut, ctPath(node, vmid, "config"), params)
}

// Resize grows the root disk to that size; it cannot shrink.
func (c *Client) Resize(ctx context.Context, node string, vmid, diskGiB int) (TaskRef, error) {
	if err := checkVMID(node, vmid); err != nil {
		return TaskRef{}, err
	}
	return c.dispatch(ctx, fmt.Sprintf("grow the disk of CT %d on %s to %d GiB", vmid, node, diskGiB), http.MethodPut,
		ctPath(node, vmid, "resize"), map[string]any{"disk": "rootfs", "size": fmt.Sprintf("%dG", diskGiB)})
}

// Start starts a CT. One that runs already is a success with a zero ref.
func (c *Client) Start(ctx context.Context, node string, vmid int) (TaskRef, error) {
	return alreadyFine(c.guarded(ctx, node, vmid, "start", nil))
}

// Stop kills a CT; a shutdown that is under way is ended first. One that does not run, or does not exist, is a success with a zero ref.
func (c *Client) Stop(ctx context.Context, node string, vmid int) (TaskRef, error) {
	return alreadyFine(c.guarded(ctx, node, vmid, "stop", map[string]any{"overrule-shutdown": true}))
}

// Shutdown asks the guest to end and waits for it up to timeout; force kills it then, otherwise the task fails. One that does not run
// is a success with a zero ref.
func (c *Client) Shutdown(ctx context.Context, node string, vmid int, timeout time.Duration, force bool) (TaskRef, error) {
	return alreadyFine(c.guarded(ctx, node, vmid, "shutdown", map[string]any{"timeout": seconds(timeout), "forceStop": force}))
}

// Reboot shuts the guest down, kills it after timeout, and starts it with pending changes applied. A CT that does not run is an error.
func (c *Client) Reboot(ctx context.Context, node string, vmid int, timeout time.Duration) (TaskRef, error) {
	return c.guarded(ctx, node, vmid, "reboot", map[string]any{"timeout": seconds(timeout)})
}

func (c *Client) guarded(ctx context.Context, node string, vmid int, action string, params map[string]any) (TaskRef, error) {
	if err := checkVMID(node, vmid); err != nil {
		return TaskRef{}, err
	}
	return c.power(ctx, node, vmid, action, params)
}

func alreadyFine(ref TaskRef, err error) (TaskRef, error) {
	if err != nil && Classify(err).Name == rowAlreadyInState {
		return TaskRef{}, nil
	}
	return ref, err
}

func seconds(d time.Duration) int { return max(1, int(d.Round(time.Second)/time.Second)) }

// LeftoverError is a lock whose task is gone. A token can neither take it off nor destroy the CT.
type LeftoverError struct {
	Node string
	VMID int
	Lock string
}

func (e *LeftoverError) Error() string {
	return fmt.Sprintf("CT %d on %s has a leftover lock (%s)", e.VMID, e.Node, e.Lock)
}

// DestroyOurs destroys a CT with its disks, running or not, if it carries the container's marker, and refuses with Conflict if it does
// not. A CT that is not on the node is a success with a zero ref (Locate tells whether it moved). While a create or destroy of ours runs
// the marker is not there: a running destroy is returned to wait for, a running create is Busy, and a lock without task is a
// *LeftoverError.
func (c *Client) DestroyOurs(ctx context.Context, node string, vmid int, containerID string) (TaskRef, error) {
	what := fmt.Sprintf("destroy CT %d on %s", vmid, node)
	if err := checkVMID(node, vmid); err != nil {
		return TaskRef{}, err
	}
	ct, err := c.Config(ctx, node, vmid)
	switch {
	case domain.Is(err, domain.NotFound):
		return TaskRef{}, nil
	case err != nil:
		return TaskRef{}, err
	case ct.Lock == "create" || ct.Lock == "destroyed":
		return c.destroyLocked(ctx, what, node, vmid, ct.Lock)
	case !HasMarker(ct, containerID):
		owner := "it carries no marker of Berth"
		if id, ok := MarkerOf(ct); ok {
			owner = "it belongs to container " + id
		}
		return TaskRef{}, domain.Errorf(domain.Conflict, "%s refused: the CT is not that of container %s, %s. Nothing was changed.",
			what, containerID, owner)
	}
	ref, err := c.dispatch(ctx, what, http.MethodDelete, ctPath(node, vmid), map[string]any{"force": true, "purge": true})
	if domain.Is(err, domain.NotFound) {
		return TaskRef{}, nil
	}
	return ref, err
}

func (c *Client) destroyLocked(ctx context.Context, what, node string, vmid int, lock string) (TaskRef, error) {
	active, err := c.activeTasks(ctx, node, vmid)
	if err != nil {
		return TaskRef{}, err
	}
	for _, t := range active {
		if t.Type == "vzdestroy" && c.mine(t) {
			return t.Ref, nil
		}
	}
	if len(active) > 0 {
		return TaskRef{}, domain.Errorf(domain.Busy, "%s: task %s still works on it; wait until that has ended", what, active[0].Type)
	}
	// The task may have ended between the two looks, and its lock with it.
	again, err := c.Config(ctx, node, vmid)
	switch {
	case domain.Is(err, domain.NotFound):
		return TaskRef{}, nil
	case err != nil:
		return TaskRef{}, err
	case again.Lock != lock:
		return TaskRef{}, domain.Errorf(domain.Busy, "%s: the CT is just changing; try again", what)
	}
	return TaskRef{}, wrap(what, false, error(&LeftoverError{node, vmid, lock}))
}

// activeTasks lists what runs on a CT now.
func (c *Client) activeTasks(ctx context.Context, node string, vmid int) ([]Task, error) {
	tasks, err := c.Tasks(ctx, node, TaskFilter{VMID: vmid, Source: "active"})
	return slices.DeleteFunc(tasks, func(t Task) bool { return !t.Running }), err
}

// LeftoverLockIn returns the leftover lock that err is about.
func LeftoverLockIn(err error) (*LeftoverError, bool) {
	var lock *LeftoverError
	return lock, errors.As(err, &lock)
}
