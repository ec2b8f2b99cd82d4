package app

import (
	"context"
	"time"
	"unicode/utf8"

	"berth/domain"
	"berth/store"
)

// right is what an actor needs for a use case.
type right struct {
	scope domain.Scope
	admin bool // be an administrator as well
}

var (
	toRead       = right{scope: domain.ScopeRead}
	toChange     = right{scope: domain.ScopeContainers}
	toAdminister = right{scope: domain.ScopeAdmin, admin: true}
)

// permit is nil when the actor has a right.
func permit(actor domain.Actor, r right) error {
	switch {
	case actor.EdgeID != "":
		return domain.Errorf(domain.Forbidden, "an edge's token serves the edge protocol alone")
	case actor.User == "":
		return domain.Errorf(domain.Unauthenticated, "log in first: the request carries no valid token")
	case r.admin && (!actor.Admin || !actor.Has(r.scope)):
		return domain.Errorf(domain.Forbidden, "this is for administrators, with a token of scope %s", r.scope)
	case !actor.Has(r.scope):
		return domain.Errorf(domain.Forbidden, "the token lacks the scope %s", r.scope)
	}
	return nil
}

// attempt is something that an actor tries, as the audit trail tells it.
type attempt struct {
	action     string // such as "container.create"
	resource   string
	resourceID string
	name       string
}

// read is nil when the actor has a right to look at something. A refusal is audited.
func (k *core) read(ctx context.Context, actor domain.Actor, at attempt, r right) error {
	err := permit(actor, r)
	if err != nil {
		k.refused(ctx, actor, at, err)
	}
	return err
}

// change runs do if the actor has the right for it. Whatever does not end well is audited here; what does is audited by do,
// in its transaction, with k.did.
func (k *core) change(ctx context.Context, actor domain.Actor, at attempt, r right, do func(at *attempt) error) error {
	err := permit(actor, r)
	if err == nil {
		err = do(&at)
	}
	if err != nil {
		k.refused(ctx, actor, at, err)
	}
	return err
}

// did appends to the audit trail, in the transaction that did it.
func (k *core) did(ctx context.Context, tx *store.Store, actor domain.Actor, at attempt, detail string) error {
	return tx.AddAudit(ctx, k.entry(actor, at, "ok", detail))
}

const auditTimeout = 5 * time.Second

// refused appends a failed attempt to the audit trail, also when the caller has gone. Strangers are left out: they could fill
// the disk.
func (k *core) refused(ctx context.Context, actor domain.Actor, at attempt, reason error) {
	if domain.Is(reason, domain.Unauthenticated) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	err := k.Store.AddAudit(ctx, k.entry(actor, at, domain.KindOf(reason).String(), domain.Words(reason)))
	if err != nil {
		k.Logger.ErrorContext(ctx, "audit entry lost", "action", at.action, "actor", actor.String(), "error", err)
	}
}

func (k *core) entry(actor domain.Actor, at attempt, outcome, detail string) *domain.AuditEntry {
	return &domain.AuditEntry{
		Time: k.Now(), Actor: actor.String(), Source: actor.Source, Action: at.action, Resource: at.resource,
		ResourceID: shortened(at.resourceID), Name: shortened(at.name), Outcome: outcome, Detail: detail,
	}
}

// shortened keeps what a caller made up within the columns of the audit trail.
func shortened(s string) string {
	const most = 200
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "..."
}

// matches is nil when a version is the one that the caller saw, or the caller named none.
func matches(what string, version, ifMatch int64) error {
	if ifMatch == 0 || version == ifMatch {
		return nil
	}
	return domain.Errorf(domain.Precondition, "%s was changed meanwhile: read it again and repeat the change", what)
}
