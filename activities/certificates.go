package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

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
	// Zones are those that challenges of type dns-01 are answered in.
	Zones Zones
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
	err = until(ctx, c.Poll, func() (bool, []string, error) {
		var waiting []string
		for _, id := range in.Certificates {
			one, err := c.Store.Certificate(ctx, id)
			switch {
			case said[id] || domain.Is(err, domain.NotFound):
			case err != nil:
				return false, nil, err
			case one.State == domain.CertificateFailing:
				said[id] = true
				out.Failed = append(out.Failed, one.Message)
				note.add(ctx, in.OperationInput, "certificate", warning, without(one))
			case one.State == domain.CertificateIssued:
				said[id] = true
				note.add(ctx, in.OperationInput, "certificate", info, fmt.Sprintf("%s has a certificate of %s, valid until %s.",
					strings.Join(one.Names, ", "), one.Issuer, one.NotAfter.UTC().Format(time.RFC3339)))
			default:
				waiting = append(waiting, one.Names[0])
			}
		}
		return len(waiting) == 0, waiting, nil
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

// without says why there is no certificate yet, and what that means.
func without(c domain.Certificate) string {
	return fmt.Sprintf("There is no certificate for %s yet, so edges serve a self-signed one. %s Tried again at %s.",
		strings.Join(c.Names, ", "), domain.Sentence(c.Message), c.RetryAt.UTC().Format(time.RFC3339))
}
