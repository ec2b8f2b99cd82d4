package app

import (
	"context"
	"regexp"

	"berth/domain"
	"berth/store"
)

// Users are the use cases on people. Everybody may see themselves, administrators all.
type Users struct{ *core }

// UserInput is what makes a user.
type UserInput struct {
	Name  string
	Admin bool
}

// userName is what POSIX and Debian's adduser take.
var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// List returns all users. It is for administrators.
func (s *Users) List(ctx context.Context, actor domain.Actor, page Page) (List[domain.User], error) {
	if err := s.read(ctx, actor, attempt{action: "user.list", resource: "user"}, toAdminister); err != nil {
		return List[domain.User]{}, err
	}
	return listOf(s.Store.Users(ctx, page.stored()))
}

// Get returns a user by name.
func (s *Users) Get(ctx context.Context, actor domain.Actor, name string) (domain.User, error) {
	if err := s.read(ctx, actor, attempt{action: "user.get", resource: "user", name: name}, toRead); err != nil {
		return domain.User{}, err
	}
	if !actor.Admin && name != actor.User {
		return domain.User{}, missing("user", name)
	}
	return s.Store.User(ctx, name)
}

// Create makes a user. It is for administrators.
func (s *Users) Create(ctx context.Context, actor domain.Actor, in UserInput) (made domain.User, err error) {
	at := attempt{action: "user.create", resource: "user", name: in.Name}
	err = s.change(ctx, actor, at, toAdminister, func(at *attempt) error {
		var f fields
		if !userName.MatchString(in.Name) {
			f.fail("name", "must be 1 to 32 of a-z, 0-9, _ and -, and start with a letter or _")
		}
		if err := f.err("the user"); err != nil {
			return err
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			_, err := tx.User(ctx, in.Name)
			if err == nil {
				return domain.Errorf(domain.Conflict, "there is a user of that name already")
			}
			if !domain.Is(err, domain.NotFound) {
				return err
			}
			if made, err = tx.EnsureUser(ctx, in.Name); err != nil {
				return err
			}
			if in.Admin {
				made.Admin = true
				if err := tx.UpdateUser(ctx, &made); err != nil {
					return err
				}
			}
			at.resourceID = made.ID
			detail := ""
			if in.Admin {
				detail = "administrator"
			}
			return s.did(ctx, tx, actor, *at, detail)
		})
	})
	if err != nil {
		return domain.User{}, err
	}
	return made, nil
}

// ownerFor returns who is to own something: the actor, or whom an administrator names.
func (k *core) ownerFor(ctx context.Context, actor domain.Actor, wanted string) (string, error) {
	if wanted == "" || wanted == actor.User {
		return actor.User, nil
	}
	if !actor.Admin {
		return "", domain.Errorf(domain.Forbidden, "only administrators act for others")
	}
	if _, err := k.Store.User(ctx, wanted); err != nil {
		var f fields
		if err := f.name("owner", err); err != nil {
			return "", err
		}
		return "", f.err("the request")
	}
	return wanted, nil
}
