package app_test

import (
	"strings"
	"testing"
	"time"

	"berth/app"
	"berth/domain"
)

func TestTokens(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	w := worldWith(t, func(c *app.Config) { c.Now = func() time.Time { return now } })
	ctx := t.Context()
	made, token, err := w.Tokens.Create(ctx, anna, app.TokenInput{
		Name: "ci", Scopes: []domain.Scope{domain.ScopeRead, domain.ScopeRead}, ExpiresAt: now.Add(time.Hour),
	})
	must(t, err)
	if made.Owner != "anna" || len(made.Scopes) != 1 || !strings.HasPrefix(token.Reveal(), "berth_") {
		t.Errorf("the token is %+v", made)
	}
	actor, err := w.Auth.Authenticate(ctx, token.Reveal(), "192.0.2.7")
	must(t, err)
	if actor.User != "anna" || actor.Admin || actor.Source != "192.0.2.7" || actor.TokenID != made.ID || actor.Has(domain.ScopeContainers) {
		t.Errorf("the actor is %+v", actor)
	}
	_, _, err = w.Tokens.Create(ctx, actor, app.TokenInput{Name: "more", Scopes: []domain.Scope{domain.ScopeContainers}})
	wantKind(t, err, domain.Forbidden)
	list, err := w.Tokens.List(ctx, actor, "", app.Page{})
	must(t, err)
	if len(list.Items) != 1 || list.Items[0].LastUsedAt.IsZero() {
		t.Errorf("anna's tokens are %+v, want one that was used", list.Items)
	}
	_, err = w.Tokens.List(ctx, anna, "bob", app.Page{})
	wantKind(t, err, domain.Forbidden)
	now = now.Add(time.Hour)
	_, err = w.Auth.Authenticate(ctx, token.Reveal(), "")
	wantKind(t, err, domain.Unauthenticated)
	must(t, w.Tokens.Delete(ctx, actor, made.ID)) // whatever its scope, a token may void itself
	for _, bad := range []string{"", "berth_", token.Reveal(), "Bearer x", "berth_" + strings.Repeat("x", 1000)} {
		_, err = w.Auth.Authenticate(ctx, bad, "")
		wantKind(t, err, domain.Unauthenticated)
	}
}

func TestNobodyHandsOnMoreThanTheyHave(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		actor domain.Actor
		in    app.TokenInput
		want  domain.Kind
	}{
		"wider":              {changer, app.TokenInput{Name: "x", Scopes: []domain.Scope{domain.ScopeRead}}, domain.Forbidden},
		"admin by a user":    {anna, app.TokenInput{Name: "x", Scopes: []domain.Scope{domain.ScopeAdmin}}, domain.Forbidden},
		"admin for a user":   {root, app.TokenInput{Name: "x", Owner: "anna", Scopes: []domain.Scope{domain.ScopeAdmin}}, domain.Invalid},
		"by who was demoted": {demoted, app.TokenInput{Name: "x", Scopes: []domain.Scope{domain.ScopeAdmin}}, domain.Invalid},
		"edge":               {root, app.TokenInput{Name: "x", Scopes: []domain.Scope{domain.ScopeEdge}}, domain.Invalid},
		"for another":        {anna, app.TokenInput{Name: "x", Owner: "bob", Scopes: []domain.Scope{domain.ScopeRead}}, domain.Forbidden},
		"for a ghost":        {root, app.TokenInput{Name: "x", Owner: "ghost", Scopes: []domain.Scope{domain.ScopeRead}}, domain.Invalid},
		"nothing":            {anna, app.TokenInput{}, domain.Invalid},
		"in the past": {anna, app.TokenInput{
			Name: "x", Scopes: []domain.Scope{domain.ScopeRead}, ExpiresAt: time.Now().Add(-time.Hour),
		}, domain.Invalid},
	} {
		if _, _, err := w.Tokens.Create(t.Context(), c.actor, c.in); !domain.Is(err, c.want) {
			t.Errorf("%s: error is %v, want %s", name, err, c.want)
		}
	}
}

func TestAdministratorsNeedTheScope(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for _, c := range []struct {
		scope domain.Scope
		admin bool
	}{{domain.ScopeAdmin, true}, {domain.ScopeRead, false}} {
		_, token, err := w.Tokens.Create(ctx, root, app.TokenInput{Name: "x", Scopes: []domain.Scope{c.scope}})
		must(t, err)
		actor, err := w.Auth.Authenticate(ctx, token.Reveal(), "")
		must(t, err)
		if actor.Admin != c.admin {
			t.Errorf("root with a token of scope %s is administrator: %t", c.scope, actor.Admin)
		}
	}
}

func TestUsersAndQuotas(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	for name, want := range map[string]domain.Kind{"anna": domain.Conflict, "Bad Name": domain.Invalid, "system:x": domain.Invalid, "": domain.Invalid} {
		if _, err := w.Users.Create(ctx, root, app.UserInput{Name: name}); !domain.Is(err, want) {
			t.Errorf("user %q: error is %v, want %s", name, err, want)
		}
	}
	_, err := w.Quotas.Set(ctx, root, "ghost", app.QuotaInput{Cores: -1, DiskGiB: -1})
	wantKind(t, err, domain.Invalid)
	for _, field := range []string{"cores", "diskGiB", "user"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
	_, err = w.Quotas.Set(ctx, root, "", app.QuotaInput{Cores: 8})
	must(t, err)
	q, _, err := w.Quotas.Get(ctx, anna, "anna")
	must(t, err)
	if q.Cores != 8 || q.User != "" {
		t.Errorf("anna's quota is %+v, want the default", q)
	}
	must(t, w.Quotas.Delete(ctx, root, ""))
	wantKind(t, w.Quotas.Delete(ctx, root, ""), domain.NotFound)
}

func TestCatalogue(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made, err := w.Images.Add(ctx, root, app.ImageInput{Name: "Debian", Reference: "debian:12"})
	must(t, err)
	_, err = w.Images.Add(ctx, root, app.ImageInput{Name: "Debian again", Reference: "docker.io/library/debian:12"})
	wantKind(t, err, domain.Conflict)
	_, err = w.Images.Add(ctx, root, app.ImageInput{Reference: "NOT AN IMAGE"})
	wantKind(t, err, domain.Invalid)
	images, err := w.Images.List(ctx, anna)
	must(t, err)
	if len(images) != 1 || images[0] != made || made.Reference != "docker.io/library/debian:12" {
		t.Errorf("the catalogue is %+v", images)
	}
	info, err := w.Images.Inspect(ctx, anna, "debian")
	must(t, err)
	if info.Reference != "docker.io/library/debian:latest" {
		t.Errorf("inspected %s", info.Reference)
	}
	_, err = w.Images.Inspect(ctx, anna, "template:local:vztmpl/debian.tar.zst")
	wantKind(t, err, domain.Invalid)
	must(t, w.Images.Remove(ctx, root, made.ID))
	wantKind(t, w.Images.Remove(ctx, root, made.ID), domain.NotFound)
}

func TestTheTrailTellsRefusals(t *testing.T) {
	w := newWorld(t)
	_, err := w.Users.Create(t.Context(), anna, app.UserInput{Name: "mallory", Admin: true})
	wantKind(t, err, domain.Forbidden)
	_, err = w.Users.Create(t.Context(), nobody, app.UserInput{Name: "mallory"})
	wantKind(t, err, domain.Unauthenticated)
	found, err := w.Audit.List(t.Context(), root, app.AuditFilter{Action: "user.create", Outcome: "forbidden"}, app.Page{})
	must(t, err)
	if len(found.Items) != 1 || found.Items[0].Actor != "user:anna" || found.Items[0].Name != "mallory" {
		t.Errorf("the refusals are %+v, want anna's and not a stranger's", found.Items)
	}
	future, err := w.Audit.List(t.Context(), root, app.AuditFilter{Since: time.Now().Add(time.Hour)}, app.Page{})
	must(t, err)
	if len(future.Items) != 0 || future.Next != "" {
		t.Errorf("the trail of the future is %+v", future)
	}
}
