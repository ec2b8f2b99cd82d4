package app

import (
	"context"
	"log/slog"
	"time"

	"berth/domain"
)

// Config is what the use cases work with.
type Config struct {
	Workflows Workflows
	Proxmox   Proxmox
	Images    ImageSource
	Now       func() time.Time // nil = time.Now
	Logger    *slog.Logger     // nil = slog.Default
}

// App is all use cases.
type App struct {
	Clusters   *Clusters
	Sites      *Sites
	Nodes      *Nodes
	Edges      *Edges
	Containers *Containers
	Operations *Operations
	Images     *Images
	Quotas     *Quotas
	Tokens     *Tokens
	Users      *Users
	Audit      *Audit
	Auth       *Auth
	Health     *Health
}

// New returns the use cases.
func New(c Config) *App { return &App{} }

// Auth tells who makes a request.
type Auth struct{ *App }

// Authenticate returns the actor whom a bearer token stands for; source is the caller's address.
func (s *Auth) Authenticate(ctx context.Context, bearer, source string) (domain.Actor, error) {
	return domain.Actor{}, errPending
}

// Health tells whether the platform can do its job.
type Health struct{ *App }

// Ready is nil once a container could be created; otherwise the error says what is missing.
func (s *Health) Ready(ctx context.Context) error { return errPending }
