package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"berth/domain"
	"berth/store"

	"github.com/google/go-cmp/cmp"
)

// fieldOf returns the field that an error names, empty when it names none.
func fieldOf(err error) string {
	var e *domain.Error
	if errors.As(err, &e) && len(e.Fields) == 1 {
		return e.Fields[0].Field
	}
	return ""
}

func testQuota(t *testing.T, e *env) {
	s := e.site(t, "demo")
	want := domain.Spec{Cores: 2, MemoryMiB: 1024, DiskGiB: 10}
	must(t, e.CheckQuota(e.ctx, "anna", want)) // no quota, no limit
	byDefault := domain.Quota{Containers: 2, Cores: 3, MemoryMiB: 4096, DiskGiB: 100}
	must(t, e.SetQuota(e.ctx, &byDefault))
	e.container(t, s, "a") // 1 core, 512 MiB, 4 GiB
	used, err := e.Usage(e.ctx, "anna")
	must(t, err)
	same(t, "usage", used, domain.Usage{Containers: 1, Cores: 1, MemoryMiB: 512, DiskGiB: 4})
	must(t, e.CheckQuota(e.ctx, "anna", want))
	want.Cores = 3
	err = e.CheckQuota(e.ctx, "anna", want)
	wantKind(t, err, domain.Limited)
	if !strings.Contains(err.Error(), "allows 3 cores: 1 are used and 3 more were asked for") {
		t.Fatalf("the error does not name limit, used and asked: %v", err)
	}
	want.Cores = 0
	wantKind(t, e.CheckQuota(e.ctx, "anna", want), domain.Limited)
	wantKind(t, e.CheckGrowth(e.ctx, "anna", domain.Usage{MemoryMiB: 4000}, false), domain.Limited)
	must(t, e.CheckGrowth(e.ctx, "anna", domain.Usage{MemoryMiB: 3584}, false))

	own := domain.Quota{User: "anna", Containers: 1}
	must(t, e.SetQuota(e.ctx, &own))
	wantKind(t, e.CheckQuota(e.ctx, "anna", domain.Spec{Cores: 1}), domain.Limited)
	must(t, e.CheckQuota(e.ctx, "bert", domain.Spec{Cores: 1}))
	stale := own
	own.Containers = 5
	must(t, e.SetQuota(e.ctx, &own))
	wantKind(t, e.SetQuota(e.ctx, &stale), domain.Precondition)
	got, err := e.Quota(e.ctx, "anna")
	must(t, err)
	same(t, "quota", got, domain.Quota{User: "anna", Containers: 5, Version: 2})
	list, _, err := e.Quotas(e.ctx, store.Page{})
	must(t, err)
	same(t, "quotas", len(list), 2)
	one, next, err := e.Quotas(e.ctx, store.Page{Limit: 1})
	must(t, err)
	same(t, "first quota", one[0].User, "")
	one, next, err = e.Quotas(e.ctx, store.Page{Limit: 1, Cursor: next})
	must(t, err)
	same(t, "second quota", one[0].User, "anna")
	same(t, "next", next, "")
	must(t, e.DeleteQuota(e.ctx, "anna"))
	wantKind(t, e.DeleteQuota(e.ctx, "anna"), domain.NotFound)
	got, err = e.Quota(e.ctx, "anna")
	must(t, err)
	same(t, "containers by default", got.Containers, 2)

	// what failed holds nothing
	c := e.container(t, s, "b")
	wantKind(t, e.CheckQuota(e.ctx, "anna", domain.Spec{Cores: 1}), domain.Limited)
	must(t, e.ModifyContainer(e.ctx, c.ID, func(c *domain.Container) error { c.State = domain.ContainerFailed; return nil }))
	must(t, e.CheckQuota(e.ctx, "anna", domain.Spec{Cores: 1}))
}

func testQuotaConcurrently(t *testing.T, e *env) {
	s := e.site(t, "demo")
	must(t, e.SetQuota(e.ctx, &domain.Quota{Containers: 7}))
	other, passed := e.second(t), 0
	for _, err := range together(30, func(i int) error {
		at := e.Store
		if i%2 == 1 {
			at = other
		}
		return at.Transact(e.ctx, func(tx *store.Store) error {
			if err := tx.CheckQuota(e.ctx, "anna", domain.Spec{}); err != nil {
				return err
			}
			return tx.CreateContainer(e.ctx, &domain.Container{Name: "x", SiteID: s.ID, Owner: "anna"})
		})
	}) {
		if err == nil {
			passed++
		} else {
			wantKind(t, err, domain.Limited)
		}
	}
	same(t, "containers that passed a limit of 7", passed, 7)
}

func testUsersAndGroups(t *testing.T, e *env) {
	ids := make([]string, 20)
	for _, err := range together(20, func(i int) error {
		u, err := e.EnsureUser(e.ctx, "anna")
		ids[i] = u.ID
		return err
	}) {
		must(t, err)
	}
	for _, id := range ids {
		same(t, "ID of the one user", id, ids[0])
	}
	u, err := e.User(e.ctx, "anna")
	must(t, err)
	stale := u
	u.Admin = true
	must(t, e.UpdateUser(e.ctx, &u))
	wantKind(t, e.UpdateUser(e.ctx, &stale), domain.Precondition)
	list, _, err := e.Users(e.ctx, store.Page{})
	must(t, err)
	same(t, "users", len(list), 1)
	same(t, "admin", list[0].Admin, true)
	_, err = e.User(e.ctx, "nobody")
	wantKind(t, err, domain.NotFound)

	g := domain.Group{Name: "ops", Members: []string{"anna", "bert"}}
	must(t, e.CreateGroup(e.ctx, &g))
	wantKind(t, e.CreateGroup(e.ctx, &domain.Group{Name: "ops"}), domain.Conflict)
	g.Members = []string{"bert", "cora"}
	must(t, e.UpdateGroup(e.ctx, &g))
	got, err := e.GroupByName(e.ctx, "ops")
	must(t, err)
	if d := cmp.Diff(g, got); d != "" {
		t.Fatalf("group as read (-written +read):\n%s", d)
	}
	must(t, e.DeleteGroup(e.ctx, g.ID))
	groups, _, err := e.Groups(e.ctx, store.Page{})
	must(t, err)
	same(t, "groups", len(groups), 0)
}

func testTokens(t *testing.T, e *env) {
	tok := domain.Token{
		Name: "ci", Owner: "anna", Scopes: []domain.Scope{domain.ScopeRead, domain.ScopeContainers},
		ExpiresAt: e.clock.Now().UTC().Add(time.Hour).Truncate(time.Microsecond),
	}
	must(t, e.CreateToken(e.ctx, &tok, "hash"))
	other := domain.Token{Name: "other", Owner: "bert"}
	wantKind(t, e.CreateToken(e.ctx, &other, "hash"), domain.Conflict)
	got, err := e.TokenByHash(e.ctx, "hash")
	must(t, err)
	if d := cmp.Diff(tok, got); d != "" {
		t.Fatalf("token as read (-written +read):\n%s", d)
	}
	must(t, e.TouchToken(e.ctx, got))
	got, err = e.Token(e.ctx, tok.ID)
	must(t, err)
	first := got.LastUsedAt
	if first.IsZero() {
		t.Fatal("the use was not recorded")
	}
	e.clock.advance(30 * time.Second)
	must(t, e.TouchToken(e.ctx, tok)) // as another process that did not see the first use
	got, err = e.Token(e.ctx, tok.ID)
	must(t, err)
	same(t, "last use within a minute", got.LastUsedAt, first)
	e.clock.advance(31 * time.Second)
	must(t, e.TouchToken(e.ctx, got))
	got, err = e.Token(e.ctx, tok.ID)
	must(t, err)
	same(t, "last use after a minute", got.LastUsedAt, first.Add(61*time.Second))
	list, _, err := e.Tokens(e.ctx, "anna", store.Page{})
	must(t, err)
	same(t, "tokens of anna", len(list), 1)
	must(t, e.DeleteToken(e.ctx, tok.ID))
	wantKind(t, e.DeleteToken(e.ctx, tok.ID), domain.NotFound)
	_, err = e.TokenByHash(e.ctx, "hash")
	wantKind(t, err, domain.NotFound)
}
