package app_test

import (
	"fmt"
	"strings"
	"testing"

	"berth/app"
	"berth/domain"
)

func TestRegistries(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	made, err := w.Registries.Create(ctx, root, app.RegistryInput{Host: "Registry.example.net:5000", Username: "robot", Password: "hush-pull"})
	must(t, err)
	if made.Host != "registry.example.net:5000" || made.Password != "" {
		t.Errorf("made %+v, want the host in lower case and no password", made)
	}
	_, err = w.Registries.Create(ctx, root, app.RegistryInput{Host: "registry.example.net:5000", Username: "x", Password: "x"})
	wantKind(t, err, domain.Conflict)

	kept := func() domain.Registry {
		r, err := w.db.RegistryByHost(ctx, made.Host)
		must(t, err)
		return r
	}
	password := domain.Secret("hush-new")
	changed, err := w.Registries.Update(ctx, root, made.ID, app.RegistryPatch{Password: &password}, made.Version)
	must(t, err)
	if changed.Password != "" || kept().Password.Reveal() != "hush-new" || kept().Username != "robot" {
		t.Errorf("changed to %+v, kept as user %s; want a new password that is not answered", changed, kept().Username)
	}
	_, err = w.Registries.Update(ctx, root, made.ID, app.RegistryPatch{Password: &password}, made.Version)
	wantKind(t, err, domain.Precondition)
	_, err = w.Registries.Update(ctx, root, made.ID, app.RegistryPatch{Username: new("a:b")}, 0)
	wantKind(t, err, domain.Invalid)
	got, err := w.Registries.Get(ctx, root, "REGISTRY.example.net:5000")
	must(t, err)
	list, err := w.Registries.List(ctx, root, app.Page{})
	must(t, err)
	if len(list.Items) != 1 || list.Items[0] != got || got.Password != "" {
		t.Errorf("listed %+v and got %+v, want the same without a password", list.Items, got)
	}
	must(t, w.Registries.Delete(ctx, root, made.Host, 0))
	wantKind(t, w.Registries.Delete(ctx, root, made.Host, 0), domain.NotFound)

	for action, want := range map[string]int{"registry.create": 2, "registry.update": 3, "registry.delete": 2} {
		trail := w.trail(t, action)
		if len(trail) != want || strings.Contains(fmt.Sprint(trail), "hush") {
			t.Errorf("%s is in the trail as %+v, want %d entries without a password", action, trail, want)
		}
	}
}

func TestRegistryRules(t *testing.T) {
	w := newWorld(t)
	_, err := w.Registries.Create(t.Context(), root, app.RegistryInput{Host: "https://ghcr.io", Username: "a:b"})
	wantKind(t, err, domain.Invalid)
	for _, field := range []string{"host", "username", "password"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("the error does not name %s: %v", field, err)
		}
	}
}
