package workflows_test

import (
	"berth/domain"
)

// scenario is one way that a workflow can go. Its history is a fixture of TestReplay.
type scenario struct {
	name     string // of the fixture
	workflow string
	in       any
	script   *script
}

// scenarios lists what is recorded: every workflow, and of each the ways that differ in what it asks of the server.
func scenarios() []scenario {
	leftover, forget, cancelledBefore := placedScript(), placedScript(), newScript()
	leftover.leftover = "CT 20000 on node pve1 has the lock create."
	forget.begun.Params.Forget = true
	cancelledBefore.begun.Cancelled = true

	elsewhere := newScript()
	elsewhere.nodes = threeNodes
	elsewhere.fails[domain.ActivityCreate] = []error{
		stepErr(domain.FailureInfo{Kind: "permanent", Message: "Storage full.", Elsewhere: true}),
		stepErr(domain.FailureInfo{Kind: "conflict", Message: "The VMID is in use.", NewVMID: true}), nil,
	}
	cancelled, deleted := newScript(), newScript()
	cancelled.cancelAt, deleted.cancelAt = domain.ActivityCreate, domain.ActivityPullImage
	deleted.next = domain.Next{OperationID: "op-2", Actor: "user:root"}

	reboot, unpowered := placedScript(), placedScript()
	reboot.begun.Params.Power, unpowered.begun.Params.Power = domain.ActionReboot, domain.ActionStop
	observed := newScript()
	observed.goneAfter = 2

	unbootable := newScript().failing(domain.ActivityStart, refused("It does not boot."))
	return []scenario{
		{"provision-ready", domain.WorkflowProvision, input(domain.OpProvision), newScript()},
		{"provision-elsewhere", domain.WorkflowProvision, input(domain.OpProvision), elsewhere},
		{"provision-undone", domain.WorkflowProvision, input(domain.OpProvision), unbootable},
		{"provision-cancelled", domain.WorkflowProvision, input(domain.OpProvision), cancelled},
		{"provision-cancelled-before", domain.WorkflowProvision, input(domain.OpProvision), cancelledBefore},
		{"provision-then-delete", domain.WorkflowProvision, input(domain.OpProvision), deleted},
		{"power-reboot", domain.WorkflowPower, input(domain.OpPower), reboot},
		{"power-failed", domain.WorkflowPower, input(domain.OpPower), unpowered.failing(domain.ActivityPower, refused("It cannot be."))},
		{"reconfigure-restart", domain.WorkflowReconfigure, reconfigIn, reconfiguring(true)},
		{
			"reconfigure-reverted", domain.WorkflowReconfigure, reconfigIn,
			reconfiguring(true).failing(domain.ActivityVerify, refused("It does not boot.")),
		},
		{"import-adopted", domain.WorkflowImport, input(domain.OpImport), placedScript()},
		{
			"import-undone", domain.WorkflowImport, input(domain.OpImport),
			placedScript().failing(domain.ActivityAdopt, refused("It cannot be.")),
		},
		{"provision-published", domain.WorkflowProvision, input(domain.OpProvision), exposing(newScript())},
		{"expose-live", domain.WorkflowExpose, input(domain.OpExpose), exposing(placedScript())},
		{
			"expose-undone", domain.WorkflowExpose, input(domain.OpExpose),
			exposing(placedScript()).failing(domain.ActivityAwaitLive, refused("The port is taken.")),
		},
		{"expose-certified", domain.WorkflowExpose, input(domain.OpExpose), certifying(exposing(placedScript()))},
		{"expose-named", domain.WorkflowExpose, input(domain.OpExpose), named(exposing(placedScript()))},
		{
			"expose-named-undone", domain.WorkflowExpose, input(domain.OpExpose),
			named(exposing(placedScript())).failing(domain.ActivityPublishNames, refused("The name is somebody else's.")),
		},
		{"provision-named", domain.WorkflowProvision, input(domain.OpProvision), named(exposing(newScript()))},
		{"delete-named", domain.WorkflowDelete, input(domain.OpDelete), named(exposing(placedScript()))},
		{"certificate-by-dns", domain.WorkflowCertificate, certificateIn, byDNS(ordering("ca-1"))},
		{"certificate-issued", domain.WorkflowCertificate, certificateIn, ordering("ca-1")},
		{
			"certificate-of-another-authority", domain.WorkflowCertificate, certificateIn,
			ordering("ca-1", "ca-2").failing(domain.ActivityOrder, refused("The CA says no."), nil),
		},
		{
			"certificate-revoked", domain.WorkflowCertificate,
			domain.CertificateInput{CertificateID: "cert-1", Name: "app.example.org", Revoke: true},
			ordering("ca-1"),
		},
		{"delete-withdrawn", domain.WorkflowDelete, input(domain.OpDelete), exposing(placedScript())},
		{"delete-gone", domain.WorkflowDelete, input(domain.OpDelete), placedScript()},
		{"delete-leftover", domain.WorkflowDelete, input(domain.OpDelete), leftover},
		{"delete-forget", domain.WorkflowDelete, input(domain.OpDelete), forget},
		{"network", domain.WorkflowNetwork, siteNetwork, newScript()},
		{"observe", domain.WorkflowObserve, domain.ObserveInput{ClusterID: "cl-1", Cluster: "lab"}, observed},
		{"reconcile", domain.WorkflowReconcile, domain.ReconcileInput{}, newScript()},
	}
}
