package domain

import "time"

// ACMEAccount is an account at a certificate authority (CA) that speaks ACME (RFC 8555).
type ACMEAccount struct {
	ID        string
	Name      string
	Directory string // URL of the CA's directory
	Email     string // that the CA may write to; empty for none
	Profile   string // of the certificates, of those that the CA offers; empty lets it choose
	Roots     string // PEM certificates that sign that of the CA's API; empty means the system's
	EABKid    string // key ID for External Account Binding; empty for none
	EABKey    Secret // HMAC key for it, base64url
	Key       Secret // of the account, PEM
	URL       string // of the account at the CA; empty until it is registered
	// Blocked is until when the CA wants no orders, after it said that a rate limit is reached; zero when it does not.
	Blocked       time.Time
	BlockedReason string // in the CA's words
	CreatedAt     time.Time
	Version       int64
}

// CertificateOrder is an order at a CA that is not done: what is needed to go on with it after a crash.
type CertificateOrder struct {
	CertificateID string
	AccountID     string
	URL           string // empty until the CA has been asked
	Key           Secret // of the certificate to be, PEM
	CreatedAt     time.Time
}

// ChallengeType is a way to show a CA control of a name, in ACME's words.
type ChallengeType string

// The types that Berth answers.
const (
	HTTP01 ChallengeType = "http-01" // every edge of the site serves a token
	DNS01  ChallengeType = "dns-01"  // a TXT record in the zone; the only one for wildcards
)

// CertificateState is how far a certificate is.
type CertificateState string

// The states of certificates.
const (
	CertificatePending CertificateState = "pending" // ordered for the first time, or anew after it was revoked
	CertificateIssued  CertificateState = "issued"
	// CertificateFailing has not been issued or renewed at the last try; one that was issued before is still served.
	CertificateFailing CertificateState = "failing"
)

// renewShare is the share of its lifetime after which a certificate is renewed whose CA suggests no time.
const renewShare = 2.0 / 3

// jitterShare is the share of its lifetime over which renewals are spread, so that certificates made together are not renewed together.
const jitterShare = 1.0 / 20

// Renewal returns when to renew a certificate: at a random moment of the window that the CA suggests, else at two thirds of the lifetime
// and up to a twentieth of it before. chance is in [0, 1).
func (c Certificate) Renewal(from, until time.Time, chance float64) time.Time {
	lifetime := c.NotAfter.Sub(c.NotBefore)
	if until.After(from) && from.Before(c.NotAfter) {
		return from.Add(time.Duration(chance * float64(until.Sub(from))))
	}
	share := renewShare - jitterShare*chance
	return c.NotBefore.Add(time.Duration(share * float64(lifetime)))
}

// Pauses between tries to get a certificate that failed: long enough for a CA's limit on failed validations (Let's Encrypt: 5 an hour
// for an account and name), short enough that a record that was mended is seen soon.
var pauses = [...]time.Duration{time.Minute, 5 * time.Minute, 20 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour} //nolint:gochecknoglobals // data

// PauseAfter returns how long to wait after so many failures in a row, of which there is at least one.
func PauseAfter(failures int) time.Duration {
	return pauses[min(max(failures, 1), len(pauses))-1]
}

// CertificateInput is the payload of the Certificate workflow.
type CertificateInput struct {
	CertificateID string `json:"certificateId"`
	Name          string `json:"name"` // the first of its names, for people
	// Revoke asks for the certificate to be revoked, and replaced under a new key.
	Revoke bool `json:"revoke,omitempty"`
	// Renew asks for a new one although it is not due.
	Renew bool `json:"renew,omitempty"`
}

// BeginOrderInput is the payload of BeginOrder.
type BeginOrderInput struct {
	CertificateInput
	Tried []string `json:"tried,omitempty"` // IDs of accounts that failed in this run
}

// CertificateStep is the payload of the steps of an order.
type CertificateStep struct {
	CertificateInput
	AccountID string `json:"accountId"`
	SiteID    string `json:"siteId"`
	Site      string `json:"site"`               // name, for people
	Revision  int64  `json:"revision,omitempty"` // of the site's network, for steps that wait for edges
}

// CertificateBegun is the result of BeginOrder.
type CertificateBegun struct {
	AccountID string        `json:"accountId,omitempty"` // to order from; empty when there is nothing to do, or nobody to ask
	Account   string        `json:"account,omitempty"`   // its name, for people
	Challenge ChallengeType `json:"challenge,omitempty"`
	SiteID    string        `json:"siteId,omitempty"`
	Site      string        `json:"site,omitempty"`
	Deadlines Deadlines     `json:"deadlines"`
}

// CertificateRevision is the result of steps that change what edges serve.
type CertificateRevision struct {
	Revision int64 `json:"revision"`          // of the certificate's site; 0 when nothing changed
	Records  bool  `json:"records,omitempty"` // records in public DNS show the CA what it wants to see
}

// CertificateFailed is the payload of FailOrder.
type CertificateFailed struct {
	CertificateStep
	FailureInfo
	RetryAfter time.Duration `json:"retryAfter,omitempty"` // as the CA asked for
}

// CertificateOutcome is the result of AwaitIssued.
type CertificateOutcome struct {
	Revision int64    `json:"revision"` // of the site's network, that has the certificates
	Failed   []string `json:"failed,omitempty"`
}

// AwaitIssuedInput is the payload of AwaitIssued.
type AwaitIssuedInput struct {
	OperationInput
	SiteID       string   `json:"siteId"`
	Certificates []string `json:"certificates"` // IDs
}
