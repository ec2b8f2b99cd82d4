package activities_test

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"berth/activities"
	"berth/domain"
	"berth/lab/pve"
	"berth/proxmox"
)

// created counts the CTs that carry the container's marker.
func (w *world) created(id string) (n int) {
	w.t.Helper()
	resources, err := w.client.Resources(w.t.Context())
	w.must(err)
	for _, r := range resources {
		if marked, ours := proxmox.MarkerOfTags(r.Tags); ours && marked == id {
			n++
		}
	}
	return n
}

// TestAnswerLostAfterTheEffect drops the answer of each mutating call once. The activity either finds out by itself, or
// fails in a way that is tried again, and its next try ends with the effect there once.
func TestAnswerLostAfterTheEffect(t *testing.T) {
	for _, operation := range []string{"oci.pull", "lxc.create", "lxc.configure", "lxc.start", "lxc.delete"} {
		t.Run(operation, func(t *testing.T) {
			w := newWorld(t)
			in := w.request("web01", func(c *domain.Container) { c.Spec.Env = map[string]string{"COLOUR": "blue"} })
			w.fault(pve.Fault{Operation: operation, Effect: pve.EffectDropAfter, Count: 1})
			step(t, w.set.Records.Begin, in)
			step(t, w.set.Records.Place, domain.PlaceInput{OperationInput: in})
			image := persist(t, w.set.Proxmox.PullImage, in)
			persist(t, w.set.Proxmox.Create, domain.CreateInput{OperationInput: in, Image: image})
			persist(t, w.set.Proxmox.Configure, in)
			persist(t, w.set.Proxmox.Start, in)
			persist(t, w.set.Proxmox.Verify, in)
			if n := w.created(in.ContainerID); n != 1 {
				t.Errorf("there are %d CTs of the container, want 1", n)
			}
			if left := persist(t, w.set.Proxmox.Destroy, in); left.Leftover != "" {
				t.Errorf("left over: %s", left.Leftover)
			}
			w.wantAbsent(w.container(in).Placement.VMID)
			if faults := w.pve.Faults(); faults[0].Struck != 1 {
				t.Errorf("the fault struck %d times, want once", faults[0].Struck)
			}
		})
	}
}

func TestCreateGoesOnWhereItsWorkerDied(t *testing.T) {
	w := newWorld(t)
	in := w.request("web01", nil)
	create := w.placed(in)
	c := w.container(in)
	// The create of a worker that died: its task still runs, and the heartbeat names it.
	w.fault(pve.Fault{Operation: "lxc.create", Effect: pve.EffectTaskHang, DelayMS: 100, Count: 1})
	task, err := w.client.Create(t.Context(), c.Placement.Node, proxmox.CreateSpec{
		VMID: c.Placement.VMID, Hostname: c.Name, Template: create.Image.Volume, Storage: "disks", DiskGiB: 1, Cores: 1,
		MemoryMiB: 256, Net: proxmox.Net{Name: "eth0", Bridge: "vmbr0", MAC: c.MAC, IP: "dhcp"},
		Tags: proxmox.Tags(c.ID), Description: proxmox.Description(c.ID, c.Spec.Image, c.Owner),
	})
	w.must(err)
	_, err = perform(t, w.set.Proxmox.Create, create, func(env *testsuite.TestActivityEnvironment) {
		env.SetHeartbeatDetails(map[string]any{"doing": "create", "task": task})
	})
	w.must(err)
	if n := w.created(c.ID); n != 1 {
		t.Errorf("there are %d CTs of the container, want the one that was on its way", n)
	}
}

// TestLeftoverLock kills the task of a create, which leaves a lock that a token cannot take off.
func TestLeftoverLock(t *testing.T) {
	w := newWorld(t)
	in := w.request("web01", nil)
	create := w.placed(in)
	w.fault(pve.Fault{Operation: "lxc.create", Effect: pve.EffectTaskKill, Count: 1})
	if _, err := perform(t, w.set.Proxmox.Create, create); err == nil {
		t.Fatal("the create succeeded, though its task was killed")
	}
	left := step(t, w.set.Proxmox.Destroy, in)
	for _, want := range []string{"20000", "pve1", "pct unlock 20000"} {
		if !strings.Contains(left.Leftover, want) {
			t.Errorf("the leftover is told as %q, want it to say %q", left.Leftover, want)
		}
	}
	step(t, w.set.Records.Unplace, domain.UnplaceInput{OperationInput: in, Quarantine: left.Leftover})
	step(t, w.set.Records.Release, domain.ReleaseInput{OperationInput: in, Quarantine: left.Leftover})
	next := w.request("web02", nil)
	w.placed(next)
	if c := w.container(next); c.Placement.VMID == 20000 || c.Address == "198.18.0.100" {
		t.Errorf("the next container got VMID %d and address %s, which are quarantined", c.Placement.VMID, c.Address)
	}
}

// TestDestroyStopsAStartThatHangs has a start hold the CT's lock for good.
func TestDestroyStopsAStartThatHangs(t *testing.T) {
	w := newWorld(t)
	in := w.request("web01", nil)
	step(t, w.set.Proxmox.Create, w.placed(in))
	c := w.container(in)
	w.fault(pve.Fault{Operation: "lxc.start", Effect: pve.EffectTaskHang, Count: 1})
	_, err := w.client.Start(t.Context(), c.Placement.Node, c.Placement.VMID)
	w.must(err)
	if left := step(t, w.set.Proxmox.Destroy, in); left.Leftover != "" {
		t.Errorf("left over: %s", left.Leftover)
	}
	w.wantAbsent(c.Placement.VMID)
}

// TestStepsThatUndoTryOn has Proxmox VE refuse a destroy in words that nobody knows.
func TestStepsThatUndoTryOn(t *testing.T) {
	w := newWorld(t)
	in := w.ready("web01")
	w.fault(pve.Fault{Operation: "lxc.delete", Effect: pve.EffectError, Status: 500, Text: "out of luck", Count: 1})
	_, err := perform(t, w.set.Proxmox.Destroy, in)
	if _, retryable := atBorder(t, activities.AtBorder(err, activities.Standing{})); err == nil || !retryable {
		t.Errorf("the refused destroy crosses the border as %v, want it tried again", err)
	}
}

// TestANodeThatIsAwayGetsSomeTime before the step goes elsewhere.
func TestANodeThatIsAwayGetsSomeTime(t *testing.T) {
	w := newWorld(t)
	in := w.request("web01", nil)
	step(t, w.set.Records.Begin, in)
	step(t, w.set.Records.Place, domain.PlaceInput{OperationInput: in})
	w.fault(pve.Fault{Operation: "storage.content", Effect: pve.EffectError, Status: 595, Text: "No route to host"})
	_, err := perform(t, w.set.Proxmox.PullImage, in)
	for spent, want := range map[time.Duration]bool{5 * time.Second: true, 20 * time.Second: false} {
		info, retryable := atBorder(t, activities.AtBorder(err, activities.Standing{Spent: spent, Total: 100 * time.Second}))
		if !info.Elsewhere || retryable != want {
			t.Errorf("%s of 100 s spent: crosses as %+v, tried again here: %v, want %v", spent, info, retryable, want)
		}
	}
}

// TestAVMIDThatIsTaken is told as such, and avoided when the container is placed again.
func TestAVMIDThatIsTaken(t *testing.T) {
	w := newWorld(t)
	stranger := w.ready("web01")
	w.must(w.store.Unplace(t.Context(), stranger.ContainerID)) // Berth does not know of it any more
	in := w.request("web02", nil)
	create := w.placed(in)
	if got := w.container(in).Placement.VMID; got != 20000 {
		t.Fatalf("placed as CT %d, want 20000, which is taken on the node", got)
	}
	_, err := perform(t, w.set.Proxmox.Create, create)
	if reaction := proxmox.Classify(err).Reaction; reaction != proxmox.NewVMID {
		t.Fatalf("told %v, classified as %s, want another VMID asked for", err, reaction)
	}
	if left := step(t, w.set.Proxmox.Destroy, in); left.Leftover != "" {
		t.Errorf("left over: %s", left.Leftover)
	}
	if n := w.created(stranger.ContainerID); n != 1 {
		t.Errorf("the stranger's CT is there %d times, want it untouched", n)
	}
	step(t, w.set.Records.Unplace, domain.UnplaceInput{OperationInput: in})
	placed := step(t, w.set.Records.Place, domain.PlaceInput{OperationInput: in, AvoidVMIDs: []int{20000}})
	if placed.VMID != 20001 {
		t.Errorf("placed as CT %d, want 20001", placed.VMID)
	}
}

// TestBorder joins the steps to what a workflow sees of their errors.
func TestBorder(t *testing.T) {
	w := newWorld(t)
	in := w.request("web01", nil)
	create := w.placed(in)
	w.fault(pve.Fault{Operation: "lxc.create", Effect: pve.EffectTaskFail, Text: "lvcreate 'pve/vm' error: not enough free space", Count: 1})
	_, err := perform(t, w.set.Proxmox.Create, create)
	info, retryable := atBorder(t, activities.AtBorder(err, activities.Standing{}))
	if !info.Elsewhere || retryable {
		t.Errorf("a full storage crosses the border as %+v, retryable %v; want another node asked for", info, retryable)
	}
}
