package app_test

import (
	"strings"
	"testing"

	"berth/acme/acmetest"
	"berth/app"
	"berth/domain"
)

func acmeAccount(ca *acmetest.Server, name string) app.ACMEAccountInput {
	return app.ACMEAccountInput{Name: name, Directory: ca.Directory, Roots: ca.Roots, Email: "admin@example.org", TermsAgreed: true}
}

func TestACMEAccounts(t *testing.T) {
	w, ca := newWorld(t), acmetest.Start(t)
	in := acmeAccount(ca, "main")
	in.EABKid, in.EABKey = "kid-1", "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"
	made, err := w.ACMEAccounts.Create(t.Context(), root, in)
	must(t, err)
	if made.Key != "" || made.EABKey != "" || !strings.HasSuffix(made.URL, "/account/1") {
		t.Errorf("the answer is %+v", made)
	}
	kept, err := w.db.ACMEAccount(t.Context(), made.ID)
	must(t, err)
	if kept.Key == "" || kept.EABKey != in.EABKey {
		t.Error("the keys are not kept")
	}
	_, err = w.ACMEAccounts.Create(t.Context(), root, in)
	wantKind(t, err, domain.Conflict)
	if len(ca.Registered) != 1 {
		t.Errorf("the CA was asked %d times, want once", len(ca.Registered))
	}

	d, err := w.ExternalDomains.Create(t.Context(), root, app.ExternalDomainInput{Name: "example.org", Site: "demo", ACMEAccounts: []string{"main"}})
	must(t, err)
	if len(d.Accounts) != 1 || d.Accounts[0] != "main" || d.ACMEAccounts[0] != made.ID {
		t.Errorf("the domain is %+v", d)
	}
	wantKind(t, w.ACMEAccounts.Delete(t.Context(), root, "main"), domain.Conflict)
	for _, accounts := range [][]string{{"main", made.ID}, {"other"}} {
		_, err = w.ExternalDomains.Update(t.Context(), root, "example.org", app.ExternalDomainPatch{ACMEAccounts: &accounts}, 0)
		wantKind(t, err, domain.Invalid)
	}
	_, err = w.ExternalDomains.Update(t.Context(), root, "example.org", app.ExternalDomainPatch{ACMEAccounts: &[]string{}}, 0)
	must(t, err)
	must(t, w.ACMEAccounts.Delete(t.Context(), root, "main"))
}

func TestACMEAccountsThatBreakRules(t *testing.T) {
	w, ca := newWorld(t), acmetest.Start(t)
	for field, change := range map[string]func(*app.ACMEAccountInput){
		"name":        func(in *app.ACMEAccountInput) { in.Name = "Let's Encrypt" },
		"directory":   func(in *app.ACMEAccountInput) { in.Directory = "http://ca.example.org/dir" },
		"email":       func(in *app.ACMEAccountInput) { in.Email = "Admin <admin@example.org>" },
		"profile":     func(in *app.ACMEAccountInput) { in.Profile = strings.Repeat("x", 65) },
		"roots":       func(in *app.ACMEAccountInput) { in.Roots = "no PEM" },
		"eabKid":      func(in *app.ACMEAccountInput) { in.EABKid = "kid" },
		"eabKey":      func(in *app.ACMEAccountInput) { in.EABKid, in.EABKey = "kid", "not base64!" },
		"termsAgreed": func(in *app.ACMEAccountInput) { in.TermsAgreed = false },
	} {
		t.Run(field, func(t *testing.T) {
			in := acmeAccount(ca, "main")
			change(&in)
			_, err := w.ACMEAccounts.Create(t.Context(), root, in)
			wantKind(t, err, domain.Invalid)
			if !strings.Contains(err.Error(), field) {
				t.Errorf("the error names another field: %v", err)
			}
		})
	}
	if len(ca.Registered) != 0 {
		t.Errorf("the CA was asked %d times for what breaks a rule", len(ca.Registered))
	}
}

func TestCertificatesAreRenewedByTheirWorkflow(t *testing.T) {
	w := newWorld(t)
	c := domain.Certificate{Names: []string{"app.example.org"}, Source: domain.CertificateACME, SiteID: w.site.ID}
	must(t, w.db.CreateCertificate(t.Context(), &c))
	_, err := w.Certificates.Renew(t.Context(), root, c.ID)
	must(t, err)
	_, err = w.Certificates.Revoke(t.Context(), root, c.ID)
	must(t, err)
	want := []domain.CertificateInput{
		{CertificateID: c.ID, Name: "app.example.org", Renew: true}, {CertificateID: c.ID, Name: "app.example.org", Revoke: true},
	}
	if len(w.flows.certified) != 2 || w.flows.certified[0] != want[0] || w.flows.certified[1] != want[1] {
		t.Errorf("asked for %+v, want %+v", w.flows.certified, want)
	}
	own := domain.Certificate{Names: []string{"own.example.org"}, Source: domain.CertificateUploaded}
	must(t, w.db.CreateCertificate(t.Context(), &own))
	_, err = w.Certificates.Renew(t.Context(), root, own.ID)
	wantKind(t, err, domain.Conflict)
}
