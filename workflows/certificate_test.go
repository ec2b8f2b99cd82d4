package workflows_test

import (
	"testing"
	"time"

	"berth/domain"
)

var certificateIn = domain.CertificateInput{CertificateID: "cert-1", Name: "app.example.org"}

// ordering lets a script order from accounts.
func ordering(accounts ...string) *script {
	s := newScript()
	s.accounts = accounts
	return s
}

// certifying makes the names of a script's container wait for a certificate.
func certifying(s *script) *script {
	s.begun.Certificates = []domain.CertificateInput{certificateIn}
	s.accounts = []string{"ca-1"}
	return s
}

// byDNS lets a script order a wildcard.
func byDNS(s *script) *script {
	s.byDNS = true
	return s
}

func TestCertificate(t *testing.T) {
	proved := []string{domain.ActivityAuthorize, domain.ActivityAwaitChallenge, domain.ActivityAnswer, domain.ActivityTidyOrder}
	issued := sequence([]string{domain.ActivityRegister, domain.ActivityOrder}, proved,
		[]string{domain.ActivityFinalize, domain.ActivityInstall, domain.ActivityAwaitInstalled})
	begin, failed := []string{domain.ActivityBeginOrder}, []string{domain.ActivityFailOrder, domain.ActivityBeginOrder}
	limited := &domain.Error{Kind: domain.Limited, Message: "The CA says (rateLimited): too many.", RetryAfter: time.Hour}
	for name, c := range map[string]struct {
		script *script
		in     domain.CertificateInput
		order  []string
		fails  bool
	}{
		"issued": {ordering("ca-1"), certificateIn, sequence(begin, issued), false},
		"by DNS": {
			byDNS(ordering("ca-1")), certificateIn, sequence(begin, issued[:5], []string{domain.ActivityTidyRecords}, issued[6:]), false,
		},
		"refused by DNS": {
			byDNS(ordering("ca-1")).failing(domain.ActivityAwaitChallenge, refused("The name servers do not have it.")), certificateIn,
			sequence(begin, issued[:4], []string{domain.ActivityTidyRecords}, failed), true,
		},
		"nothing to do": {ordering(), certificateIn, begin, false},
		"revoked": {
			ordering("ca-1"),
			domain.CertificateInput{CertificateID: "cert-1", Name: "app.example.org", Revoke: true},
			sequence(begin, []string{domain.ActivityRevokeCertificate}, issued), false,
		},
		"refused": {
			ordering("ca-1").failing(domain.ActivityAnswer, refused("It could not be validated.")), certificateIn,
			sequence(begin, issued[:6], failed), true,
		},
		"another authority": {
			ordering("ca-1", "ca-2").failing(domain.ActivityOrder, limited, nil), certificateIn,
			sequence(begin, issued[:2], failed, issued), false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := execute(t, c.script, domain.WorkflowCertificate, c.in)
			r.wantOrder(t, c.order)
			if failed := r.env.GetWorkflowError() != nil; failed != c.fails {
				t.Errorf("the run ends with %v", r.env.GetWorkflowError())
			}
		})
	}
	t.Run("what the CA asked for is passed on", func(t *testing.T) {
		s := ordering("ca-1").failing(domain.ActivityOrder, limited)
		execute(t, s, domain.WorkflowCertificate, certificateIn)
		told := inputs[domain.CertificateFailed](s, domain.ActivityFailOrder)
		if len(told) != 1 || told[0].RetryAfter != time.Hour || told[0].Kind != domain.Limited.String() || told[0].AccountID != "ca-1" {
			t.Errorf("FailOrder was told %+v", told)
		}
	})
}
