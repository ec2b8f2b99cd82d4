package app

import (
	"context"
	"strings"

	"berth/domain"
	"berth/store"
)

// Certificates are the use cases on certificates for public names. Everybody may look at them, administrators change them. No answer has
// a key.
type Certificates struct{ *core }

// Upload keeps a certificate that an administrator brings, both PEM and the chain leaf first. All its names must lie under external
// domains. From then on edges serve names that it is the best for with it.
func (s *Certificates) Upload(
	ctx context.Context, actor domain.Actor, chain string, key domain.Secret,
) (made domain.Certificate, err error) {
	at := attempt{action: "certificate.upload", resource: "certificate"}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		c, err := domain.ParseCertificate(chain, key)
		if err != nil {
			return domain.InvalidFields("the certificate", []domain.FieldError{{Field: "chain", Rule: "must be PEM, leaf first, and fit the key: " + err.Error()}})
		}
		c.Source = domain.CertificateUploaded
		at.name = strings.Join(c.Names, ", ")
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			if err := s.usable(ctx, tx, c); err != nil {
				return err
			}
			made = c
			if err := tx.CreateCertificate(ctx, &made); err != nil {
				return err
			}
			at.resourceID = made.ID
			return s.did(ctx, tx, actor, *at, "of "+made.Issuer+", valid until "+made.NotAfter.Format("2006-01-02"))
		})
	})
	if err != nil {
		return domain.Certificate{}, err
	}
	s.publishAll(ctx)
	return withoutKey(made), nil
}

func (s *Certificates) usable(ctx context.Context, tx *store.Store, c domain.Certificate) error {
	var f fields
	if s.Now().After(c.NotAfter) {
		f.fail("chain", "must not have expired: it did on %s", c.NotAfter.Format("2006-01-02"))
	}
	if len(c.Names) == 0 {
		f.fail("chain", "must name DNS names (subjectAltName)")
	}
	domains, err := store.All(func(p store.Page) ([]domain.ExternalDomain, string, error) { return tx.ExternalDomains(ctx, p) })
	if err != nil {
		return err
	}
	for _, name := range c.Names {
		if domain.DomainOf(domains, strings.TrimPrefix(name, "*.")).ID == "" {
			f.fail("chain", "must have names under external domains only: %s is not", name)
		}
	}
	return f.err("the certificate")
}

// Get returns a certificate by ID.
func (s *Certificates) Get(ctx context.Context, actor domain.Actor, id string) (domain.Certificate, error) {
	if err := s.read(ctx, actor, attempt{action: "certificate.get", resource: "certificate", name: id}, toRead); err != nil {
		return domain.Certificate{}, err
	}
	return s.Store.Certificate(ctx, id)
}

// List returns the certificates.
func (s *Certificates) List(ctx context.Context, actor domain.Actor, page Page) (List[domain.Certificate], error) {
	if err := s.read(ctx, actor, attempt{action: "certificate.list", resource: "certificate"}, toRead); err != nil {
		return List[domain.Certificate]{}, err
	}
	return listOf(s.Store.Certificates(ctx, page.stored()))
}

// Delete forgets a certificate and its key. Names that no other is good for are served under the edges' self-signed ones again.
func (s *Certificates) Delete(ctx context.Context, actor domain.Actor, id string) error {
	at := attempt{action: "certificate.delete", resource: "certificate", name: id, resourceID: id}
	err := s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			c, err := tx.Certificate(ctx, id)
			if err != nil {
				return err
			}
			at.name = strings.Join(c.Names, ", ")
			if err := tx.DeleteCertificate(ctx, id); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
	if err == nil {
		s.publishAll(ctx)
	}
	return err
}

// Renew has a certificate ordered anew at once, be it due or not.
func (s *Certificates) Renew(ctx context.Context, actor domain.Actor, id string) (domain.Certificate, error) {
	return s.certify(ctx, actor, "certificate.renew", id, domain.CertificateInput{Renew: true})
}

// Revoke has the CA revoke a certificate, takes it and its key from the edges, and has it ordered anew under another key.
func (s *Certificates) Revoke(ctx context.Context, actor domain.Actor, id string) (domain.Certificate, error) {
	return s.certify(ctx, actor, "certificate.revoke", id, domain.CertificateInput{Revoke: true})
}

func (s *Certificates) certify(
	ctx context.Context, actor domain.Actor, action, id string, in domain.CertificateInput,
) (c domain.Certificate, err error) {
	at := attempt{action: action, resource: "certificate", name: id, resourceID: id}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		if c, err = s.Store.Certificate(ctx, id); err != nil {
			return err
		}
		at.name = strings.Join(c.Names, ", ")
		if c.Source != domain.CertificateACME {
			return domain.Errorf(domain.Conflict, "the certificate for %s was uploaded: only who issued it can do that", at.name)
		}
		in.CertificateID, in.Name = c.ID, c.Names[0]
		if err := whenClosed(ctx, s.Patience, func() error { return s.Workflows.Certify(ctx, in) }); err != nil {
			return err
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error { return s.did(ctx, tx, actor, *at, "") })
	})
	if err != nil {
		return domain.Certificate{}, err
	}
	return c, nil
}

func withoutKey(c domain.Certificate) domain.Certificate {
	c.Key = ""
	return c
}

// publishAll tells the network of every site that its revision rose. Where that fails the reconciler does it.
func (k *core) publishAll(ctx context.Context) {
	sites, err := store.All(func(p store.Page) ([]domain.Site, string, error) { return k.Store.Sites(ctx, p) })
	if err != nil {
		k.Logger.WarnContext(ctx, "sites not published yet, the reconciler will", "error", err)
	}
	for _, home := range sites {
		k.publish(ctx, home.ID, home.Name)
	}
}
