package workflows_test

import (
	"context"
	"slices"
	"sync"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"berth/activities"
	"berth/domain"
)

// performed is one call of an activity.
type performed struct {
	name string
	in   any
}

// script plays the outside world: every activity exists, succeeds unless told otherwise, and is written down. It runs
// under the test environment with its skipped time and under a real worker that records histories.
type script struct {
	begun     domain.Begun
	next      domain.Next
	nodes     []domain.Placed // what Place offers, in this order, less what is excluded
	leftover  string          // what Destroy leaves
	accounts  []string        // what BeginOrder offers, in this order, less what was tried
	byDNS     bool            // the CA is shown control of names by records, not by edges
	restart   bool            // what Reconfigure says about it
	goneAfter int             // how many looks at a cluster it takes until it is gone; 0 = it stays

	fails    map[string][]error       // by activity: what its calls return in turn; the last one for good
	cancelAt string                   // activity during which the workflow is cancelled
	cancel   func(context.Context)    // how
	gates    map[string]chan struct{} // an activity with a gate waits until it is opened
	opens    map[string]string        // an activity that was called opens the gate of another one

	mu    sync.Mutex
	calls []performed
}

func newScript() *script {
	return &script{
		begun: domain.Begun{Deadlines: domain.DefaultDeadlines(), Revision: 7, SiteID: "site-1"},
		nodes: []domain.Placed{{NodeID: "n1", Node: "pve1", VMID: 20000, Reason: "most room"}},
		fails: map[string][]error{}, gates: map[string]chan struct{}{}, opens: map[string]string{},
	}
}

// failing makes every call of an activity fail for good, the way the worker's border tells it.
func (s *script) failing(name string, errs ...error) *script {
	for _, err := range errs {
		s.fails[name] = append(s.fails[name], activities.AtBorder(err, activities.Standing{}))
	}
	return s
}

// play writes a call down and does what the script says about it.
func (s *script) play(ctx context.Context, name string, in any) error {
	s.mu.Lock()
	gate := s.gates[name]
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	s.calls = append(s.calls, performed{name, in})
	n := s.countLocked(name)
	if opened, ok := s.opens[name]; ok && n == 1 {
		close(s.gates[opened])
	}
	fails := s.fails[name]
	s.mu.Unlock()
	if s.cancelAt == name && n == 1 {
		s.cancel(ctx)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if len(fails) == 0 {
		return nil
	}
	return fails[min(n, len(fails))-1]
}

func (s *script) countLocked(name string) (n int) {
	for _, c := range s.calls {
		if c.name == name {
			n++
		}
	}
	return n
}

func (s *script) count(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.countLocked(name)
}

// order lists what was called, without that which runs beside the other steps.
func (s *script) order(beside ...string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, c := range s.calls {
		if !slices.Contains(beside, c.name) {
			names = append(names, c.name)
		}
	}
	return names
}

// inputs returns what an activity was called with, each time.
func inputs[T any](s *script, name string) (all []T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if in, ok := c.in.(T); ok && c.name == name {
			all = append(all, in)
		}
	}
	return all
}

func (s *script) offer(in domain.PlaceInput) (domain.Placed, error) {
	for _, n := range s.nodes {
		if !slices.Contains(in.Exclude, n.NodeID) && !slices.Contains(in.AvoidVMIDs, n.VMID) {
			return n, nil
		}
	}
	return domain.Placed{}, activities.AtBorder(domain.Errorf(domain.Permanent, "No node can take the container."), activities.Standing{})
}

// answer makes an activity that plays the script and answers out.
func answer[I, O any](s *script, name string, out func(I) (O, error)) func(context.Context, I) (O, error) {
	return func(ctx context.Context, in I) (O, error) {
		if err := s.play(ctx, name, in); err != nil {
			var zero O
			return zero, err
		}
		return out(in)
	}
}

func always[I, O any](out O) func(I) (O, error) { return func(I) (O, error) { return out, nil } }

// nothing is the answer of an activity that has none.
type nothing = struct{}

// register registers every activity that a workflow may call.
func (s *script) register(r worker.ActivityRegistry) {
	add := func(name string, fn any) { r.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name}) }
	for _, name := range []string{
		domain.ActivityRemove, domain.ActivityConfigure, domain.ActivityGrant, domain.ActivityRevoke,
		domain.ActivityStart, domain.ActivityVerify, domain.ActivityRevert, domain.ActivityDisown,
		domain.ActivityPublishNames, domain.ActivityWithdrawNames,
	} {
		add(name, answer(s, name, always[domain.OperationInput](nothing{})))
	}
	for _, name := range []string{domain.ActivityAwaitServed, domain.ActivityAwaitReleased} {
		add(name, answer(s, name, always[domain.RevisionInput](nothing{})))
	}
	add(domain.ActivityAwaitLive, answer(s, domain.ActivityAwaitLive, always[domain.LiveInput](nothing{})))
	for _, name := range []string{domain.ActivityWithdraw, domain.ActivityRestore} {
		add(name, answer(s, name, always[domain.OperationInput](domain.Released{Revision: 11})))
	}
	for _, name := range []string{
		domain.ActivityRevokeCertificate, domain.ActivityRegister, domain.ActivityOrder, domain.ActivityAnswer,
		domain.ActivityFinalize, domain.ActivityInstall,
	} {
		add(name, answer(s, name, always[domain.CertificateStep](domain.CertificateRevision{Revision: 12})))
	}
	add(domain.ActivityAuthorize, answer(s, domain.ActivityAuthorize, func(domain.CertificateStep) (domain.CertificateRevision, error) {
		if s.byDNS {
			return domain.CertificateRevision{Records: true}, nil
		}
		return domain.CertificateRevision{Revision: 12}, nil
	}))
	for _, name := range []string{
		domain.ActivityAwaitChallenge, domain.ActivityAwaitInstalled, domain.ActivityTidyOrder, domain.ActivityTidyRecords,
	} {
		add(name, answer(s, name, always[domain.CertificateStep](nothing{})))
	}
	add(domain.ActivityBeginOrder, answer(s, domain.ActivityBeginOrder, func(in domain.BeginOrderInput) (domain.CertificateBegun, error) {
		challenge := domain.HTTP01
		if s.byDNS {
			challenge = domain.DNS01
		}
		for _, id := range s.accounts {
			if !slices.Contains(in.Tried, id) {
				return domain.CertificateBegun{
					AccountID: id, Account: id, Challenge: challenge, SiteID: "site-1", Site: "demo", Deadlines: s.begun.Deadlines,
				}, nil
			}
		}
		return domain.CertificateBegun{}, nil
	}))
	add(domain.ActivityFailOrder, answer(s, domain.ActivityFailOrder, always[domain.CertificateFailed](nothing{})))
	add(domain.ActivityAwaitIssued, answer(s, domain.ActivityAwaitIssued,
		always[domain.AwaitIssuedInput](domain.CertificateOutcome{Revision: 12, Failed: []string{"The CA says no."}})))
	add(domain.ActivityBegin, answer(s, domain.ActivityBegin,
		func(domain.OperationInput) (domain.Begun, error) { return s.begun, nil }))
	add(domain.ActivityNextInLine, answer(s, domain.ActivityNextInLine,
		func(in domain.OperationInput) (domain.Next, error) {
			if in.Kind == domain.OpDelete {
				return domain.Next{}, nil // nothing comes after a delete
			}
			return s.next, nil
		}))
	add(domain.ActivityPlace, answer(s, domain.ActivityPlace, s.offer))
	add(domain.ActivityUnplace, answer(s, domain.ActivityUnplace, always[domain.UnplaceInput](nothing{})))
	add(domain.ActivityRelease, answer(s, domain.ActivityRelease, func(in domain.ReleaseInput) (domain.Released, error) {
		if in.Quarantine != "" {
			return domain.Released{}, nil
		}
		return domain.Released{Revision: 8}, nil
	}))
	add(domain.ActivityRename, answer(s, domain.ActivityRename, always[domain.RenameInput](domain.Released{Revision: 9})))
	add(domain.ActivityFinish, answer(s, domain.ActivityFinish, always[domain.FinishInput](nothing{})))
	add(domain.ActivityPublish, answer(s, domain.ActivityPublish, always[domain.NetworkInput](nothing{})))
	add(domain.ActivityPullImage, answer(s, domain.ActivityPullImage,
		always[domain.OperationInput](domain.Pulled{Volume: "local:vztmpl/app.tar", Digest: "sha256:1"})))
	add(domain.ActivityCreate, answer(s, domain.ActivityCreate, always[domain.CreateInput](nothing{})))
	add(domain.ActivityPower, answer(s, domain.ActivityPower, always[domain.PowerInput](nothing{})))
	add(domain.ActivityReconfigure, answer(s, domain.ActivityReconfigure,
		func(domain.OperationInput) (domain.Reconfigured, error) {
			return domain.Reconfigured{Restart: s.restart}, nil
		}))
	add(domain.ActivityDestroy, answer(s, domain.ActivityDestroy,
		func(domain.OperationInput) (domain.Destroyed, error) {
			return domain.Destroyed{Leftover: s.leftover}, nil
		}))
	add(domain.ActivityAdopt, answer(s, domain.ActivityAdopt, always[domain.OperationInput](domain.Released{Revision: 10})))
	add(domain.ActivityObserve, answer(s, domain.ActivityObserve,
		func(domain.ObserveInput) (bool, error) {
			return s.goneAfter > 0 && s.count(domain.ActivityObserve) >= s.goneAfter, nil
		}))
	add(domain.ActivityReconcile, answer(s, domain.ActivityReconcile,
		func(in domain.ReconcileInput) (domain.ReconcileReport, error) {
			return domain.ReconcileReport{DryRun: in.DryRun, Repairs: []domain.Repair{{What: "stray", Action: "reported"}}}, nil
		}))
}
