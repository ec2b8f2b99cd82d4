package activities_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"berth/activities"
	"berth/domain"
)

// authority lets the world's domain order from accounts, and returns the activities that do, with a clock that can be moved.
func (w *world) authority(names ...string) (*activities.Certificates, []string) {
	w.t.Helper()
	var ids []string
	for _, name := range names {
		a := domain.ACMEAccount{Name: name, Key: "key"}
		w.must(w.store.CreateACMEAccount(w.t.Context(), &a))
		ids = append(ids, a.ID)
	}
	w.must(w.store.CreateExternalDomain(w.t.Context(), &domain.ExternalDomain{Name: "example.org", SiteID: w.site.ID, ACMEAccounts: ids}))
	return &activities.Certificates{
		Store: w.store, CA: &http.Transport{}, Edges: http.DefaultClient, Changed: w.starter.NetworkChanged,
		Deadlines: domain.DefaultDeadlines(), Poll: poll, Now: w.later, Logger: slog.New(slog.DiscardHandler),
	}, ids
}

// wait moves the clock.
func (w *world) wait(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ahead += d
}

func TestOrdersGoToTheNextAuthority(t *testing.T) {
	w := newWorld(t)
	orders, accounts := w.authority("first", "second")
	in, _ := w.expose(w.ready("web01"))
	begun := step(t, w.set.Records.Begin, in)
	if len(begun.Certificates) != 1 || begun.Certificates[0].Name != "app.example.org" {
		t.Fatalf("the operation waits for %+v", begun.Certificates)
	}
	certificate := begun.Certificates[0]
	begin := func(tried ...string) domain.CertificateBegun {
		return step(t, orders.BeginOrder, domain.BeginOrderInput{CertificateInput: certificate, Tried: tried})
	}
	fail := func(account string, kind domain.Kind, retryAfter time.Duration) {
		step(t, orders.FailOrder, domain.CertificateFailed{
			CertificateStep: domain.CertificateStep{CertificateInput: certificate, AccountID: account, SiteID: w.site.ID},
			FailureInfo:     domain.FailureInfo{Kind: kind.String(), Message: "The CA says no."}, RetryAfter: retryAfter,
		})
	}
	look := func() domain.Certificate {
		c, err := w.store.Certificate(t.Context(), certificate.CertificateID)
		w.must(err)
		return c
	}

	if got := begin(); got.AccountID != accounts[0] || got.Challenge != domain.HTTP01 || got.SiteID != w.site.ID {
		t.Fatalf("it begins as %+v", got)
	}
	w.must(w.store.PutCertificateOrder(t.Context(), domain.CertificateOrder{CertificateID: certificate.CertificateID, AccountID: accounts[1]}))
	if got := begin(); got.AccountID != accounts[1] {
		t.Errorf("an open order is not gone on with: %+v", got)
	}
	fail(accounts[1], domain.Unavailable, 0)
	if _, err := w.store.CertificateOrder(t.Context(), certificate.CertificateID); err != nil {
		t.Errorf("a CA that was away costs the order: %v", err)
	}
	fail(accounts[1], domain.Permanent, 0)
	if _, err := w.store.CertificateOrder(t.Context(), certificate.CertificateID); !domain.Is(err, domain.NotFound) {
		t.Errorf("an order that the CA refused stays: %v", err)
	}
	if got := begin(accounts[0]); got.AccountID != accounts[1] {
		t.Errorf("after the first the order goes to %+v", got)
	}
	if got := begin(accounts...); got.AccountID != "" {
		t.Errorf("after all the order goes to %+v", got)
	}

	// A rate limit blocks the account for the whole installation, for as long as the CA asked.
	fail(accounts[0], domain.Limited, time.Hour)
	w.wait(2 * time.Minute)
	if got := begin(accounts[1]); got.AccountID != "" {
		t.Errorf("a CA that wants no orders gets one: %+v", got)
	}
	blocked, err := w.store.ACMEAccount(t.Context(), accounts[0])
	w.must(err)
	if blocked.BlockedReason != "The CA says no." || look().State != domain.CertificateFailing {
		t.Errorf("the account is told as %+v, the certificate as %+v", blocked, look())
	}
	again := w.operation(in.ContainerID, domain.OpExpose, domain.OperationParams{})
	if begun := step(t, w.set.Records.Begin, again); len(begun.Certificates) != 0 {
		t.Errorf("another operation orders before its time: %+v", begun.Certificates)
	}
	w.wait(time.Hour)
	if got := begin(); got.AccountID != accounts[0] {
		t.Errorf("once it may again the order goes to %+v", got)
	}
}

func TestReconcileRenewsWhatIsDue(t *testing.T) {
	w := newWorld(t)
	orders, _ := w.authority("main")
	in, change := w.expose(w.ready("web01"))
	w.serve()
	w.wait(time.Minute)
	w.reconcile(false) // makes it, as when the domain got its account after the service
	w.wait(time.Minute)
	w.reconcile(false)
	if len(w.starter.certified) != 1 || w.starter.certified[0].Name != "app.example.org" {
		t.Fatalf("ordered was %+v", w.starter.certified)
	}
	w.reconcile(false) // its workflow is open
	id := w.starter.certified[0].CertificateID
	now := w.later()
	_, err := w.store.InstallCertificate(t.Context(), id, domain.Certificate{
		Chain: "chain", Key: "key", NotBefore: now, NotAfter: now.AddDate(0, 0, 90), RenewAt: now.AddDate(0, 0, 60),
	})
	w.must(err)
	delete(w.starter.open, domain.CertificateWorkflowID(id))
	w.reconcile(false)
	if len(w.starter.certified) != 1 {
		t.Fatalf("what is not due was renewed: %+v", w.starter.certified)
	}
	w.wait(60 * 24 * time.Hour)
	w.reconcile(false)
	if len(w.starter.certified) != 2 {
		t.Fatalf("what is due was not renewed: %+v", w.starter.certified)
	}

	// What nothing is published under any more is forgotten instead.
	_, _, err = w.store.ChangeServices(t.Context(), w.container(in), nil, change.Added[:1])
	w.must(err)
	if got := step(t, orders.BeginOrder, domain.BeginOrderInput{CertificateInput: w.starter.certified[1]}); got.AccountID != "" {
		t.Errorf("it is renewed: %+v", got)
	}
	if _, err := w.store.Certificate(t.Context(), id); !domain.Is(err, domain.NotFound) {
		t.Errorf("it is still there: %v", err)
	}
}
