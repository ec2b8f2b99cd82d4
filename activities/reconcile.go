package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"berth/domain"
	"berth/store"
)

// Reconciler compares SQL, Temporal, Proxmox VE and the edges.
type Reconciler struct {
	Store     *store.Store
	Clients   *Clients
	Workflows Starter
	Names     *PublicDNS
	// ImageMaxAge is how long an image stays on a node after its last use; 0 = for ever.
	ImageMaxAge time.Duration
	Now         func() time.Time
	Logger      *slog.Logger
}

// Starter starts workflows and tells which are open.
type Starter interface {
	// Start starts the workflow of an operation; domain.Busy when the resource's workflow ID is open.
	Start(ctx context.Context, op domain.Operation, in domain.OperationInput) (runID string, err error)
	// Open tells whether a workflow ID is open.
	Open(ctx context.Context, workflowID string) (bool, error)
	// NetworkChanged tells a site's Network workflow that the desired revision rose.
	NetworkChanged(ctx context.Context, siteID, site string) error
	// Certify starts the workflow that orders or renews a certificate; domain.Busy when it is open.
	Certify(ctx context.Context, in domain.CertificateInput) error
	// Observe sees to it that a cluster is watched.
	Observe(ctx context.Context, in domain.ObserveInput) error
}

// grace is how long an operation may be on its way from commit to Temporal before it counts as lost. A second of it is
// what a slow start takes; the rest keeps the reconciler from racing a request.
const grace = 5 * time.Second

// pass is one run of the reconciler.
type pass struct {
	*Reconciler
	domain.ReconcileReport
}

// Reconcile heals what it can and reports the rest. A dry run only reports.
func (r *Reconciler) Reconcile(ctx context.Context, in domain.ReconcileInput) (domain.ReconcileReport, error) {
	p := &pass{Reconciler: r, ReconcileReport: domain.ReconcileReport{DryRun: in.DryRun, Repairs: []domain.Repair{}}}
	var failed []error
	for _, step := range []func(context.Context) error{p.operations, p.releases, p.networks, p.certificates, p.names, p.clusters, p.images, p.prune} {
		activity.RecordHeartbeat(ctx)
		if err := step(ctx); err != nil { // the other steps may well work
			failed = append(failed, err)
		}
	}
	return p.ReconcileReport, errors.Join(failed...)
}

// heal does a repair and reports it; a dry run only reports. A repair that fails is reported as such.
func (p *pass) heal(ctx context.Context, repair domain.Repair, do func() error) {
	if p.DryRun {
		repair.Action = "would " + repair.Action
	} else if err := do(); err != nil {
		repair.Action, repair.Detail = "could not "+repair.Action, words(err)
	}
	p.report(ctx, repair)
}

// report adds to the report, and to the audit trail what was done.
func (p *pass) report(ctx context.Context, repair domain.Repair) {
	p.Repairs = append(p.Repairs, repair)
	p.Logger.InfoContext(ctx, "reconciled", "what", repair.What, "subject", repair.Subject, "action", repair.Action, "detail", repair.Detail)
	if p.DryRun {
		return
	}
	err := p.Store.AddAudit(ctx, &domain.AuditEntry{
		Time: p.Now(), Actor: domain.System("reconciler").String(), Action: "reconcile.repair",
		Name: repair.Subject, Outcome: "ok", Detail: repair.What + ": " + repair.Action + ". " + repair.Detail,
	})
	if err != nil {
		p.Logger.ErrorContext(ctx, "audit line lost", "error", err)
	}
}

// operations starts what Temporal does not know, and deletes whose turn has come.
func (p *pass) operations(ctx context.Context) error {
	open, err := all(func(page store.Page) ([]domain.Operation, string, error) {
		return p.Store.Operations(ctx, store.OperationFilter{Open: true, Resource: "container"}, page)
	})
	if err != nil {
		return err
	}
	// The oldest first: a delete that waits must not overtake the operation it waits for.
	slices.SortFunc(open, func(a, b domain.Operation) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, op := range open {
		if p.Now().Sub(op.CreatedAt) < grace {
			continue
		}
		running, err := p.Workflows.Open(ctx, op.WorkflowID())
		if err != nil {
			return err
		}
		if running {
			continue
		}
		// It may have ended between the two looks.
		again, err := p.Store.Operation(ctx, op.ID)
		if err != nil || !again.State.Open() {
			continue
		}
		repair := domain.Repair{What: "operation without a run", Subject: op.Resource + " " + op.ResourceName, Action: "start " + string(op.Kind) + " again"}
		p.heal(ctx, repair, func() error { return p.start(ctx, again) })
	}
	return nil
}

func (p *pass) start(ctx context.Context, op domain.Operation) error {
	c, err := p.Store.Container(ctx, op.ResourceID)
	if domain.Is(err, domain.NotFound) {
		return p.Store.ModifyOperation(ctx, op.ID, func(o *domain.Operation) error {
			o.State, o.Message, o.EndedAt = domain.OpSucceeded, "The container is gone.", p.Now()
			return nil
		})
	}
	if err != nil {
		return err
	}
	site, err := p.Store.Site(ctx, c.SiteID)
	if err != nil {
		return err
	}
	_, err = p.Workflows.Start(ctx, op, domain.OperationInput{
		OperationID: op.ID, ContainerID: c.ID, Kind: op.Kind, Actor: op.Actor, Container: c.Name, Site: site.Name, Owner: c.Owner,
	})
	if domain.Is(err, domain.Busy) {
		err = nil // somebody else was faster
	}
	return err
}

// certificates orders what names still wait for and renews what is due: this is what renews them, run by the reconciler's Schedule, so
// that nothing is lost with Temporal's memory.
func (p *pass) certificates(ctx context.Context) error {
	if !p.DryRun {
		if _, err := p.Store.WantCertificates(ctx, ""); err != nil {
			return err
		}
	}
	known, err := all(func(page store.Page) ([]domain.Certificate, string, error) { return p.Store.Certificates(ctx, page) })
	if err != nil {
		return err
	}
	for _, c := range known {
		if !c.Due(p.Now()) || p.Now().Sub(c.CreatedAt) < grace {
			continue
		}
		running, err := p.Workflows.Open(ctx, domain.CertificateWorkflowID(c.ID))
		if err != nil {
			return err
		}
		if running {
			continue
		}
		repair := domain.Repair{What: "certificate due", Subject: "certificate for " + strings.Join(c.Names, ", "), Action: "order it"}
		p.heal(ctx, repair, func() error {
			err := p.Workflows.Certify(ctx, domain.CertificateInput{CertificateID: c.ID, Name: c.Names[0]})
			if domain.Is(err, domain.Busy) {
				err = nil // somebody else was faster
			}
			return err
		})
	}
	return nil
}

// releases frees addresses, names and ports that every edge has let go of.
func (p *pass) releases(ctx context.Context) error {
	reservations, err := p.Store.Releasing(ctx)
	if err != nil {
		return err
	}
	services, err := p.Store.ReleasingServices(ctx)
	if err != nil {
		return err
	}
	for _, r := range reservations {
		if err := p.release(ctx, r.ContainerID, r.SiteID, r.ReleaseRevision); err != nil {
			return err
		}
	}
	for _, v := range services {
		if err := p.release(ctx, v.ContainerID, v.SiteID, v.Revision); err != nil {
			return err
		}
	}
	return nil
}

func (p *pass) release(ctx context.Context, containerID, siteID string, revision int64) error {
	_, free, _, err := p.Store.RevisionServed(ctx, siteID, revision)
	if err != nil || !free || p.DryRun {
		return err
	}
	return drop(ctx, p.Store, containerID, revision)
}

// prune drops rows that have served their time.
func (p *pass) prune(ctx context.Context) error {
	if p.DryRun {
		return nil
	}
	_, err := p.Store.PruneIdempotency(ctx)
	return err
}

// networks publishes revisions that were never published, because Temporal was away when they were made.
func (p *pass) networks(ctx context.Context) error {
	sites, err := all(func(page store.Page) ([]domain.Site, string, error) { return p.Store.Sites(ctx, page) })
	if err != nil {
		return err
	}
	for _, s := range sites {
		if s.Published < s.Desired {
			repair := domain.Repair{
				What: "network not published", Subject: "site " + s.Name, Action: "publish it",
				Detail: fmt.Sprintf("revision %d, published is %d", s.Desired, s.Published),
			}
			p.heal(ctx, repair, func() error { return p.Workflows.NetworkChanged(ctx, s.ID, s.Name) })
		}
	}
	return nil
}
