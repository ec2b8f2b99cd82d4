package app

import (
	"context"
	"crypto/x509"
	"net/mail"
	"net/url"
	"slices"

	"berth/acme"
	"berth/domain"
	"berth/store"
)

// ACMEAccounts are the use cases on accounts at certificate authorities (CAs) that speak ACME. They are for administrators; no answer
// has a key.
type ACMEAccounts struct{ *core }

// ACMEAccountInput is what makes an account.
type ACMEAccountInput struct {
	Name        string
	Directory   string // URL of the CA's directory
	Email       string
	Profile     string
	Roots       string // PEM
	EABKid      string
	EABKey      domain.Secret
	TermsAgreed bool // the administrator has read the CA's terms of service and agrees
}

// The lengths that an account's texts may have.
const (
	longestRoots   = 64 << 10
	longestProfile = 64
)

func (in ACMEAccountInput) valid() error {
	var f fields
	if !domain.ValidHostname(in.Name) {
		f.fail("name", "must be 1 to 63 lower-case letters, digits and hyphens, such as letsencrypt")
	}
	u, err := url.Parse(in.Directory)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		f.fail("directory", "must be the https URL of the CA's directory, such as https://acme-v02.api.letsencrypt.org/directory")
	}
	if at, err := mail.ParseAddress(in.Email); in.Email != "" && (err != nil || at.Address != in.Email) {
		f.fail("email", "must be a mail address alone, such as admin@example.com")
	}
	if len(in.Profile) > longestProfile {
		f.fail("profile", "must have %d characters at most", longestProfile)
	}
	if in.Roots != "" && (len(in.Roots) > longestRoots || !x509.NewCertPool().AppendCertsFromPEM([]byte(in.Roots))) {
		f.fail("roots", "must be PEM certificates, %d KiB at most", longestRoots>>10)
	}
	switch {
	case (in.EABKid == "") != (in.EABKey == ""):
		f.fail("eabKid", "goes with eabKey: give both, or none")
	case in.EABKey != "" && !acme.ValidEABKey(in.EABKey.Reveal()):
		f.fail("eabKey", "must be base64url of 32 bytes or more, as the CA issued it")
	}
	if !in.TermsAgreed {
		f.fail("termsAgreed", "must be true: the CA wants its terms of service agreed to; its directory links to them")
	}
	return f.err("the ACME account")
}

// Create registers an account at its CA, under a new key, and keeps it.
func (s *ACMEAccounts) Create(ctx context.Context, actor domain.Actor, in ACMEAccountInput) (made domain.ACMEAccount, err error) {
	at := attempt{action: "acme-account.create", resource: "acme-account", name: in.Name}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		if err := in.valid(); err != nil {
			return err
		}
		if _, err := s.Store.ACMEAccountByName(ctx, in.Name); err == nil { // before the CA is troubled
			return domain.Errorf(domain.Conflict, "ACME account %s exists already", in.Name)
		}
		a := domain.ACMEAccount{
			Name: in.Name, Directory: in.Directory, Email: in.Email, Profile: in.Profile, Roots: in.Roots, EABKid: in.EABKid, EABKey: in.EABKey,
		}
		if a.Key, err = acme.NewKey(); err != nil {
			return err
		}
		ca, err := acme.Dial(a, s.CA)
		if err != nil {
			return err
		}
		if a.URL, err = ca.Register(ctx); err != nil {
			return err
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			made = a
			if err := tx.CreateACMEAccount(ctx, &made); err != nil {
				return err
			}
			at.resourceID = made.ID
			return s.did(ctx, tx, actor, *at, "at "+made.Directory)
		})
	})
	if err != nil {
		return domain.ACMEAccount{}, err
	}
	return withoutKeys(made), nil
}

// Get returns an account by name or ID, without its keys.
func (s *ACMEAccounts) Get(ctx context.Context, actor domain.Actor, ref string) (domain.ACMEAccount, error) {
	if err := s.read(ctx, actor, attempt{action: "acme-account.get", resource: "acme-account", name: ref}, toAdminister); err != nil {
		return domain.ACMEAccount{}, err
	}
	a, err := acmeAccount(ctx, s.Store, ref)
	return withoutKeys(a), err
}

// List returns the accounts, without their keys.
func (s *ACMEAccounts) List(ctx context.Context, actor domain.Actor, page Page) (List[domain.ACMEAccount], error) {
	if err := s.read(ctx, actor, attempt{action: "acme-account.list", resource: "acme-account"}, toAdminister); err != nil {
		return List[domain.ACMEAccount]{}, err
	}
	all, next, err := s.Store.ACMEAccounts(ctx, page.stored())
	for i, a := range all {
		all[i] = withoutKeys(a)
	}
	return listOf(all, next, err)
}

// Delete forgets an account that no external domain orders from, and its key. At the CA it stays, of no use to anybody.
func (s *ACMEAccounts) Delete(ctx context.Context, actor domain.Actor, ref string) error {
	at := attempt{action: "acme-account.delete", resource: "acme-account", name: ref}
	return s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			a, err := acmeAccount(ctx, tx, ref)
			if err != nil {
				return err
			}
			at.resourceID, at.name = a.ID, a.Name
			if err := tx.DeleteACMEAccount(ctx, a.ID); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
}

func withoutKeys(a domain.ACMEAccount) domain.ACMEAccount {
	a.Key, a.EABKey = "", ""
	return a
}

func acmeAccount(ctx context.Context, db *store.Store, ref string) (domain.ACMEAccount, error) {
	return lookup(ref,
		func(id string) (domain.ACMEAccount, error) { return db.ACMEAccount(ctx, id) },
		func(name string) (domain.ACMEAccount, error) { return db.ACMEAccountByName(ctx, name) })
}

// acmeAccounts finds the accounts that a domain is to order from, in the order given.
func acmeAccounts(ctx context.Context, db *store.Store, f *fields, refs []string) ([]string, error) {
	var ids []string
	for _, ref := range refs {
		a, err := acmeAccount(ctx, db, ref)
		if err != nil {
			if err := f.name("acmeAccounts", err); err != nil {
				return nil, err
			}
			continue
		}
		if slices.Contains(ids, a.ID) {
			f.fail("acmeAccounts", "must name each account once: %s is there twice", a.Name)
		}
		ids = append(ids, a.ID)
	}
	return ids, nil
}
