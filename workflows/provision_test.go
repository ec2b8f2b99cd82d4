package workflows_test

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
)

// What a provision calls, in order, and how it ends. AwaitServed runs beside the steps and is told apart where it matters.
var (
	provisioned = []string{
		domain.ActivityBegin, domain.ActivityPlace, domain.ActivityPullImage, domain.ActivityCreate,
		domain.ActivityConfigure, domain.ActivityGrant, domain.ActivityStart, domain.ActivityVerify,
	}
	givenBack = []string{domain.ActivityRelease, domain.ActivityAwaitReleased}
	unplaced  = append([]string{domain.ActivityUnplace}, givenBack...)
	destroyed = append([]string{domain.ActivityDestroy}, unplaced...)
	ended     = []string{domain.ActivityFinish, domain.ActivityNextInLine}
)

// sequence joins lists of activities.
func sequence(parts ...[]string) (all []string) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// refused is the error of a step that fails for good.
func refused(words string) error { return domain.Errorf(domain.Permanent, "%s", words) }

// stepErr is an error that carries what proxmox's table of failures decided.
func stepErr(info domain.FailureInfo) error {
	return temporal.NewApplicationErrorWithOptions(info.Message, info.Kind,
		temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{info}})
}

func TestProvisionEndsReady(t *testing.T) {
	s := newScript()
	// The edges are slow: they serve the reservation only after everything before the start is done.
	s.gates[domain.ActivityAwaitServed] = make(chan struct{})
	s.opens[domain.ActivityGrant] = domain.ActivityAwaitServed
	r := execute(t, s, domain.WorkflowProvision, input(domain.OpProvision))

	r.wantOrder(t, sequence(provisioned[:6], []string{domain.ActivityAwaitServed}, provisioned[6:], ended))
	wantEnd(t, r.finish(t), domain.FinishInput{
		OperationInput: input(domain.OpProvision), Result: domain.OpSucceeded, After: domain.ContainerReady,
		Message: "Ready on node pve1 as CT 20000.",
	})
	served := inputs[domain.RevisionInput](s, domain.ActivityAwaitServed)
	want := []domain.RevisionInput{{OperationInput: input(domain.OpProvision), SiteID: "site-1", Revision: 7}}
	if diff := cmp.Diff(want, served); diff != "" {
		t.Errorf("the edges were waited for differently (-want +got):\n%s", diff)
	}
	created := inputs[domain.CreateInput](s, domain.ActivityCreate)
	if len(created) != 1 || created[0].Image.Volume != "local:vztmpl/app.tar" {
		t.Errorf("created from %+v, want the volume that was pulled", created)
	}
}

func TestDetailsReadLikeALog(t *testing.T) {
	r := execute(t, newScript(), domain.WorkflowProvision, input(domain.OpProvision))
	details := r.details(t)
	for _, want := range []string{
		"Provision web01", "Asked by user:anna for anna on site home, operation `op-1`", "**place**", "node pve1, VMID 20000: most room",
		"**image**", "**create**: on node pve1", "**configure**", "**grant**", "**network**", "**start**", "**verify**",
		"succeeded: Ready on node pve1 as CT 20000.",
	} {
		_, rest, found := strings.Cut(details, want)
		if !found {
			t.Fatalf("the details do not say %q where expected; what is left is %q", want, details)
		}
		details = rest
	}
}

func TestProvisionUndoesWhatWasDoneWhenAStepFailsForGood(t *testing.T) {
	for _, c := range []struct {
		fails string
		step  string
		done  int // how many of the steps were called
		undo  []string
	}{
		{domain.ActivityPlace, "place", 2, unplaced},
		{domain.ActivityPullImage, "image", 3, unplaced},
		{domain.ActivityCreate, "create", 4, destroyed},
		{domain.ActivityConfigure, "configure", 5, destroyed},
		{domain.ActivityGrant, "grant", 6, destroyed},
		{domain.ActivityAwaitServed, "network", 6, destroyed},
		{domain.ActivityStart, "start", 7, destroyed},
		{domain.ActivityVerify, "verify", 8, destroyed},
	} {
		t.Run(c.fails, func(t *testing.T) {
			s := newScript().failing(c.fails, refused("It cannot be."))
			r := execute(t, s, domain.WorkflowProvision, input(domain.OpProvision))
			r.wantOrder(t, sequence(provisioned[:c.done], c.undo, ended), domain.ActivityAwaitServed)
			wantEnd(t, r.finish(t), domain.FinishInput{
				OperationInput: input(domain.OpProvision), Result: domain.OpFailed, After: domain.ContainerFailed,
				Step: c.step, ErrorKind: "permanent",
			}, "It cannot be.", "Undone: ", "address, MAC and DNS name.")
			for _, in := range inputs[domain.UnplaceInput](s, domain.ActivityUnplace) {
				if in.Quarantine != "" {
					t.Errorf("the VMID was quarantined (%s), though nothing is left", in.Quarantine)
				}
			}
		})
	}
}

// TestProvisionGivesUp lets a step fail for a reason that heals by itself, and never does.
func TestProvisionGivesUp(t *testing.T) {
	s := newScript().failing(domain.ActivityStart, domain.Errorf(domain.Unavailable, "The node does not answer."))
	start := time.Now()
	r := execute(t, s, domain.WorkflowProvision, input(domain.OpProvision))
	wantEnd(t, r.finish(t), domain.FinishInput{
		OperationInput: input(domain.OpProvision), Result: domain.OpFailed, After: domain.ContainerFailed,
		Step: "start", ErrorKind: "unavailable",
	}, "The node does not answer.", "Undone: CT on node pve1, VMID, address, MAC and DNS name.")
	if n := s.count(domain.ActivityStart); n < 10 {
		t.Errorf("the start was tried %d times within its six minutes, want it tried again and again", n)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %s: time was not skipped", took)
	}
}

func TestProvisionHealsWhatIsTransient(t *testing.T) {
	s := newScript().failing(domain.ActivityStart, domain.Errorf(domain.Transient, "Busy."))
	s.fails[domain.ActivityStart] = append(s.fails[domain.ActivityStart], nil)
	r := execute(t, s, domain.WorkflowProvision, input(domain.OpProvision))
	if got := r.finish(t).Result; got != domain.OpSucceeded {
		t.Errorf("ended %s, want succeeded after the second try", got)
	}
	if n := s.count(domain.ActivityDestroy); n != 0 {
		t.Errorf("destroyed %d times, want never", n)
	}
}

var threeNodes = []domain.Placed{
	{NodeID: "n1", Node: "pve1", VMID: 20000}, {NodeID: "n2", Node: "pve2", VMID: 20001}, {NodeID: "n3", Node: "pve3", VMID: 20002},
}

func TestProvisionGoesElsewhere(t *testing.T) {
	for _, fails := range []string{domain.ActivityPullImage, domain.ActivityCreate} {
		t.Run(fails, func(t *testing.T) {
			s := newScript()
			s.nodes = threeNodes
			s.fails[fails] = []error{stepErr(domain.FailureInfo{Kind: "permanent", Message: "Storage full.", Elsewhere: true}), nil}
			r := execute(t, s, domain.WorkflowProvision, input(domain.OpProvision))
			wantEnd(t, r.finish(t), domain.FinishInput{
				OperationInput: input(domain.OpProvision), Result: domain.OpSucceeded, After: domain.ContainerReady,
			}, "Ready on node pve2 as CT 20001.")
			asked := inputs[domain.PlaceInput](s, domain.ActivityPlace)
			if len(asked) != 2 || !cmp.Equal(asked[1].Exclude, []string{"n1"}) || asked[1].AvoidVMIDs != nil {
				t.Errorf("placed with %+v, want the node that refused left out the second time", asked)
			}
			if n := s.count(domain.ActivityUnplace); n != 1 {
				t.Errorf("the first VMID was freed %d times, want once", n)
			}
			if n := s.count(domain.ActivityRelease); n != 0 {
				t.Errorf("the address was released %d times on the way, want it kept", n)
			}
			if details := r.details(t); !strings.Contains(details, "node pve1 refused: Storage full.") {
				t.Errorf("the details do not say who refused: %s", details)
			}
		})
	}
}

func TestProvisionTakesAnotherVMID(t *testing.T) {
	s := newScript()
	s.nodes = []domain.Placed{{NodeID: "n1", Node: "pve1", VMID: 20000}, {NodeID: "n1", Node: "pve1", VMID: 20001}}
	s.fails[domain.ActivityCreate] = []error{
		stepErr(domain.FailureInfo{Kind: "conflict", Message: "The VMID is in use.", NewVMID: true}), nil,
	}
	r := execute(t, s, domain.WorkflowProvision, input(domain.OpProvision))
	if got, want := r.finish(t).Message, "Ready on node pve1 as CT 20001."; got != want {
		t.Errorf("ended with %q, want %q", got, want)
	}
	asked := inputs[domain.PlaceInput](s, domain.ActivityPlace)
	if len(asked) != 2 || asked[1].Exclude != nil || !cmp.Equal(asked[1].AvoidVMIDs, []int{20000}) {
		t.Errorf("placed with %+v, want the VMID that is taken avoided and the node kept", asked)
	}
}

func TestProvisionGivesUpAfterFiveNodes(t *testing.T) {
	s := newScript()
	s.nodes = nil
	for _, id := range []string{"n1", "n2", "n3", "n4", "n5", "n6"} {
		s.nodes = append(s.nodes, domain.Placed{NodeID: id, Node: id, VMID: 20000})
	}
	s.fails[domain.ActivityCreate] = []error{stepErr(domain.FailureInfo{Kind: "permanent", Message: "Storage full.", Elsewhere: true})}
	r := execute(t, s, domain.WorkflowProvision, input(domain.OpProvision))
	wantEnd(t, r.finish(t), domain.FinishInput{
		OperationInput: input(domain.OpProvision), Result: domain.OpFailed, After: domain.ContainerFailed,
		Step: "create", ErrorKind: "permanent",
	}, "Storage full.", "address, MAC and DNS name")
	if n := s.count(domain.ActivityCreate); n != 5 {
		t.Errorf("tried %d nodes, want 5", n)
	}
	if n := s.count(domain.ActivityDestroy); n != 5 {
		t.Errorf("cleaned %d nodes, want 5", n)
	}
}

func TestProvisionStopsWhereSomethingIsLeft(t *testing.T) {
	for name, elsewhere := range map[string]bool{"for good": false, "on the way to another node": true} {
		t.Run(name, func(t *testing.T) {
			s := newScript()
			s.nodes, s.leftover = threeNodes, "CT 20000 on node pve1 has the lock create."
			s.fails[domain.ActivityCreate] = []error{stepErr(domain.FailureInfo{Kind: "permanent", Message: "The create died.", Elsewhere: elsewhere})}
			r := execute(t, s, domain.WorkflowProvision, input(domain.OpProvision))
			wantEnd(t, r.finish(t), domain.FinishInput{
				OperationInput: input(domain.OpProvision), Result: domain.OpNeedsAttention, After: domain.ContainerNeedsAttention,
				Step: "create", ErrorKind: "permanent",
			}, "The create died.", "A human has to look at it: CT 20000 on node pve1 has the lock create.", "quarantined")
			wantQuarantine(t, s, s.leftover)
			if n := s.count(domain.ActivityPlace); n != 1 {
				t.Errorf("placed %d times, want no other node while one holds a leftover", n)
			}
		})
	}
}

// wantQuarantine checks that VMID and address were kept from others, for a reason, and never freed.
func wantQuarantine(t *testing.T, s *script, reason string) {
	t.Helper()
	vmids := inputs[domain.UnplaceInput](s, domain.ActivityUnplace)
	if len(vmids) != 1 || vmids[0].Quarantine != reason {
		t.Errorf("the VMID was given back as %+v, want it quarantined once for %q", vmids, reason)
	}
	addresses := inputs[domain.ReleaseInput](s, domain.ActivityRelease)
	if len(addresses) != 1 || addresses[0].Quarantine != reason {
		t.Errorf("the address was given back as %+v, want it quarantined once for %q", addresses, reason)
	}
}

func TestProvisionTellsWhatCouldNotBeUndone(t *testing.T) {
	s := newScript().failing(domain.ActivityStart, refused("It does not boot.")).
		failing(domain.ActivityDestroy, refused("The node is gone."))
	r := execute(t, s, domain.WorkflowProvision, input(domain.OpProvision))
	wantEnd(t, r.finish(t), domain.FinishInput{
		OperationInput: input(domain.OpProvision), Result: domain.OpNeedsAttention, After: domain.ContainerNeedsAttention,
		Step: "start", ErrorKind: "permanent",
	}, "It does not boot.", "The node is gone.", "quarantined", "Could not undo CT on node pve1")
	wantQuarantine(t, s, "The node is gone.")
}
