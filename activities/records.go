package activities

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"berth/domain"
	"berth/store"
)

// Records are the steps that only need SQL.
type Records struct {
	Store     *store.Store
	Deadlines domain.Deadlines
	// Debounce is how long Publish gathers the changes of a site that come together: 50 containers requested at once cost
	// a few revisions instead of 50. It can be short because adding a container needs no reload, see the edge.
	Debounce time.Duration
	Now      func() time.Time
	Logger   *slog.Logger
	// Ended is told of every operation that ended, for figures; nil tells nobody. An operation whose last step is tried again
	// is told of again.
	Ended func(domain.Operation)
}

func (r *Records) journal() journal { return journal{r.Store, r.Logger} }

// Begin marks the operation as running under this run and tells the workflow what it needs to know.
func (r *Records) Begin(ctx context.Context, in domain.OperationInput) (domain.Begun, error) {
	begun := domain.Begun{Deadlines: r.Deadlines}
	run := activity.GetInfo(ctx).WorkflowExecution.RunID
	err := r.Store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.ModifyOperation(ctx, in.OperationID, func(o *domain.Operation) error {
			if o.StartedAt.IsZero() {
				o.StartedAt = r.Now()
			}
			o.State, o.RunID = domain.OpRunning, run
			begun.Params, begun.Cancelled = o.Params, o.CancelAsked
			return nil
		}); err != nil {
			return err
		}
		c, err := tx.Container(ctx, in.ContainerID)
		if err != nil {
			return err
		}
		if in.Kind == domain.OpDelete && !begun.Cancelled {
			if err := tx.ModifyContainer(ctx, c.ID, func(c *domain.Container) error {
				c.State = domain.ContainerDeleting
				return nil
			}); err != nil {
				return err
			}
		}
		site, err := tx.Site(ctx, c.SiteID)
		if err != nil {
			return err
		}
		begun.SiteID, begun.Revision, begun.Placed = c.SiteID, site.Desired, c.Placement.VMID != 0
		if in.Kind == domain.OpDelete {
			if begun.Quarantined, err = quarantined(ctx, tx, c.ID); err != nil {
				return err
			}
		}
		services, err := tx.Services(ctx, c.ID)
		begun.Services = len(services)
		if err != nil {
			return err
		}
		wanted, known, err := publicNames(ctx, tx, c.ID)
		for _, name := range wanted {
			known[name.Name] = name
		}
		begun.Names = len(known)
		if err != nil || in.Kind != domain.OpProvision && in.Kind != domain.OpExpose {
			return err
		}
		begun.Certificates, err = r.certificates(ctx, tx, in)
		return err
	})
	return begun, err
}

// certificates are those that names of a container wait for and that can be ordered now.
func (r *Records) certificates(ctx context.Context, tx *store.Store, in domain.OperationInput) ([]domain.CertificateInput, error) {
	waiting, err := tx.WantCertificates(ctx, in.ContainerID)
	if err != nil {
		return nil, err
	}
	var due []domain.CertificateInput
	for _, c := range waiting {
		if !c.Due(r.Now()) {
			journal{tx, r.Logger}.add(ctx, in, "certificate", warning, without(c))
			continue
		}
		if err := tx.ModifyCertificate(ctx, c.ID, func(k *domain.Certificate) { k.State = domain.CertificatePending }); err != nil {
			return nil, err
		}
		due = append(due, domain.CertificateInput{CertificateID: c.ID, Name: c.Names[0]})
	}
	return due, nil
}

// quarantined says what of a container was left behind on nodes, in words.
func quarantined(ctx context.Context, tx *store.Store, containerID string) (string, error) {
	quarantines, err := tx.QuarantinesOf(ctx, containerID)
	if err != nil {
		return "", err
	}
	var left []string
	for _, q := range quarantines {
		if q.VMID != 0 {
			left = append(left, fmt.Sprintf("CT %d on node %s", q.VMID, q.Node))
		}
	}
	return strings.Join(left, ", "), nil
}

// Release gives address, MAC and name of the container back, or quarantines them, and whatever it exposes. They are free for
// others only once the edges serve a revision without them.
func (r *Records) Release(ctx context.Context, in domain.ReleaseInput) (out domain.Released, err error) {
	err = r.Store.Transact(ctx, func(tx *store.Store) error {
		if out.Revision, err = tx.ReleaseServices(ctx, in.ContainerID); err != nil {
			return err
		}
		if in.Quarantine != "" {
			return tx.QuarantineAddress(ctx, in.ContainerID, in.OperationID, in.Quarantine)
		}
		revision, held, err := tx.Release(ctx, in.ContainerID)
		if held {
			out.Revision = revision
		}
		return err
	})
	return out, err
}

// Withdraw takes what the container exposes out of what edges serve.
func (r *Records) Withdraw(ctx context.Context, in domain.OperationInput) (domain.Released, error) {
	revision, err := r.Store.ReleaseServices(ctx, in.ContainerID)
	return domain.Released{Revision: revision}, err
}

// Restore undoes what an expose operation changed.
func (r *Records) Restore(ctx context.Context, in domain.OperationInput) (domain.Released, error) {
	op, err := r.Store.Operation(ctx, in.OperationID)
	if err != nil || op.Params.Services == nil {
		return domain.Released{}, err
	}
	revision, err := r.Store.RestoreServices(ctx, in.ContainerID, op.Params.Services.Added, op.Params.Services.Removed)
	return domain.Released{Revision: revision}, err
}

// Unplace frees the VMID of the container, or quarantines it.
func (r *Records) Unplace(ctx context.Context, in domain.UnplaceInput) (struct{}, error) {
	if in.Quarantine != "" {
		return struct{}{}, r.Store.QuarantinePlacement(ctx, in.ContainerID, in.OperationID, in.Quarantine)
	}
	return struct{}{}, r.Store.Unplace(ctx, in.ContainerID)
}

// Rename gives the container another host name, under which the edges then serve it.
func (r *Records) Rename(ctx context.Context, in domain.RenameInput) (domain.Released, error) {
	var out domain.Released
	err := r.Store.Transact(ctx, func(tx *store.Store) error {
		revision, err := tx.RenameReservation(ctx, in.ContainerID, in.Name)
		if err != nil {
			return err
		}
		out.Revision = revision
		return tx.ModifyContainer(ctx, in.ContainerID, func(c *domain.Container) error {
			c.Name = in.Name
			return nil
		})
	})
	return out, err
}

// Finish ends the operation and sets what the container is after it.
func (r *Records) Finish(ctx context.Context, in domain.FinishInput) (struct{}, error) {
	var ended domain.Operation
	level := info
	if in.Result != domain.OpSucceeded {
		level = "error"
	}
	err := r.Store.Transact(ctx, func(tx *store.Store) error {
		if err := tx.ModifyContainer(ctx, in.ContainerID, func(c *domain.Container) error {
			finishContainer(c, in, r.Now())
			return nil
		}); err != nil && !domain.Is(err, domain.NotFound) { // deleted
			return err
		}
		if err := tx.ModifyOperation(ctx, in.OperationID, func(o *domain.Operation) error {
			if in.Step != "" {
				o.Step = in.Step
			}
			o.State, o.Message, o.ErrorKind, o.EndedAt = in.Result, in.Message, in.ErrorKind, r.Now()
			ended = *o
			return nil
		}); err != nil {
			return err
		}
		return tx.AddAudit(ctx, &domain.AuditEntry{
			Time: r.Now(), Actor: in.Actor, Action: "container." + string(in.Kind) + ".end",
			Resource: "container", ResourceID: in.ContainerID, Name: in.Container, Outcome: outcome(in), Detail: in.Message,
		})
	})
	if err != nil {
		return struct{}{}, err
	}
	r.journal().add(ctx, in.OperationInput, "end", level, in.Message)
	if r.Ended != nil {
		r.Ended(ended)
	}
	return struct{}{}, nil
}

func outcome(in domain.FinishInput) string {
	if in.Result == domain.OpSucceeded {
		return "ok"
	}
	if in.ErrorKind == "" {
		return string(in.Result)
	}
	return in.ErrorKind
}

func finishContainer(c *domain.Container, in domain.FinishInput, now time.Time) {
	if c.Operation == in.OperationID {
		c.Operation = ""
	}
	c.Message = ""
	if in.Result != domain.OpSucceeded {
		c.Message = in.Message
	}
	if in.After != "" {
		c.State = in.After
	}
	if in.After == domain.ContainerReady && in.Kind == domain.OpProvision {
		c.ReadyAt = now
	}
	if in.After == domain.ContainerFailed {
		c.Address, c.MAC, c.Power = "", "", domain.PowerUnknown
	}
}

// Remove forgets the container. What is quarantined stays so.
func (r *Records) Remove(ctx context.Context, in domain.OperationInput) (struct{}, error) {
	err := r.Store.DeleteContainer(ctx, in.ContainerID)
	if domain.Is(err, domain.NotFound) {
		err = nil // an earlier try got this far
	}
	return struct{}{}, err
}

// NextInLine returns the delete that waits for the container, if one does.
func (r *Records) NextInLine(ctx context.Context, in domain.OperationInput) (domain.Next, error) {
	waiting, _, err := r.Store.Operations(ctx, store.OperationFilter{
		Resource: "container", ResourceID: in.ContainerID, State: domain.OpWaiting, Kind: domain.OpDelete,
	}, store.Page{Limit: 1})
	if err != nil || len(waiting) == 0 {
		return domain.Next{}, err
	}
	return domain.Next{OperationID: waiting[0].ID, Actor: waiting[0].Actor}, nil
}

// Publish lets the edges of a site see the newest revision of its network, after it gathered what comes together.
func (r *Records) Publish(ctx context.Context, in domain.NetworkInput) (struct{}, error) {
	gathered := time.NewTimer(r.Debounce)
	defer gathered.Stop()
	select {
	case <-ctx.Done():
		return struct{}{}, ctx.Err()
	case <-gathered.C:
	}
	_, err := r.Store.PublishSite(ctx, in.SiteID)
	if domain.Is(err, domain.NotFound) {
		err = nil // the site was deleted meanwhile
	}
	return struct{}{}, err
}

// Place reserves a node and VMID for the container, or returns those it has.
func (r *Records) Place(ctx context.Context, in domain.PlaceInput) (domain.Placed, error) {
	c, err := r.Store.Container(ctx, in.ContainerID)
	if err != nil {
		return domain.Placed{}, err
	}
	if c.Placement.VMID != 0 {
		return placed(c.Placement), nil
	}
	nodes, err := r.candidates(ctx, c, in.Exclude)
	if err != nil {
		return domain.Placed{}, err
	}
	request := store.PlaceRequest{Container: c, Reasons: map[string]string{}, AvoidVMIDs: in.AvoidVMIDs}
	for _, n := range nodes {
		request.Candidates = append(request.Candidates, n.node.ID)
		request.Reasons[n.node.ID] = n.reason
	}
	p, err := r.Store.Place(ctx, request)
	if err != nil {
		return domain.Placed{}, err
	}
	r.journal().enter(ctx, in.OperationInput, "place", fmt.Sprintf("Node %s, VMID %d: %s.", p.Node, p.VMID, p.Reason))
	return placed(p), nil
}

func placed(p domain.Placement) domain.Placed {
	return domain.Placed{NodeID: p.NodeID, Node: p.Node, VMID: p.VMID, Reason: p.Reason}
}
