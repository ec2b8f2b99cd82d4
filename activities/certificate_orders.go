package activities

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"

	"berth/acme"
	"berth/domain"
	"berth/store"
)

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
	ca, err := acme.Dial(account, c.CA)
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
	ca, err := acme.Dial(account, c.CA)
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

// Finalize sends the signing request and waits until the CA has signed.
func (c *Certificates) Finalize(ctx context.Context, in domain.CertificateStep) (none domain.CertificateRevision, err error) {
	return none, c.with(ctx, in, func(ca *acme.Client, _ domain.ACMEAccount, one domain.Certificate) error {
		return until(ctx, c.Poll, func() (bool, []string, error) {
			order, err := c.open(ctx, ca, one)
			if err != nil || order.Status != acme.Ready {
				return order.Status == acme.Valid, nil, err
			}
			kept, err := c.Store.CertificateOrder(ctx, one.ID)
			if err != nil {
				return false, nil, err
			}
			csr, err := acme.CSR(kept.Key, one.Names)
			if err != nil {
				return false, nil, err
			}
			order, err = ca.Finalize(ctx, order, csr)
			return order.Status == acme.Valid, nil, err
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
	err := until(ctx, c.Poll, func() (bool, []string, error) {
		live, _, waiting, err := c.Store.RevisionServed(ctx, in.SiteID, in.Revision)
		return live, waiting, err
	})
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return struct{}{}, err
}
