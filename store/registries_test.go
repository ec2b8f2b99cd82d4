package store_test

import (
	"testing"

	"berth/domain"
	"berth/store"

	"github.com/google/go-cmp/cmp"
)

func (e *env) registry(t *testing.T, host string) domain.Registry {
	t.Helper()
	r := domain.Registry{Host: host, Username: "robot", Password: "pull-" + domain.Secret(host)}
	must(t, e.CreateRegistry(e.ctx, &r))
	return r
}

func testRegistries(t *testing.T, e *env) {
	r := e.registry(t, "ghcr.io")
	e.registry(t, "127.0.0.1:5000")
	got, err := e.RegistryByHost(e.ctx, "ghcr.io")
	must(t, err)
	if d := cmp.Diff(r, got); d != "" {
		t.Fatalf("registry as read (-written +read):\n%s", d)
	}
	same(t, "password", got.Password.Reveal(), "pull-ghcr.io")

	again := domain.Registry{Host: "ghcr.io", Username: "other", Password: "other"}
	err = e.CreateRegistry(e.ctx, &again)
	wantKind(t, err, domain.Conflict)
	same(t, "offending field", fieldOf(err), "host")

	stale := got
	got.Password = "changed"
	must(t, e.UpdateRegistry(e.ctx, &got))
	same(t, "version", got.Version, 2)
	wantKind(t, e.UpdateRegistry(e.ctx, &stale), domain.Precondition)
	byID, err := e.Registry(e.ctx, r.ID)
	must(t, err)
	same(t, "changed password", byID.Password.Reveal(), "changed")
	same(t, "username after the change", byID.Username, "robot")

	passwords := map[string]string{} // IDs of the same instant are in no order
	for page := (store.Page{Limit: 1}); ; {
		some, next, err := e.Registries(e.ctx, page)
		must(t, err)
		for _, r := range some {
			passwords[r.Host] = r.Password.Reveal()
		}
		if page.Cursor = next; next == "" {
			break
		}
	}
	if d := cmp.Diff(map[string]string{"ghcr.io": "changed", "127.0.0.1:5000": "pull-127.0.0.1:5000"}, passwords); d != "" {
		t.Fatalf("registries as listed (-want +got):\n%s", d)
	}

	must(t, e.DeleteRegistry(e.ctx, r.ID))
	wantKind(t, e.DeleteRegistry(e.ctx, r.ID), domain.NotFound)
	_, err = e.RegistryByHost(e.ctx, "ghcr.io")
	wantKind(t, err, domain.NotFound)
}
