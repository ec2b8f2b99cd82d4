package app

import (
	"log/slog"
	"net/http"
	"time"

	"berth/publicdns"
	"berth/store"
)

// Config is what the use cases work with.
type Config struct {
	Store     *store.Store
	Watcher   *store.Watcher // of the same store; somebody else runs it
	Workflows Workflows
	Proxmox   Proxmox
	Images    ImageSource
	CA        *http.Transport   // that certificate authorities are reached through
	PublicDNS publicdns.Network // that DNS providers are reached through
	Now       func() time.Time  // nil = time.Now
	Logger    *slog.Logger      // nil discards
	// Patience is how long a start waits for the former run of the same container to close; 0 = 2 s. A run that has just
	// written its result to SQL needs some milliseconds more to end in Temporal.
	Patience time.Duration
}

// App is all use cases.
type App struct {
	Clusters        *Clusters
	Sites           *Sites
	Nodes           *Nodes
	Edges           *Edges
	Containers      *Containers
	Operations      *Operations
	Images          *Images
	Registries      *Registries
	ExternalDomains *ExternalDomains
	ACMEAccounts    *ACMEAccounts
	Certificates    *Certificates
	Quarantines     *Quarantines
	Quotas          *Quotas
	Tokens          *Tokens
	Users           *Users
	Audit           *Audit
	Auth            *Auth
	Health          *Health
}

const defaultPatience = 2 * time.Second

// New returns the use cases.
func New(c Config) *App {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Patience == 0 {
		c.Patience = defaultPatience
	}
	k := &core{c}
	containers := &Containers{k}
	return &App{
		Clusters:        &Clusters{k},
		Sites:           &Sites{k},
		Nodes:           &Nodes{k},
		Edges:           &Edges{k},
		Containers:      containers,
		Operations:      &Operations{core: k, containers: containers},
		Images:          &Images{k},
		Registries:      &Registries{k},
		ExternalDomains: &ExternalDomains{k},
		ACMEAccounts:    &ACMEAccounts{k},
		Certificates:    &Certificates{k},
		Quarantines:     &Quarantines{k},
		Quotas:          &Quotas{k},
		Tokens:          &Tokens{k},
		Users:           &Users{k},
		Audit:           &Audit{k},
		Auth:            &Auth{k},
		Health:          &Health{k},
	}
}

// core is what all use cases share.
type core struct{ Config }
