package store_test

import (
	"testing"
	"time"

	"berth/domain"
	"berth/store"
)

func testACMEAccounts(t *testing.T, e *env) {
	a := domain.ACMEAccount{
		Name: "main", Directory: "https://ca.example/dir", Email: "admin@example.org", EABKid: "kid", EABKey: "binding", Key: "key of the account",
		URL: "https://ca.example/account/1",
	}
	must(t, e.CreateACMEAccount(e.ctx, &a))
	wantKind(t, e.CreateACMEAccount(e.ctx, &domain.ACMEAccount{Name: "main"}), domain.Conflict)
	kept, err := e.ACMEAccountByName(e.ctx, "main")
	must(t, err)
	same(t, "account", kept, a)
	until := e.clock.Now().Add(time.Hour)
	must(t, e.ModifyACMEAccount(e.ctx, a.ID, func(a *domain.ACMEAccount) { a.Blocked, a.BlockedReason = until, "too many" }))
	list, _, err := e.ACMEAccounts(e.ctx, store.Page{})
	must(t, err)
	same(t, "blocked until", list[0].Blocked.Unix(), until.Unix())
	same(t, "key after the change", list[0].Key, a.Key)

	home := e.site(t, "home")
	d := domain.ExternalDomain{Name: "example.org", SiteID: home.ID, ACMEAccounts: []string{a.ID}}
	must(t, e.CreateExternalDomain(e.ctx, &d))
	wantKind(t, e.DeleteACMEAccount(e.ctx, a.ID), domain.Conflict)
	d.ACMEAccounts = nil
	must(t, e.UpdateExternalDomain(e.ctx, &d))
	must(t, e.DeleteACMEAccount(e.ctx, a.ID))
	_, err = e.ACMEAccount(e.ctx, a.ID)
	wantKind(t, err, domain.NotFound)
}

func testCertificatesOrdered(t *testing.T, e *env) {
	home := e.site(t, "home")
	a := domain.ACMEAccount{Name: "main", Key: "key"}
	must(t, e.CreateACMEAccount(e.ctx, &a))
	must(t, e.CreateExternalDomain(e.ctx, &domain.ExternalDomain{Name: "example.org", SiteID: home.ID, ACMEAccounts: []string{a.ID}}))
	must(t, e.CreateExternalDomain(e.ctx, &domain.ExternalDomain{Name: "example.net", SiteID: home.ID}))
	c := e.container(t, home, "web01")
	must(t, e.Reserve(e.ctx, home, &c))
	_, _, err := e.ChangeServices(e.ctx, c, []domain.Service{http("app.example.org", 80), http("app.example.net", 80)}, nil)
	must(t, err)

	for range 2 { // asked again, there are no more
		waiting, err := e.WantCertificates(e.ctx, c.ID)
		must(t, err)
		same(t, "wanted", len(waiting), 1)
		same(t, "for", waiting[0].Names[0], "app.example.org")
	}
	all, err := e.WantCertificates(e.ctx, "")
	must(t, err)
	same(t, "wanted by all", len(all), 1)
	wanted := all[0]
	same(t, "state", wanted.State, domain.CertificatePending)
	used, err := e.CertificateUsed(e.ctx, wanted)
	must(t, err)
	same(t, "used", used, true)

	order := domain.CertificateOrder{CertificateID: wanted.ID, AccountID: a.ID, Key: "key to be"}
	must(t, e.PutCertificateOrder(e.ctx, order))
	order.URL = "https://ca.example/order/1"
	must(t, e.PutCertificateOrder(e.ctx, order))
	kept, err := e.CertificateOrder(e.ctx, wanted.ID)
	must(t, err)
	same(t, "order", kept.URL+kept.Key.Reveal()+kept.AccountID, order.URL+order.Key.Reveal()+a.ID)
	revision, err := e.PutChallenges(e.ctx, wanted, []domain.Challenge{{Token: "t-1", KeyAuthorization: "t-1.print"}})
	must(t, err)
	snap, err := e.Snapshot(e.ctx, home.ID)
	must(t, err)
	same(t, "revision", snap.Revision, revision)
	same(t, "challenge", snap.Challenges[0], domain.Challenge{Token: "t-1", KeyAuthorization: "t-1.print"})

	must(t, e.ModifyCertificate(e.ctx, wanted.ID, func(c *domain.Certificate) {
		c.State, c.Message, c.Failures, c.RetryAt = domain.CertificateFailing, "The CA says no.", 1, e.clock.Now().Add(time.Minute)
	}))
	failing, err := e.Certificate(e.ctx, wanted.ID)
	must(t, err)
	same(t, "due", failing.Due(e.clock.Now()), false)
	same(t, "due later", failing.Due(e.clock.Now().Add(2*time.Minute)), true)

	issued := domain.Certificate{
		Chain: "chain", Key: "key to be", Issuer: "CA", Serial: "1f", AccountID: a.ID,
		NotBefore: e.clock.Now(), NotAfter: e.clock.Now().AddDate(0, 0, 90), RenewAt: e.clock.Now().AddDate(0, 0, 60),
	}
	revision, err = e.InstallCertificate(e.ctx, wanted.ID, issued)
	must(t, err)
	_, err = e.CertificateOrder(e.ctx, wanted.ID)
	wantKind(t, err, domain.NotFound)
	snap, err = e.Snapshot(e.ctx, home.ID)
	must(t, err)
	same(t, "revision", snap.Revision, revision)
	same(t, "challenges", len(snap.Challenges), 0)
	same(t, "certificate of the edge", snap.Certificates[0], domain.EdgeCertificate{ID: wanted.ID, Chain: "chain", Key: "key to be"})
	now, err := e.Certificate(e.ctx, wanted.ID)
	must(t, err)
	same(t, "state", now.State, domain.CertificateIssued)
	same(t, "message", now.Message, "")
	waiting, err := e.WantCertificates(e.ctx, c.ID)
	must(t, err)
	same(t, "waiting", len(waiting), 0)

	must(t, e.WithdrawCertificate(e.ctx, wanted.ID))
	snap, err = e.Snapshot(e.ctx, home.ID)
	must(t, err)
	same(t, "certificates after it was revoked", len(snap.Certificates), 0)
	must(t, e.PutCertificateOrder(e.ctx, order))
	must(t, e.DropCertificateOrder(e.ctx, wanted.ID))
	must(t, e.PutCertificateOrder(e.ctx, order))
	must(t, e.DeleteCertificate(e.ctx, wanted.ID))
	_, err = e.CertificateOrder(e.ctx, wanted.ID)
	wantKind(t, err, domain.NotFound)
}
