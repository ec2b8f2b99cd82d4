package domain

import "time"

// User is a person or the owner of tokens.
type User struct {
	ID        string
	Name      string
	Admin     bool
	CreatedAt time.Time
	Version   int64
}

// Group is a named set of users.
type Group struct {
	ID        string
	Name      string
	Members   []string // user names
	CreatedAt time.Time
	Version   int64
}

// Token is a bearer token of the API. Only the hash of its secret is kept.
type Token struct {
	ID         string
	Name       string
	Owner      string // user name; empty for edge tokens
	Scopes     []Scope
	EdgeID     string    // with ScopeEdge: the edge it belongs to
	ExpiresAt  time.Time // zero = never
	LastUsedAt time.Time
	CreatedAt  time.Time
	Version    int64
}

// Scope limits what a token may do.
type Scope string

// The scopes. A wider one does not include a narrower one, except that Admin includes Read and Containers.
const (
	ScopeRead       Scope = "read"       // see what the owner may see
	ScopeContainers Scope = "containers" // change the owner's containers
	ScopeAdmin      Scope = "admin"      // everything but the edge protocol
	ScopeEdge       Scope = "edge"       // the edge protocol of one edge
)

// Valid reports whether s is one of the scopes.
func (s Scope) Valid() bool {
	return s == ScopeRead || s == ScopeContainers || s == ScopeAdmin || s == ScopeEdge
}

// Actor is who makes a request.
type Actor struct {
	User    string // user name; "system" for Berth itself
	TokenID string
	Token   string // name of the token
	EdgeID  string // set for edges alone
	Scopes  []Scope
	Admin   bool   // the user is an administrator and the token carries ScopeAdmin
	Source  string // remote address
}

// Has reports whether the actor carries a scope, directly or by ScopeAdmin.
func (a Actor) Has(s Scope) bool {
	for _, own := range a.Scopes {
		if own == s || own == ScopeAdmin && s != ScopeEdge {
			return true
		}
	}
	return false
}

// String names the actor in logs and the audit trail.
func (a Actor) String() string {
	switch {
	case a.EdgeID != "":
		return "edge:" + a.EdgeID
	case a.Token != "":
		return "user:" + a.User + " token:" + a.Token
	case a.User == "":
		return "anonymous"
	}
	return "user:" + a.User
}

// System is Berth acting by itself; name is the part of it, such as "reconciler".
func System(name string) Actor {
	return Actor{User: "system:" + name, Scopes: []Scope{ScopeAdmin}, Admin: true}
}

// Quota limits what the containers of one user may hold together; 0 means no limit.
type Quota struct {
	User       string // empty: what everybody has who has no quota of their own
	Containers int
	Cores      int
	MemoryMiB  int
	DiskGiB    int
	Version    int64
}

// Usage is what the containers of a user hold together.
type Usage struct {
	Containers int
	Cores      int
	MemoryMiB  int
	DiskGiB    int
}

// AuditEntry is one line of the append-only trail of who did what from where.
type AuditEntry struct {
	ID         int64
	Time       time.Time
	Actor      string
	Source     string // remote address; empty for Berth itself
	Action     string // such as "container.create"
	Resource   string
	ResourceID string
	Name       string // what the resource was called
	Outcome    string // "ok", or the stable name of an error kind
	Detail     string // in words; never holds a secret
}

// Change tells other processes that a row changed.
type Change struct {
	Seq   int64
	Topic Topic
	ID    string // of the row
	Time  time.Time
}

// Topic is what a Change is about.
type Topic string

// The topics.
const (
	TopicContainer Topic = "container"
	TopicOperation Topic = "operation"
	TopicSite      Topic = "site"
	TopicEdge      Topic = "edge"
	TopicNode      Topic = "node"
	TopicCluster   Topic = "cluster"
	TopicSettings  Topic = "settings"
)
