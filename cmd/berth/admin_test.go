package main

import (
	"strings"
	"testing"

	"berth/app"
	"berth/domain"
	"berth/store/storetest"
)

func TestMakeAdmin(t *testing.T) {
	ctx := t.Context()
	db := storetest.SQLite(t)
	a := app.New(app.Config{Store: db})
	tokens := map[string]bool{}
	for range 2 { // the second time it is another token, as when the first was lost
		token, err := makeAdmin(ctx, a, "console", "admin")
		if err != nil {
			t.Fatal(err)
		}
		actor, err := a.Auth.Authenticate(ctx, token.Reveal(), "")
		if err != nil || !actor.Admin || !actor.Has(domain.ScopeAdmin) || actor.User != "admin" {
			t.Errorf("the token is that of %+v, %v", actor, err)
		}
		tokens[token.Reveal()] = true
	}
	if len(tokens) != 2 {
		t.Error("the same token was made twice")
	}
	if _, err := a.Users.Create(ctx, domain.System("test"), app.UserInput{Name: "anna"}); err != nil {
		t.Fatal(err)
	}
	if _, err := makeAdmin(ctx, a, "console", "anna"); !domain.Is(err, domain.Conflict) || !strings.Contains(err.Error(), "anna") {
		t.Errorf("a user was made an administrator: %v", err)
	}
	if err := migrated(ctx, db); err != nil {
		t.Error(err)
	}
}

// TestKeysRotateOfAReadOnlyRing: nothing is changed, and the words say how it is done.
func TestKeysRotateOfAReadOnlyRing(t *testing.T) {
	t.Setenv("TEST_KEYS", "{}")
	root := rootCommand()
	root.SetArgs([]string{"keys", "rotate", "--keys-file", "env:TEST_KEYS", "--data", t.TempDir()})
	err := root.ExecuteContext(t.Context())
	if !domain.Is(err, domain.Precondition) || !strings.Contains(err.Error(), "--keys-file FILE") {
		t.Errorf("got %v", err)
	}
}
