package workflows_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
)

func TestPower(t *testing.T) {
	for _, c := range []struct {
		action domain.PowerAction
		order  []string
	}{
		{domain.ActionStart, []string{domain.ActivityPower, domain.ActivityVerify}},
		{domain.ActionReboot, []string{domain.ActivityPower, domain.ActivityVerify}},
		{domain.ActionShutdown, []string{domain.ActivityPower}},
		{domain.ActionStop, []string{domain.ActivityPower}},
	} {
		t.Run(string(c.action), func(t *testing.T) {
			s := placedScript()
			s.begun.Params.Power = c.action
			r := execute(t, s, domain.WorkflowPower, input(domain.OpPower))
			r.wantOrder(t, sequence(deleting[:1], c.order, ended))
			wantEnd(t, r.finish(t), domain.FinishInput{
				OperationInput: input(domain.OpPower), Result: domain.OpSucceeded, After: domain.ContainerReady,
				Message: "Done: " + string(c.action) + ".",
			})
			want := []domain.PowerInput{{OperationInput: input(domain.OpPower), Action: c.action}}
			if diff := cmp.Diff(want, inputs[domain.PowerInput](s, domain.ActivityPower)); diff != "" {
				t.Errorf("the node was asked for something else (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPowerThatFails changes nothing about the container, and there is nothing to undo.
func TestPowerThatFails(t *testing.T) {
	for _, c := range []struct {
		fails, step string
		result      domain.OperationState
		kind        string
	}{
		{domain.ActivityPower, "start", domain.OpFailed, "permanent"},
		{domain.ActivityVerify, "verify", domain.OpFailed, "permanent"},
		{"", "start", domain.OpCancelled, "cancelled"},
	} {
		t.Run(c.step+" "+string(c.result), func(t *testing.T) {
			s := placedScript()
			s.begun.Params.Power = domain.ActionStart
			if c.fails == "" {
				s.cancelAt = domain.ActivityPower
			} else {
				s.failing(c.fails, refused("It cannot be."))
			}
			r := execute(t, s, domain.WorkflowPower, input(domain.OpPower))
			wantEnd(t, r.finish(t), domain.FinishInput{
				OperationInput: input(domain.OpPower), Result: c.result, Step: c.step, ErrorKind: c.kind,
			}, "Nothing had to be undone.")
		})
	}
}

// reconfiguring is the world of a container that is to be renamed and to get another environment.
func reconfiguring(restart bool) *script {
	s := placedScript()
	name := "web02"
	s.begun.Params.Reconfigure = &domain.Reconfigure{Name: &name, Env: true, Restart: restart}
	s.restart = restart
	return s
}

var (
	renamed    = []string{domain.ActivityBegin, domain.ActivityRename, domain.ActivityAwaitServed}
	rewritten  = sequence(renamed, []string{domain.ActivityReconfigure})
	restarted  = sequence(rewritten, []string{domain.ActivityPower, domain.ActivityVerify})
	tookBack   = sequence([]string{domain.ActivityRevert}, ended)
	unrenamed  = sequence([]string{domain.ActivityBegin, domain.ActivityReconfigure}, ended)
	reconfigIn = input(domain.OpReconfigure)
)

func TestReconfigure(t *testing.T) {
	live := reconfiguring(false)
	live.begun.Params.Reconfigure.Name = nil
	for name, c := range map[string]struct {
		script  *script
		order   []string
		message string
	}{
		"live":              {live, unrenamed, "Changed live."},
		"renamed":           {reconfiguring(false), sequence(rewritten, ended), "Changed live."},
		"restart agreed to": {reconfiguring(true), sequence(restarted, ended), "Changed, and restarted for it."},
	} {
		t.Run(name, func(t *testing.T) {
			r := execute(t, c.script, domain.WorkflowReconfigure, reconfigIn)
			r.wantOrder(t, c.order)
			wantEnd(t, r.finish(t), domain.FinishInput{
				OperationInput: reconfigIn, Result: domain.OpSucceeded, After: domain.ContainerReady, Message: c.message,
			})
			for _, in := range inputs[domain.RevisionInput](c.script, domain.ActivityAwaitServed) {
				if in.Revision != 9 {
					t.Errorf("waited for revision %d, want 9, which has the new name", in.Revision)
				}
			}
		})
	}
}

func TestReconfigureGoesBack(t *testing.T) {
	for _, c := range []struct {
		at    string
		step  string
		order []string
	}{
		{domain.ActivityRename, "rename", renamed[:2]},
		{domain.ActivityAwaitServed, "rename", renamed},
		{domain.ActivityReconfigure, "settings", rewritten},
		{domain.ActivityPower, "restart", restarted[:5]},
		{domain.ActivityVerify, "verify", restarted},
	} {
		want := domain.FinishInput{OperationInput: reconfigIn, Step: c.step}
		t.Run(c.at+" fails", func(t *testing.T) {
			s := reconfiguring(true).failing(c.at, refused("It cannot be."))
			r := execute(t, s, domain.WorkflowReconfigure, reconfigIn)
			r.wantOrder(t, sequence(c.order, tookBack))
			want.Result, want.ErrorKind = domain.OpFailed, "permanent"
			wantEnd(t, r.finish(t), want, "It cannot be. Undone: settings.")
		})
		t.Run(c.at+" cancelled", func(t *testing.T) {
			s := reconfiguring(true)
			s.cancelAt = c.at
			r := execute(t, s, domain.WorkflowReconfigure, reconfigIn)
			r.wantOrder(t, sequence(c.order, tookBack))
			want.Result, want.ErrorKind = domain.OpCancelled, "cancelled"
			wantEnd(t, r.finish(t), want, "Undone: settings.")
		})
	}
}

func TestReconfigureThatCannotGoBack(t *testing.T) {
	s := reconfiguring(true).failing(domain.ActivityReconfigure, refused("It cannot be.")).
		failing(domain.ActivityRevert, refused("The node is gone."))
	r := execute(t, s, domain.WorkflowReconfigure, reconfigIn)
	wantEnd(t, r.finish(t), domain.FinishInput{
		OperationInput: reconfigIn, Result: domain.OpNeedsAttention, After: domain.ContainerNeedsAttention,
		Step: "settings", ErrorKind: "permanent", Message: "It cannot be. A human has to look at it: Could not undo settings: The node is gone." +
			" Once it is mended: berth operation retry " + reconfigIn.OperationID + ", or delete the container.",
	})
}

func TestImport(t *testing.T) {
	adopted := []string{domain.ActivityBegin, domain.ActivityAdopt, domain.ActivityAwaitServed}
	disowned := sequence([]string{domain.ActivityDisown}, givenBack, []string{domain.ActivityUnplace})
	in := input(domain.OpImport)
	good := domain.FinishInput{OperationInput: in, Result: domain.OpSucceeded, After: domain.ContainerReady}
	undone := domain.FinishInput{OperationInput: in, Result: domain.OpFailed, After: domain.ContainerFailed, ErrorKind: "permanent"}
	for name, c := range map[string]struct {
		fails, cancelAt string
		step            string
		order           []string
		want            domain.FinishInput
	}{
		"as it is":             {order: adopted, want: good},
		"not adopted":          {fails: domain.ActivityAdopt, step: "adopt", order: sequence(adopted[:2], disowned), want: undone},
		"not served":           {fails: domain.ActivityAwaitServed, step: "network", order: sequence(adopted, disowned), want: undone},
		"cancelled in between": {cancelAt: domain.ActivityAdopt, step: "adopt", order: sequence(adopted[:2], disowned), want: undone},
	} {
		t.Run(name, func(t *testing.T) {
			s := placedScript()
			s.cancelAt = c.cancelAt
			if c.fails != "" {
				s.failing(c.fails, refused("It cannot be."))
			}
			if c.cancelAt != "" {
				c.want.Result, c.want.ErrorKind = domain.OpCancelled, "cancelled"
			}
			r := execute(t, s, domain.WorkflowImport, in)
			r.wantOrder(t, sequence(c.order, ended))
			c.want.Step = c.step
			wantEnd(t, r.finish(t), c.want)
		})
	}
}
