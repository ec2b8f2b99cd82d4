package app_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"berth/domain"
	"berth/store"
)

// quarantined makes a container whose provision left something on its node, and returns it with the operation.
func (w *world) quarantined(t *testing.T, name string) (domain.Container, domain.Operation) {
	t.Helper()
	ctx := t.Context()
	c, op, err := w.Containers.Create(ctx, anna, wants(name), "")
	must(t, err)
	must(t, w.db.Transact(ctx, func(tx *store.Store) error {
		if _, err := tx.PlaceAs(ctx, c, w.node.ID, 20017, "for a test"); err != nil {
			return err
		}
		return errors.Join(
			tx.QuarantineAddress(ctx, c.ID, op.ID, "the lock create"), tx.QuarantinePlacement(ctx, c.ID, op.ID, "the lock create"))
	}))
	w.attention(t, c.ID, op.ID)
	return c, op
}

// attention ends an operation as a worker does that could not undo everything.
func (w *world) attention(t *testing.T, containerID, operationID string) {
	t.Helper()
	ctx := t.Context()
	must(t, w.db.Transact(ctx, func(tx *store.Store) error {
		if err := tx.ModifyOperation(ctx, operationID, func(o *domain.Operation) error {
			o.State = domain.OpNeedsAttention
			return nil
		}); err != nil {
			return err
		}
		return tx.ModifyContainer(ctx, containerID, func(c *domain.Container) error {
			c.State, c.Operation, c.Message = domain.ContainerNeedsAttention, "", "A human has to look at it."
			return nil
		})
	}))
}

func TestQuarantineIsReleasedAfterCleaningUp(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	c, op := w.quarantined(t, "web01")
	_, err := w.Quarantines.List(ctx, anna)
	wantKind(t, err, domain.Forbidden)
	_, err = w.Quarantines.Release(ctx, anna, op.ID, true)
	wantKind(t, err, domain.Forbidden)
	all, err := w.Quarantines.List(ctx, root)
	must(t, err)
	if len(all) != 1 {
		t.Fatalf("quarantined is %+v", all)
	}
	q := all[0]
	if q.ID != op.ID || q.Container != "web01" || q.VMID != 20017 || q.Node != "pve1" || q.Addresses[0] != c.Address ||
		q.Reason != "the lock create" || q.Kind != domain.OpProvision || q.Since.IsZero() {
		t.Errorf("quarantined is %+v", q)
	}

	w.pve.leftover = "CT 20017 on node pve1 has the lock create"
	_, err = w.Quarantines.Release(ctx, root, op.ID, false)
	wantKind(t, err, domain.Conflict)
	if !strings.Contains(err.Error(), "pct unlock 20017") {
		t.Errorf("the refusal does not say what to do: %v", err)
	}
	w.pve.leftover, w.pve.silent = "", domain.Errorf(domain.Unavailable, "no route to pve1")
	_, err = w.Quarantines.Release(ctx, root, op.ID, false)
	wantKind(t, err, domain.Unavailable)
	if all, err = w.Quarantines.List(ctx, root); err != nil || len(all) != 1 {
		t.Fatalf("after two refusals %d are quarantined, %v", len(all), err)
	}

	w.pve.silent = nil
	published := len(w.flows.published)
	_, err = w.Quarantines.Release(ctx, root, op.ID, false)
	must(t, err)
	if len(w.flows.published) == published {
		t.Error("the site's network was not told")
	}
	_, err = w.Quarantines.Release(ctx, root, op.ID, false)
	wantKind(t, err, domain.NotFound)
	held, err := w.db.Reservations(ctx, c.SiteID)
	must(t, err)
	if slices.ContainsFunc(held, func(r store.Reservation) bool { return r.Address == c.Address }) {
		t.Errorf("the released address %s is still held", c.Address)
	}
	var outcomes []string
	for _, e := range w.trail(t, "quarantine.release") {
		outcomes = append(outcomes, e.Outcome)
	}
	if got := strings.Join(outcomes, " "); got != "not-found ok unavailable conflict forbidden" {
		t.Errorf("the audit trail says %s", got)
	}
}

func TestQuarantineOfANodeThatIsGone(t *testing.T) {
	w := newWorld(t)
	_, op := w.quarantined(t, "web01")
	w.pve.silent = domain.Errorf(domain.Unavailable, "no route to pve1")
	_, err := w.Quarantines.Release(t.Context(), root, op.ID, true)
	must(t, err)
	if e := w.trail(t, "quarantine.release")[0]; !strings.Contains(e.Detail, "without asking Proxmox VE") {
		t.Errorf("the audit trail does not tell that it was forced: %+v", e)
	}
}
