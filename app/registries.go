package app

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"berth/domain"
	"berth/store"
)

// Registries are the use cases on the logins that Berth has for image registries. They are for administrators: whoever may
// create containers uses what they keep here without knowing it.
type Registries struct{ *core }

// RegistryInput is the login for a registry.
type RegistryInput struct {
	Host     string // host or host:port
	Username string
	Password domain.Secret
}

// RegistryPatch changes a login; nil leaves a value as it is. The host stays: a password is given for one host, and must not
// be sent to another.
type RegistryPatch struct {
	Username *string
	Password *domain.Secret
}

// The lengths that a login may have, in characters.
const (
	longestUsername = 255
	longestPassword = 4096
)

// validRegistry writes the host in one way, and returns every field that breaks a rule.
func validRegistry(r *domain.Registry) error {
	var f fields
	host, err := domain.RegistryHost(r.Host)
	if err != nil {
		f.fail("host", "%s", err)
	}
	r.Host = host
	// HTTP's Basic authentication ends the name at the first colon (RFC 7617, 2).
	bad := func(c rune) bool { return c == ':' || unicode.IsControl(c) }
	if n := utf8.RuneCountInString(r.Username); n == 0 || n > longestUsername || strings.ContainsFunc(r.Username, bad) {
		f.fail("username", "must be 1 to %d characters without colons and control characters", longestUsername)
	}
	password := r.Password.Reveal()
	if n := utf8.RuneCountInString(password); n == 0 || n > longestPassword || strings.ContainsFunc(password, unicode.IsControl) {
		f.fail("password", "must be 1 to %d characters without control characters", longestPassword)
	}
	return f.err("the registry")
}

// Create gives Berth a login for a registry. From then on nodes do not pull its images: Berth uploads them.
func (s *Registries) Create(ctx context.Context, actor domain.Actor, in RegistryInput) (made domain.Registry, err error) {
	at := attempt{action: "registry.create", resource: "registry", name: in.Host}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		r := domain.Registry{Host: in.Host, Username: in.Username, Password: in.Password}
		if err := validRegistry(&r); err != nil {
			return err
		}
		at.name = r.Host
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			made = r
			if err := tx.CreateRegistry(ctx, &made); err != nil {
				return err
			}
			at.resourceID = made.ID
			return s.did(ctx, tx, actor, *at, "user "+made.Username)
		})
	})
	if err != nil {
		return domain.Registry{}, err
	}
	return withoutPassword(made), nil
}

// Get returns a registry by host or ID, without its password.
func (s *Registries) Get(ctx context.Context, actor domain.Actor, ref string) (domain.Registry, error) {
	if err := s.read(ctx, actor, attempt{action: "registry.get", resource: "registry", name: ref}, toAdminister); err != nil {
		return domain.Registry{}, err
	}
	r, err := registry(ctx, s.Store, ref)
	return withoutPassword(r), err
}

// List returns the registries, without their passwords.
func (s *Registries) List(ctx context.Context, actor domain.Actor, page Page) (List[domain.Registry], error) {
	if err := s.read(ctx, actor, attempt{action: "registry.list", resource: "registry"}, toAdminister); err != nil {
		return List[domain.Registry]{}, err
	}
	all, next, err := s.Store.Registries(ctx, page.stored())
	for i, r := range all {
		all[i] = withoutPassword(r)
	}
	return listOf(all, next, err)
}

// Update changes the login for a registry.
func (s *Registries) Update(
	ctx context.Context, actor domain.Actor, ref string, patch RegistryPatch, ifMatch int64,
) (changed domain.Registry, err error) {
	at := attempt{action: "registry.update", resource: "registry", name: ref}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			r, err := registry(ctx, tx, ref)
			if err != nil {
				return err
			}
			at.resourceID, at.name = r.ID, r.Host
			if err := matches("registry "+r.Host, r.Version, ifMatch); err != nil {
				return err
			}
			put(&r.Username, patch.Username)
			put(&r.Password, patch.Password)
			if err := validRegistry(&r); err != nil {
				return err
			}
			if err := tx.UpdateRegistry(ctx, &r); err != nil {
				return err
			}
			changed = r
			return s.did(ctx, tx, actor, *at, "user "+r.Username)
		})
	})
	if err != nil {
		return domain.Registry{}, err
	}
	return withoutPassword(changed), nil
}

// Delete forgets the login for a registry. Its images are read without one from then on, and nodes pull them.
func (s *Registries) Delete(ctx context.Context, actor domain.Actor, ref string, ifMatch int64) error {
	at := attempt{action: "registry.delete", resource: "registry", name: ref}
	return s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			r, err := registry(ctx, tx, ref)
			if err != nil {
				return err
			}
			at.resourceID, at.name = r.ID, r.Host
			if err := matches("registry "+r.Host, r.Version, ifMatch); err != nil {
				return err
			}
			if err := tx.DeleteRegistry(ctx, r.ID); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
}

func withoutPassword(r domain.Registry) domain.Registry {
	r.Password = ""
	return r
}
