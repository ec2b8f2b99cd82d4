package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"berth/acme"
	"berth/domain"
	"berth/store"
)

// Certificates orders certificates from authorities (CAs) that speak ACME, a step of an order each. What the next step needs is in SQL, so
// each of them can be repeated.
type Certificates struct {
	Store *store.Store
	// CA is what CAs are reached through.
	CA *http.Transport
	// Edges asks edges for the answers to challenges.
	Edges *http.Client
	// Changed tells the site's Network workflow that the desired revision rose.
	Changed   func(ctx context.Context, siteID, site string) error
	Deadlines domain.Deadlines
	// Poll is how often SQL and CAs are asked whether something is done.
	Poll   time.Duration
	Now    func() time.Time
	Logger *slog.Logger
}

// BeginOrder says from which account to order a certificate, if there is anything to order and anybody to order from. A certificate that
// nothing is published under any more is forgotten when it is due.
func (c *Certificates) BeginOrder(ctx context.Context, in domain.BeginOrderInput) (begun domain.CertificateBegun, err error) {
	err = c.Store.Transact(ctx, func(tx *store.Store) error {
		begun = domain.CertificateBegun{Deadlines: c.Deadlines}
		one, err := tx.Certificate(ctx, in.CertificateID)
		asked := in.Renew || in.Revoke
		if domain.Is(err, domain.NotFound) || err == nil && (one.Source != domain.CertificateACME || !asked && len(in.Tried) == 0 && !one.Due(c.Now())) {
			return nil
		}
		if err != nil {
			return err
		}
		if used, err := tx.CertificateUsed(ctx, one); err != nil || !used && !asked {
			return errors.Join(err, tx.DeleteCertificate(ctx, one.ID))
		}
		site, err := tx.Site(ctx, one.SiteID)
		if err != nil {
			return err
		}
		begun.SiteID, begun.Site, begun.Challenge = site.ID, site.Name, one.Challenge
		account, free, err := c.choose(ctx, tx, one, in.Tried)
		if err != nil || account.ID != "" {
			begun.AccountID, begun.Account = account.ID, account.Name
			return err
		}
		if len(in.Tried) > 0 { // FailOrder has said why
			return nil
		}
		return tx.ModifyCertificate(ctx, one.ID, func(k *domain.Certificate) {
			k.State, k.Message, k.RetryAt = domain.CertificateFailing, account.BlockedReason, cmp.Or(free, c.Now().Add(domain.PauseAfter(k.Failures)))
			if k.Message == "" {
				k.Message = "The external domain has no ACME account to order from."
			}
		})
	})
	return begun, err
}

// choose returns the account to order from: the one with an open order, else the first that was not tried and that the CA lets order.
// Without one it says when a CA lets order again, and why it does not now.
func (c *Certificates) choose(
	ctx context.Context, tx *store.Store, one domain.Certificate, tried []string,
) (none domain.ACMEAccount, free time.Time, err error) {
	d, err := tx.ExternalDomain(ctx, one.DomainID)
	if err != nil {
		if domain.Is(err, domain.NotFound) {
			err = nil
		}
		return none, free, err
	}
	candidates := d.ACMEAccounts
	if open, err := tx.CertificateOrder(ctx, one.ID); err == nil && slices.Contains(candidates, open.AccountID) {
		candidates = append([]string{open.AccountID}, candidates...)
	}
	for _, id := range candidates {
		account, err := tx.ACMEAccount(ctx, id)
		switch {
		case domain.Is(err, domain.NotFound), slices.Contains(tried, id):
			continue
		case err != nil:
			return none, free, err
		case account.Blocked.After(c.Now()):
			if free.IsZero() || account.Blocked.Before(free) {
				free, none.BlockedReason = account.Blocked, account.BlockedReason
			}
			continue
		}
		return account, free, nil
	}
	return none, free, nil
}

// with does a step with the step's account and certificate, and the CA's answer to them.
func (c *Certificates) with(
	ctx context.Context, in domain.CertificateStep, do func(*acme.Client, domain.ACMEAccount, domain.Certificate) error,
) error {
	one, err := c.Store.Certificate(ctx, in.CertificateID)
	if err != nil {
		return err
	}
	account, err := c.Store.ACMEAccount(ctx, in.AccountID)
	if err != nil {
		return err
	}
	ca, err := acme.Dial(ctx, account, c.CA)
	if err != nil {
		return err
	}
	return do(ca, account, one)
}

// RevokeCertificate has the CA revoke the certificate that edges serve, and takes it and its key from them.
func (c *Certificates) RevokeCertificate(ctx context.Context, in domain.CertificateStep) (none domain.CertificateRevision, err error) {
	one, err := c.Store.Certificate(ctx, in.CertificateID)
	if err != nil || one.Chain == "" {
		return none, err
	}
	in.AccountID = one.AccountID // another account may not revoke it
	err = c.with(ctx, in, func(ca *acme.Client, _ domain.ACMEAccount, one domain.Certificate) error {
		if err := ca.Revoke(ctx, one.Chain); err != nil {
			return err
		}
		return c.Store.WithdrawCertificate(ctx, one.ID)
	})
	if err != nil {
		return none, err
	}
	return none, c.Changed(ctx, in.SiteID, in.Site)
}

// RegisterAccount makes the account at the CA if it is not there, or not any more: a CA that has it answers with its URL.
func (c *Certificates) RegisterAccount(ctx context.Context, in domain.CertificateStep) (none domain.CertificateRevision, err error) {
	account, err := c.Store.ACMEAccount(ctx, in.AccountID)
	if err != nil {
		return none, err
	}
	known := account.URL
	account.URL = "" // registering is the one request that does not name the account
	ca, err := acme.Dial(ctx, account, c.CA)
	if err != nil {
		return none, err
	}
	url, err := ca.Register(ctx)
	if err != nil || url == known {
		return none, err
	}
	return none, c.Store.ModifyACMEAccount(ctx, account.ID, func(a *domain.ACMEAccount) { a.URL = url })
}

// Order orders the certificate, or goes on with the order that is open.
func (c *Certificates) Order(ctx context.Context, in domain.CertificateStep) (none domain.CertificateRevision, err error) {
	return none, c.with(ctx, in, func(ca *acme.Client, account domain.ACMEAccount, one domain.Certificate) error {
		open, err := c.Store.CertificateOrder(ctx, one.ID)
		switch {
		case err == nil && open.AccountID == account.ID && open.URL != "":
			still, err := ca.Order(ctx, open.URL)
			if err == nil && still.Status != acme.Invalid || err != nil && domain.KindOf(err).Policy().Retryable {
				return err
			}
			fallthrough // the CA has forgotten it, or given it up
		case domain.Is(err, domain.NotFound), err == nil && open.AccountID != account.ID:
			open = domain.CertificateOrder{CertificateID: one.ID, AccountID: account.ID}
			if open.Key, err = acme.NewKey(); err != nil {
				return err
			}
		case err != nil:
			return err
		}
		replaces := ""
		if one.AccountID == account.ID {
			replaces = one.Chain
		}
		placed, err := ca.NewOrder(ctx, one.Names, replaces)
		if err != nil {
			return err
		}
		open.URL = placed.URL
		return c.Store.PutCertificateOrder(ctx, open)
	})
}

// Authorize reads what the CA wants to be shown, and makes edges show it. The revision is that which does; 0 when nothing is wanted.
func (c *Certificates) Authorize(ctx context.Context, in domain.CertificateStep) (out domain.CertificateRevision, err error) {
	err = c.with(ctx, in, func(ca *acme.Client, _ domain.ACMEAccount, one domain.Certificate) error {
		wanted, err := c.pending(ctx, ca, one)
		if err != nil {
			return err
		}
		answers := make([]domain.Challenge, len(wanted))
		for i, w := range wanted {
			answers[i] = domain.Challenge{Token: w.Token, KeyAuthorization: w.KeyAuthorization}
		}
		out.Revision, err = c.Store.PutChallenges(ctx, one, answers)
		if len(wanted) == 0 {
			out.Revision = 0
		}
		return err
	})
	if err != nil || out.Revision == 0 {
		return out, err
	}
	return out, c.Changed(ctx, in.SiteID, in.Site)
}

// wanted is a challenge that the CA waits for.
type wanted struct {
	acme.Challenge
	name, authorization string
}

// pending returns the challenges of an open order that are not met. A name that the CA has given up is an error.
func (c *Certificates) pending(ctx context.Context, ca *acme.Client, one domain.Certificate) ([]wanted, error) {
	order, err := c.open(ctx, ca, one)
	if err != nil || order.Status != acme.Pending {
		return nil, err
	}
	var all []wanted
	for _, url := range order.Authorities {
		a, err := ca.Authorization(ctx, url)
		if err != nil {
			return nil, err
		}
		switch a.Status {
		case acme.Valid:
			continue
		case acme.Pending:
		default:
			return nil, c.explain(ctx, one, a)
		}
		i := slices.IndexFunc(a.Challenges, func(k acme.Challenge) bool { return k.Type == string(one.Challenge) })
		if i < 0 {
			return nil, domain.Errorf(domain.Permanent, "the CA offers no %s challenge for %s", one.Challenge, a.Name)
		}
		all = append(all, wanted{a.Challenges[i], a.Name, url})
	}
	return all, nil
}

// open looks at the open order of a certificate.
func (c *Certificates) open(ctx context.Context, ca *acme.Client, one domain.Certificate) (acme.Order, error) {
	kept, err := c.Store.CertificateOrder(ctx, one.ID)
	if err != nil {
		return acme.Order{}, err
	}
	order, err := ca.Order(ctx, kept.URL)
	if err == nil && order.Status == acme.Invalid {
		err = cmp.Or(order.Problem, error(domain.Errorf(domain.Permanent, "the CA gave the order up")))
		for _, url := range order.Authorities { // they know better why
			if a, looked := ca.Authorization(ctx, url); looked == nil && a.Status == acme.Invalid {
				err = c.explain(ctx, one, a)
			}
		}
	}
	return order, err
}

// explain says why a name could not be validated: what the CA saw, and what Berth sees.
func (c *Certificates) explain(ctx context.Context, one domain.Certificate, a acme.Authorization) error {
	said := "The CA gave up on it, as " + string(a.Status) + "."
	if a.Problem != nil {
		said = a.Problem.Error()
	}
	words := []string{a.Name + " could not be validated. " + domain.Sentence(said)}
	found, err := net.DefaultResolver.LookupHost(ctx, a.Name)
	switch {
	case err != nil:
		words = append(words, "Here DNS has no address for it; make its public A or AAAA record point to the edges of its site.")
	default:
		words = append(words, "Here DNS answers "+strings.Join(found, ", ")+"; port 80 there must lead to the edges of its site.")
	}
	answers, err := c.Store.Challenges(ctx, one.ID)
	if err == nil && one.Challenge == domain.HTTP01 {
		for _, edge := range c.served(ctx, one, answers) {
			words = append(words, edge+".")
		}
	}
	return domain.Errorf(domain.Permanent, "%s", strings.Join(words, " "))
}

// AwaitChallenge waits until every edge of the site that is online answers the CA's questions.
func (c *Certificates) AwaitChallenge(ctx context.Context, in domain.CertificateStep) (struct{}, error) {
	one, err := c.Store.Certificate(ctx, in.CertificateID)
	if err != nil {
		return struct{}{}, err
	}
	answers, err := c.Store.Challenges(ctx, in.CertificateID)
	if err != nil {
		return struct{}{}, err
	}
	var why []string
	err = c.until(ctx, func() (bool, error) {
		live, _, waiting, err := c.Store.RevisionServed(ctx, in.SiteID, in.Revision)
		if err != nil || !live {
			why = []string{"waiting for edges: " + orNone(waiting)}
			return false, err
		}
		why = c.served(ctx, one, answers)
		return len(why) == 0, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return struct{}{}, domain.Errorf(domain.Permanent, "The CA was not asked to look, as it would not see the answer: %s.", strings.Join(why, "; "))
	}
	return struct{}{}, err
}

// served asks the edges of a certificate's site for the answers to its challenges, and says which of them do not give them, in words. An
// edge that cannot be reached from here may well be for the CA, and has told that it serves the revision, so it does not count.
func (c *Certificates) served(ctx context.Context, one domain.Certificate, answers []domain.Challenge) (wrong []string) {
	edges, err := all(func(p store.Page) ([]domain.Edge, string, error) { return c.Store.Edges(ctx, one.SiteID, p) })
	if err != nil {
		return []string{words(err)}
	}
	for _, e := range edges {
		if e.State != domain.EdgeOnline || e.Address == "" {
			continue
		}
		for _, answer := range answers {
			if said, ok := c.fetch(ctx, e, one.Names[0], answer); !ok {
				wrong = append(wrong, fmt.Sprintf("Edge %s answers %s instead of the token", e.Name, said))
			}
		}
	}
	return wrong
}

// largestToken bounds what an edge may answer.
const largestToken = 4 << 10

func (c *Certificates) fetch(ctx context.Context, e domain.Edge, name string, want domain.Challenge) (said string, ok bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.Address+"/.well-known/acme-challenge/"+want.Token, nil)
	if err != nil {
		return err.Error(), false
	}
	request.Host = name
	answer, err := c.Edges.Do(request)
	if err != nil {
		c.Logger.InfoContext(ctx, "edge not reached for a challenge", "edge", e.Name, "error", err)
		return "", true
	}
	defer func() { _ = answer.Body.Close() }()
	body := make([]byte, largestToken)
	n := 0
	for n < len(body) {
		k, err := answer.Body.Read(body[n:])
		n += k
		if err != nil {
			break
		}
	}
	return "status " + answer.Status, answer.StatusCode == http.StatusOK && string(body[:n]) == want.KeyAuthorization
}

// Answer tells the CA to look, and waits until it has seen what it wanted for every name.
func (c *Certificates) Answer(ctx context.Context, in domain.CertificateStep) (none domain.CertificateRevision, err error) {
	return none, c.with(ctx, in, func(ca *acme.Client, _ domain.ACMEAccount, one domain.Certificate) error {
		waiting, err := c.pending(ctx, ca, one)
		if err != nil {
			return err
		}
		for _, w := range waiting {
			if w.Status != acme.Pending {
				continue // it looks already
			}
			if err := ca.Answer(ctx, w.URL); err != nil {
				return err
			}
		}
		return c.until(ctx, func() (bool, error) {
			order, err := c.open(ctx, ca, one)
			return err == nil && order.Status != acme.Pending, err
		})
	})
}

// Finalize sends the signing request and waits until the CA has signed.
func (c *Certificates) Finalize(ctx context.Context, in domain.CertificateStep) (none domain.CertificateRevision, err error) {
	return none, c.with(ctx, in, func(ca *acme.Client, _ domain.ACMEAccount, one domain.Certificate) error {
		return c.until(ctx, func() (bool, error) {
			order, err := c.open(ctx, ca, one)
			if err != nil || order.Status != acme.Ready {
				return order.Status == acme.Valid, err
			}
			kept, err := c.Store.CertificateOrder(ctx, one.ID)
			if err != nil {
				return false, err
			}
			csr, err := acme.CSR(kept.Key, one.Names)
			if err != nil {
				return false, err
			}
			order, err = ca.Finalize(ctx, order, csr)
			return order.Status == acme.Valid, err
		})
	})
}

// Install fetches the certificate, and gives it with its key to the edges that may have it. The revision is that which has it.
func (c *Certificates) Install(ctx context.Context, in domain.CertificateStep) (out domain.CertificateRevision, err error) {
	err = c.with(ctx, in, func(ca *acme.Client, account domain.ACMEAccount, one domain.Certificate) error {
		kept, err := c.Store.CertificateOrder(ctx, one.ID)
		if domain.Is(err, domain.NotFound) && one.State == domain.CertificateIssued { // a former try got here
			site, err := c.Store.Site(ctx, one.SiteID)
			out.Revision = site.Desired
			return err
		}
		if err != nil {
			return err
		}
		order, err := ca.Order(ctx, kept.URL)
		if err != nil {
			return err
		}
		chain, err := ca.Certificate(ctx, order)
		if err != nil {
			return err
		}
		issued, err := domain.ParseCertificate(chain, kept.Key)
		if err != nil {
			return domain.Errorf(domain.Permanent, "what the CA issued cannot be used: %w", err)
		}
		for _, name := range one.Names {
			if !slices.Contains(issued.Names, name) {
				return domain.Errorf(domain.Permanent, "what the CA issued is not valid for %s", name)
			}
		}
		issued.AccountID = account.ID
		from, until, _ := ca.Renewal(ctx, chain)
		issued.RenewAt = issued.Renewal(from, until, rand.Float64()) //nolint:gosec // spreads load, guards nothing
		out.Revision, err = c.Store.InstallCertificate(ctx, one.ID, issued)
		return err
	})
	if err != nil {
		return out, err
	}
	return out, c.changedAll(ctx)
}

// changedAll tells every site's Network workflow.
func (c *Certificates) changedAll(ctx context.Context) error {
	sites, err := all(func(p store.Page) ([]domain.Site, string, error) { return c.Store.Sites(ctx, p) })
	for _, site := range sites {
		err = errors.Join(err, c.Changed(ctx, site.ID, site.Name))
	}
	return err
}

// AwaitInstalled waits until the edges of the site serve a new certificate. Edges that are away get it when they are back.
func (c *Certificates) AwaitInstalled(ctx context.Context, in domain.CertificateStep) (struct{}, error) {
	err := c.until(ctx, func() (bool, error) {
		live, _, _, err := c.Store.RevisionServed(ctx, in.SiteID, in.Revision)
		return live, err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return struct{}{}, err
}

// FailOrder writes down why a certificate was not issued, and when it is tried again. A CA that said that a limit is reached is left alone
// for as long as it asked, by the whole installation. An order that only met a CA that was away stays open.
func (c *Certificates) FailOrder(ctx context.Context, in domain.CertificateFailed) (struct{}, error) {
	kind, _ := domain.KindNamed(in.Kind)
	return struct{}{}, c.Store.Transact(ctx, func(tx *store.Store) error {
		at := c.Now().Add(in.RetryAfter)
		if kind == domain.Limited {
			err := tx.ModifyACMEAccount(ctx, in.AccountID, func(a *domain.ACMEAccount) { a.Blocked, a.BlockedReason = at, in.Message })
			if err != nil && !domain.Is(err, domain.NotFound) {
				return err
			}
		}
		if !kind.Policy().Retryable {
			if err := tx.DropCertificateOrder(ctx, in.CertificateID); err != nil {
				return err
			}
		}
		err := tx.ModifyCertificate(ctx, in.CertificateID, func(k *domain.Certificate) {
			k.Failures++
			k.State, k.Message = domain.CertificateFailing, in.Message
			if k.RetryAt = c.Now().Add(domain.PauseAfter(k.Failures)); kind == domain.Limited {
				k.RetryAt = at
			}
		})
		if domain.Is(err, domain.NotFound) {
			return nil // deleted meanwhile
		}
		return err
	})
}

// TidyOrder takes the answers to challenges from the edges.
func (c *Certificates) TidyOrder(ctx context.Context, in domain.CertificateStep) (struct{}, error) {
	revision, err := c.Store.PutChallenges(ctx, domain.Certificate{ID: in.CertificateID, SiteID: in.SiteID}, nil)
	if err == nil && revision != 0 {
		if told := c.Changed(ctx, in.SiteID, in.Site); told != nil { // the reconciler publishes it
			c.Logger.WarnContext(ctx, "challenges are served a little longer", "certificate", in.CertificateID, "error", told)
		}
	}
	return struct{}{}, err
}

// AwaitIssued waits until certificates that an operation asked for are issued, or have failed, or time is up: none of it is a reason to
// undo anything. The revision is one that has those which are issued.
func (c *Certificates) AwaitIssued(ctx context.Context, in domain.AwaitIssuedInput) (out domain.CertificateOutcome, err error) {
	note := journal{c.Store, c.Logger}
	said := map[string]bool{}
	err = c.until(ctx, func() (bool, error) {
		waiting := false
		for _, id := range in.Certificates {
			one, err := c.Store.Certificate(ctx, id)
			switch {
			case said[id] || domain.Is(err, domain.NotFound):
			case err != nil:
				return false, err
			case one.State == domain.CertificateFailing:
				said[id] = true
				out.Failed = append(out.Failed, one.Message)
				note.add(ctx, in.OperationInput, "certificate", warning, fmt.Sprintf("There is no certificate for %s yet, so edges serve a self-signed one. %s Tried again at %s.",
					strings.Join(one.Names, ", "), domain.Sentence(one.Message), one.RetryAt.UTC().Format(time.RFC3339)))
			case one.State == domain.CertificateIssued:
				said[id] = true
				note.add(ctx, in.OperationInput, "certificate", info, fmt.Sprintf("%s has a certificate of %s, valid until %s.",
					strings.Join(one.Names, ", "), one.Issuer, one.NotAfter.UTC().Format(time.RFC3339)))
			default:
				waiting = true
			}
		}
		return !waiting, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		ctx, err = context.WithoutCancel(ctx), nil
		note.add(ctx, in.OperationInput, "certificate", warning, "The certificate takes longer; edges serve a self-signed one until it is there. See `berth certificate list`.")
	}
	if err != nil {
		return out, err
	}
	site, err := c.Store.Site(ctx, in.SiteID)
	out.Revision = site.Desired
	return out, err
}

// until asks again and again until something is done.
func (c *Certificates) until(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(c.Poll)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		activity.RecordHeartbeat(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
