package api_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"

	"berth/api"
	"berth/app"
	"berth/client"
	"berth/domain"
	"berth/secret"
	"berth/store"
)

// house is the API on real use cases and a real database; only Temporal is left out.
type house struct {
	t     *testing.T
	url   string
	store *store.Store
	app   *app.App
	admin *client.Client
}

// workflows stands in for Temporal: operations are accepted and never move by themselves.
type workflows struct{}

func (workflows) Start(context.Context, domain.Operation, domain.OperationInput) (string, error) {
	return "run-1", nil
}
func (workflows) Cancel(context.Context, string, string) error           { return nil }
func (workflows) NetworkChanged(context.Context, string, string) error   { return nil }
func (workflows) Certify(context.Context, domain.CertificateInput) error { return nil }
func (workflows) Reconcile(_ context.Context, dryRun bool) (string, error) {
	if dryRun {
		return "nothing to do", nil
	}
	return "did nothing", nil
}
func (workflows) Healthy(context.Context) error { return nil }

func newHouse(t *testing.T) *house {
	t.Helper()
	ring, err := secret.New("k1", map[string][]byte{"k1": make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Config{DSN: "sqlite://" + t.TempDir() + "/berth.db", Ring: ring})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	watcher, err := store.NewWatcher(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = watcher.Run(ctx)
	}()
	a := app.New(app.Config{Store: s, Watcher: watcher, Workflows: workflows{}})
	handler, err := api.New(a, api.Options{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(func() {
		srv.Close()
		stop()
		<-done
		_ = s.Close()
	})
	h := &house{t: t, url: srv.URL, store: s, app: a}
	h.admin = h.as("root", true, domain.ScopeAdmin)
	return h
}

// as makes a user, unless there is one, and returns a client with a token of theirs.
func (h *house) as(user string, admin bool, scopes ...domain.Scope) *client.Client {
	h.t.Helper()
	system := domain.System("test")
	if _, err := h.app.Users.Create(h.t.Context(), system, app.UserInput{Name: user, Admin: admin}); err != nil && !domain.Is(err, domain.Conflict) {
		h.t.Fatal(err)
	}
	_, token, err := h.app.Tokens.Create(h.t.Context(), system, app.TokenInput{Name: "test " + domain.NewID(), Owner: user, Scopes: scopes})
	if err != nil {
		h.t.Fatal(err)
	}
	return h.with(token.Reveal())
}

// with returns a client with a token.
func (h *house) with(token string) *client.Client {
	h.t.Helper()
	c, err := client.New(h.url, token, client.Options{})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func (h *house) site(name, cidr string) client.Site {
	h.t.Helper()
	site, err := h.admin.CreateSiteWithResponse(h.t.Context(), client.SiteCreate{
		Name: name, Domain: name + ".internal", CIDR: cidr + ".0/24", Gateway: cidr + ".1", RangeFirst: cidr + ".50", RangeLast: cidr + ".99",
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return *site.JSON201
}

// status returns the status of the problem that err is; 0 when it is none.
func status(err error) int {
	var p *client.Problem
	if errors.As(err, &p) {
		return p.Status
	}
	return 0
}

func refused(t *testing.T, what string, err error, want int) *client.Problem {
	t.Helper()
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != want {
		t.Fatalf("%s: %v, want a problem of status %d", what, err, want)
	}
	return p
}
