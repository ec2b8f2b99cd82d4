// Package acme talks to certificate authorities in their own protocol (RFC 8555), one request of it a call, so that whoever keeps what
// a call returned can go on with the same order after a crash. It stores nothing.
package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"regexp"
	"time"

	"berth/domain"

	// lego's low-level client signs requests, keeps nonces and knows the protocol's corners. Its upper half orders in one go.
	"github.com/go-acme/lego/v5/acme"
	"github.com/go-acme/lego/v5/acme/api"
)

// Client is an account at a certificate authority (CA).
type Client struct {
	core *api.Core
	last *memory
	eab  eab
	mail string
	opts api.OrderOptions
}

// eab is the External Account Binding that some CAs ask for at registration (RFC 8555, 7.3.4).
type eab struct{ kid, key string }

// requestTimeout bounds one request to a CA.
const requestTimeout = 30 * time.Second

// Dial reads the directory of the account's CA through a transport, of which it uses a copy. The account's key must be there.
func Dial(a domain.ACMEAccount, through *http.Transport) (*Client, error) {
	key, err := parseKey(a.Key)
	if err != nil {
		return nil, err
	}
	transport := through.Clone()
	if a.Roots != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(a.Roots)) {
			return nil, domain.Errorf(domain.Permanent, "the roots of ACME account %s hold no PEM certificate", a.Name)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	c := &Client{
		last: &memory{next: transport}, eab: eab{a.EABKid, a.EABKey.Reveal()}, mail: a.Email, opts: api.OrderOptions{Profile: a.Profile},
	}
	c.core, err = api.New(&http.Client{Transport: c.last, Timeout: requestTimeout}, "berth", a.Directory, a.URL, key)
	if err != nil {
		return nil, c.fault("read the directory at "+a.Directory, err)
	}
	return c, nil
}

// Register makes the account, or finds the one that its key has already, and agrees to the CA's terms. It returns the account's URL.
func (c *Client) Register(ctx context.Context) (string, error) {
	request := acme.Account{TermsOfServiceAgreed: true}
	if c.mail != "" {
		request.Contact = []string{"mailto:" + c.mail}
	}
	var account acme.ExtendedAccount
	var err error
	switch {
	case c.eab.kid != "":
		account, err = c.core.Accounts.NewEAB(ctx, request, c.eab.kid, c.eab.key)
	case c.core.GetDirectory().Meta.ExternalAccountRequired:
		return "", domain.Errorf(domain.Permanent, "the CA asks for External Account Binding: give the account the key ID and HMAC key that the CA issued")
	default:
		account, err = c.core.Accounts.New(ctx, request)
	}
	if err != nil {
		return "", c.fault("register the account", err)
	}
	if account.Location == "" {
		return "", domain.Errorf(domain.Permanent, "the CA told no URL for the account")
	}
	return account.Location, nil
}

// Order is what the CA says of an order.
type Order struct {
	URL            string
	Status         Status
	Authorizations []string // URLs
	Finalize       string   // URL
	Certificate    string   // URL, once it is valid
	Problem        error    // why it is invalid
}

// Status is that of an order or authorization, in ACME's words.
type Status string

// The states that matter here.
const (
	Pending    Status = acme.StatusPending
	Ready      Status = acme.StatusReady
	Processing Status = acme.StatusProcessing
	Valid      Status = acme.StatusValid
	Invalid    Status = acme.StatusInvalid
)

func (c *Client) order(url string, o acme.ExtendedOrder) Order {
	out := Order{URL: url, Status: Status(o.Status), Authorizations: o.Authorizations, Finalize: o.Finalize, Certificate: o.Certificate}
	if o.Error != nil {
		out.Problem = c.problem(o.Error)
	}
	return out
}

// NewOrder asks for a certificate for names. replaces is the PEM chain that it is a renewal of, or empty: CAs with Renewal Information
// let such orders pass their rate limits (RFC 9773, 5).
func (c *Client) NewOrder(ctx context.Context, names []string, replaces string) (Order, error) {
	opts := c.opts
	if leaf, err := leafOf(replaces); err == nil {
		opts.ReplacesCertID, _ = api.MakeARICertID(leaf) // a CA that cannot be told is asked as for a new one
	}
	o, err := c.core.Orders.New(ctx, names, &opts)
	if err != nil && opts.ReplacesCertID != "" && domain.Is(c.fault("", err), domain.Permanent) {
		// A CA that no longer knows what is to be replaced, as after a change of its issuers, may well issue another.
		opts.ReplacesCertID = ""
		o, err = c.core.Orders.New(ctx, names, &opts)
	}
	if err != nil {
		return Order{}, c.fault("order a certificate", err)
	}
	return c.order(o.Location, o), nil
}

// Order looks at an order.
func (c *Client) Order(ctx context.Context, url string) (Order, error) {
	o, err := c.core.Orders.Get(ctx, url)
	if err != nil {
		return Order{}, c.fault("look at the order", err)
	}
	return c.order(url, o), nil
}

// Authorization is a name that the CA wants to be shown control of.
type Authorization struct {
	URL        string
	Name       string // without the "*." of a wildcard
	Status     Status
	Challenges []Challenge
	Problem    error // of the challenge that failed
}

// Challenge is one way to show it.
type Challenge struct {
	Type             string // "http-01", "dns-01"
	URL              string
	Token            string
	KeyAuthorization string
	Status           Status
}

// token is what a challenge's token has to look like (RFC 8555, 8.3).
var token = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)

// Authorization looks at an authorization.
func (c *Client) Authorization(ctx context.Context, url string) (Authorization, error) {
	a, err := c.core.Authorizations.Get(ctx, url)
	if err != nil {
		return Authorization{}, c.fault("look at the authorization", err)
	}
	out := Authorization{URL: url, Name: a.Identifier.Value, Status: Status(a.Status)}
	for _, one := range a.Challenges {
		if one.Error != nil {
			out.Problem = c.problem(one.Error)
		}
		if one.Type != string(domain.HTTP01) && one.Type != string(domain.DNS01) {
			continue // some have no token at all
		}
		if !token.MatchString(one.Token) { // it becomes the name of a file
			return Authorization{}, domain.Errorf(domain.Permanent, "the CA sent a token that breaks the protocol's rules")
		}
		answer, err := c.core.GetKeyAuthorization(one.Token)
		if err != nil {
			return Authorization{}, domain.Errorf(domain.Internal, "key authorization: %w", err)
		}
		out.Challenges = append(out.Challenges, Challenge{
			Type: one.Type, URL: one.URL, Token: one.Token, KeyAuthorization: answer, Status: Status(one.Status),
		})
	}
	return out, nil
}

// Answer tells the CA that a challenge can be looked at.
func (c *Client) Answer(ctx context.Context, challengeURL string) error {
	_, err := c.core.Challenges.New(ctx, challengeURL)
	if err != nil {
		return c.fault("answer the challenge", err)
	}
	return nil
}

// Finalize sends the certificate signing request, DER, for an order that is ready.
func (c *Client) Finalize(ctx context.Context, o Order, csr []byte) (Order, error) {
	done, err := c.core.Orders.UpdateForCSR(ctx, o.Finalize, csr)
	if err != nil {
		return Order{}, c.fault("finalize the order", err)
	}
	return c.order(o.URL, done), nil
}

// Certificate fetches the certificate of an order that is valid: PEM, leaf first.
func (c *Client) Certificate(ctx context.Context, o Order) (string, error) {
	raw, err := c.core.Certificates.Get(ctx, o.Certificate, true)
	if err != nil {
		return "", c.fault("fetch the certificate", err)
	}
	return string(raw.Cert), nil
}

// Renewal returns when the CA suggests to renew a certificate (PEM), and whether it suggests anything (RFC 9773).
func (c *Client) Renewal(ctx context.Context, chain string) (from, until time.Time, ok bool) {
	leaf, err := leafOf(chain)
	if err != nil {
		return from, until, false
	}
	id, err := api.MakeARICertID(leaf)
	if err != nil {
		return from, until, false
	}
	info, err := c.core.Certificates.GetRenewalInfo(ctx, id)
	if err != nil {
		return from, until, false
	}
	return info.SuggestedWindow.Start, info.SuggestedWindow.End, true
}

// Revoke revokes a certificate (PEM, leaf first). One that is revoked already is none the worse.
func (c *Client) Revoke(ctx context.Context, chain string) error {
	leaf, err := leafOf(chain)
	if err != nil {
		return domain.Errorf(domain.Permanent, "there is no certificate to revoke")
	}
	reason := acme.CRLReasonUnspecified
	err = c.core.Certificates.Revoke(ctx, acme.RevokeCertMessage{Certificate: base64.RawURLEncoding.EncodeToString(leaf.Raw), Reason: &reason})
	var problem *acme.ProblemDetails
	if errors.As(err, &problem) && problem.Type == acme.AlreadyRevokedErrorType {
		return nil
	}
	if err != nil {
		return c.fault("revoke the certificate", err)
	}
	return nil
}

func leafOf(chain string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(chain))
	if block == nil {
		return nil, errors.New("no PEM certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}
