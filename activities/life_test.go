package activities_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
	"berth/lab/pve"
	"berth/proxmox"
)

// TestLifeOfAContainer takes a container through all that can be done to it, on the API of the lab.
func TestLifeOfAContainer(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	in := w.request("web01", func(c *domain.Container) {
		c.Spec.Env = map[string]string{"GREETING": "moin", "COLOUR": "blue"}
		c.Spec.Entrypoint = "/bin/other"
	})
	create := w.placed(in)
	if create.Image.Digest == "" || !strings.HasPrefix(create.Image.Volume, "local:vztmpl/") {
		t.Errorf("pulled %+v, want a volume of storage local with its digest", create.Image)
	}
	step(t, w.set.Proxmox.Create, create)
	step(t, w.set.Proxmox.Configure, in)
	c := w.container(in)
	config, err := w.client.Config(ctx, "pve1", c.Placement.VMID)
	w.must(err)
	if !proxmox.HasMarker(config, c.ID) || config.Hostname != "web01" || !domain.SameMAC(config.Nets[0].MAC, c.MAC) || config.MemoryMiB != 256 {
		t.Errorf("created as %s with %v, %d MiB and tags %v, want name, MAC, memory and marker of %+v",
			config.Hostname, config.Nets, config.MemoryMiB, config.Tags, c)
	}
	if want := []string{"COLOUR=blue", "GREETING=moin", "PATH=/bin"}; !cmp.Equal(config.Env, want) {
		t.Errorf("the environment is %v, want %v", config.Env, want)
	}
	if config.Entrypoint != "/bin/other" {
		t.Errorf("the entrypoint is %q, want ours", config.Entrypoint)
	}

	step(t, w.set.Proxmox.Start, in)
	step(t, w.set.Proxmox.Verify, in)
	w.finish(in)
	if c := w.container(in); c.State != domain.ContainerReady || c.Power != domain.PowerRunning || c.ReadyAt.IsZero() {
		t.Errorf("ended as %s, %s, ready at %s; want a ready, running container", c.State, c.Power, c.ReadyAt)
	}

	for _, action := range []domain.PowerAction{
		domain.ActionShutdown, domain.ActionShutdown, domain.ActionReboot, domain.ActionReboot, domain.ActionStop,
		domain.ActionStop, domain.ActionStart, domain.ActionStart,
	} {
		op := w.operation(c.ID, domain.OpPower, domain.OperationParams{Power: action})
		step(t, w.set.Proxmox.Power, domain.PowerInput{OperationInput: op, Action: action})
		status, err := w.client.Status(ctx, "pve1", c.Placement.VMID)
		w.must(err)
		if want := action.Wants() == domain.PowerRunning; status.Running != want || w.container(in).Power != action.Wants() {
			t.Errorf("after %s it runs: %v, want %v (SQL says %s)", action, status.Running, want, w.container(in).Power)
		}
		w.finish(op)
	}

	gone := w.operation(c.ID, domain.OpDelete, domain.OperationParams{})
	if left := step(t, w.set.Proxmox.Destroy, gone); left.Leftover != "" {
		t.Errorf("left over: %s", left.Leftover)
	}
	if left := step(t, w.set.Proxmox.Destroy, gone); left.Leftover != "" { // it may run again
		t.Errorf("left over the second time: %s", left.Leftover)
	}
	w.wantAbsent(c.Placement.VMID)
}

// wantAbsent checks that no node has the CT.
func (w *world) wantAbsent(vmid int) {
	w.t.Helper()
	resources, err := w.client.Resources(w.t.Context())
	w.must(err)
	if slices.ContainsFunc(resources, func(r proxmox.Resource) bool { return r.Type == "lxc" && r.VMID == vmid }) {
		w.t.Errorf("CT %d is still there", vmid)
	}
}

func TestReconfigureWritesAndReverts(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	in := w.ready("web01")
	c := w.container(in)
	before := domain.Before{Cores: 1, MemoryMiB: 256}
	disk := 2
	change := domain.Reconfigure{DiskGiB: &disk, Env: true, Restart: true}
	op := w.operation(c.ID, domain.OpReconfigure, domain.OperationParams{Reconfigure: &change, Before: &before})
	w.must(w.store.ModifyContainer(ctx, c.ID, func(c *domain.Container) error {
		c.Spec.MemoryMiB, c.Spec.Cores, c.Spec.DiskGiB, c.Spec.Env = 512, 2, disk, map[string]string{"COLOUR": "red"}
		return nil
	}))
	for range 2 { // it may run again
		if done := step(t, w.set.Proxmox.Reconfigure, op); !done.Restart {
			t.Error("no restart is asked for, though the environment changed and the container runs")
		}
	}
	config, err := w.client.Config(ctx, "pve1", c.Placement.VMID)
	w.must(err)
	if config.MemoryMiB != 512 || config.Cores != 2 || config.DiskGiB != 2 {
		t.Errorf("the node has %d MiB, %d cores, %d GiB; want 512, 2, 2", config.MemoryMiB, config.Cores, config.DiskGiB)
	}

	step(t, w.set.Proxmox.Revert, op)
	config, err = w.client.Config(ctx, "pve1", c.Placement.VMID)
	w.must(err)
	now := w.container(in)
	if config.MemoryMiB != 256 || config.Cores != 1 || now.Spec.MemoryMiB != 256 || now.Spec.Cores != 1 {
		t.Errorf("went back to %d MiB, %d cores on the node and %d MiB, %d cores in SQL; want 256 and 1",
			config.MemoryMiB, config.Cores, now.Spec.MemoryMiB, now.Spec.Cores)
	}
	if now.Spec.DiskGiB != 2 {
		t.Errorf("SQL says the disk has %d GiB; it cannot shrink and has 2", now.Spec.DiskGiB)
	}
}

func TestVerifyToldWhatIsWrong(t *testing.T) {
	for what, c := range map[string]struct {
		address string
		words   string
	}{
		"no address":      {"", "it holds none"},
		"another address": {"198.18.0.77", "it holds 198.18.0.77, so another DHCP server"},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			in := w.request("web01", nil)
			step(t, w.set.Proxmox.Create, w.placed(in))
			w.give(w.container(in).MAC, c.address)
			w.must(ignoreLease(perform(t, w.set.Proxmox.Start, in)))
			_, err := perform(t, w.hurried(w.set.Proxmox.Verify), in)
			if !domain.Is(err, domain.Permanent) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("told %v, want it to say %q for good", err, c.words)
			}
		})
	}
}

func TestVerifyNoticesAGuestThatEnded(t *testing.T) {
	w := newWorld(t)
	in := w.request("web01", nil)
	step(t, w.set.Proxmox.Create, w.placed(in))
	_, err := perform(t, w.set.Proxmox.Verify, in)
	if !domain.Is(err, domain.Permanent) || !strings.Contains(err.Error(), "entrypoint ended") {
		t.Errorf("told %v, want the words about an entrypoint that ended", err)
	}
}

func TestOwnersAccess(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	w.fault(pve.Fault{Operation: "acl.put", Effect: pve.EffectError, Text: "nobody may set this"})
	in := w.request("web01", nil)
	step(t, w.set.Proxmox.Create, w.placed(in))
	step(t, w.set.Proxmox.Grant, in) // without a realm nothing is asked of the node
	events, err := w.store.Events(ctx, in.OperationID, 0)
	w.must(err)
	if !slices.ContainsFunc(events, func(e domain.OperationEvent) bool {
		return e.Step == "grant" && strings.Contains(e.Message, "the cluster has no realm")
	}) {
		t.Errorf("the log does not say that the step was skipped: %+v", events)
	}
	cluster, err := w.store.Cluster(ctx, w.cluster.ID)
	w.must(err)
	cluster.Realm = "pve"
	w.must(w.store.UpdateCluster(ctx, &cluster))
	if _, err := perform(t, w.set.Proxmox.Grant, in); err == nil || !strings.Contains(err.Error(), "nobody may set this") {
		t.Errorf("granted with %v, want the node's refusal", err)
	}
}
