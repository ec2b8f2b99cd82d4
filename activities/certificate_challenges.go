package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"berth/acme"
	"berth/domain"
	"berth/store"
)

// Authorize reads what the CA wants to be shown, and makes edges or public DNS show it. The revision is that which does; 0 when nothing is
// wanted of edges.
func (c *Certificates) Authorize(ctx context.Context, in domain.CertificateStep) (out domain.CertificateRevision, err error) {
	err = c.with(ctx, in, func(ca *acme.Client, _ domain.ACMEAccount, one domain.Certificate) error {
		wanted, err := c.pending(ctx, ca, one)
		if err != nil {
			return err
		}
		answers := make([]domain.Challenge, len(wanted))
		for i, w := range wanted {
			answers[i] = domain.Challenge{Token: w.Token, KeyAuthorization: w.KeyAuthorization}
			if one.Challenge == domain.DNS01 {
				answers[i].Record = "_acme-challenge." + w.name
			}
		}
		if one.Challenge == domain.DNS01 {
			out.Records = len(answers) > 0
			return c.showRecords(ctx, one, answers)
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
	name string
}

// pending returns the challenges of an open order that are not met. A name that the CA has given up is an error.
func (c *Certificates) pending(ctx context.Context, ca *acme.Client, one domain.Certificate) ([]wanted, error) {
	order, err := c.open(ctx, ca, one)
	if err != nil || order.Status != acme.Pending {
		return nil, err
	}
	var all []wanted
	for _, url := range order.Authorizations {
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
		all = append(all, wanted{a.Challenges[i], a.Name})
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
		for _, url := range order.Authorizations { // they know better why
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
	if one.Challenge == domain.DNS01 {
		return domain.Errorf(domain.Permanent, "%s", words[0]+" "+c.explainRecords(ctx, one))
	}
	found, err := net.DefaultResolver.LookupHost(ctx, a.Name)
	switch {
	case err != nil:
		words = append(words, "Here DNS has no address for it; make its public A or AAAA record point to the edges of its site.")
	default:
		words = append(words, "Here DNS answers "+strings.Join(found, ", ")+"; port 80 there must lead to the edges of its site.")
	}
	answers, err := c.Store.Challenges(ctx, one.ID)
	if err == nil {
		for _, edge := range c.served(ctx, one, answers) {
			words = append(words, edge+".")
		}
	}
	return domain.Errorf(domain.Permanent, "%s", strings.Join(words, " "))
}

// AwaitChallenge waits until every edge of the site that is online answers the CA's questions, or every name server of the zone does.
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
	err = until(ctx, c.Poll, func() (bool, []string, error) {
		if one.Challenge == domain.DNS01 {
			why, err = c.lacking(ctx, one, answers)
			return err == nil && len(why) == 0, why, err
		}
		live, _, waiting, err := c.Store.RevisionServed(ctx, in.SiteID, in.Revision)
		if err != nil || !live {
			why = []string{"waiting for edges: " + orNone(waiting)}
			return false, why, err
		}
		why = c.served(ctx, one, answers)
		return len(why) == 0, why, nil
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
	body, err := io.ReadAll(io.LimitReader(answer.Body, largestToken))
	return "status " + answer.Status, err == nil && answer.StatusCode == http.StatusOK && string(body) == want.KeyAuthorization
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
		return until(ctx, c.Poll, func() (bool, []string, error) {
			order, err := c.open(ctx, ca, one)
			return err == nil && order.Status != acme.Pending, nil, err
		})
	})
}
