package domain_test

import (
	"testing"

	"berth/domain"
)

func TestActorHas(t *testing.T) {
	for _, c := range []struct {
		own  domain.Scope
		asks domain.Scope
		want bool
	}{
		{domain.ScopeRead, domain.ScopeRead, true},
		{domain.ScopeRead, domain.ScopeContainers, false},
		{domain.ScopeContainers, domain.ScopeRead, false},
		{domain.ScopeAdmin, domain.ScopeRead, true},
		{domain.ScopeAdmin, domain.ScopeContainers, true},
		{domain.ScopeAdmin, domain.ScopeAdmin, true},
		{domain.ScopeAdmin, domain.ScopeEdge, false},
		{domain.ScopeEdge, domain.ScopeEdge, true},
		{domain.ScopeEdge, domain.ScopeRead, false},
		{domain.ScopeEdge, domain.ScopeAdmin, false},
	} {
		if got := (domain.Actor{Scopes: []domain.Scope{c.own}}).Has(c.asks); got != c.want {
			t.Errorf("who carries %s has %s: %v, want %v", c.own, c.asks, got, c.want)
		}
		if !c.own.Valid() {
			t.Errorf("%s is not valid", c.own)
		}
	}
	if (domain.Actor{}).Has(domain.ScopeRead) || domain.Scope("").Valid() {
		t.Error("nobody has a scope, and the empty scope is none")
	}
}

func TestActorString(t *testing.T) {
	for want, a := range map[string]domain.Actor{
		"anonymous":           {},
		"user:anna":           {User: "anna"},
		"user:anna token:ci":  {User: "anna", Token: "ci"},
		"edge:e-1":            {EdgeID: "e-1", Token: "edge"},
		"user:system:watcher": domain.System("watcher"),
	} {
		if a.String() != want {
			t.Errorf("%+v is named %q, want %q", a, a.String(), want)
		}
	}
}
