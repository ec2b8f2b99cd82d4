package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"
	"unicode"

	"berth/domain"
	"berth/store"
)

// Tokens are the use cases on bearer tokens. People manage their own, administrators everybody's.
type Tokens struct{ *core }

// TokenInput is what makes a token.
type TokenInput struct {
	Name      string
	Owner     string // user name; others' for administrators alone; empty = the actor's
	Scopes    []domain.Scope
	ExpiresAt time.Time // zero = never
}

// Create makes a token and its secret, which is shown this once. Nobody hands on more than the own token carries.
func (s *Tokens) Create(
	ctx context.Context, actor domain.Actor, in TokenInput,
) (made domain.Token, token domain.Secret, err error) {
	at := attempt{action: "token.create", resource: "token", name: in.Name}
	err = s.change(ctx, actor, at, toChange, func(at *attempt) error {
		owner, err := s.ownerFor(ctx, actor, in.Owner)
		if err != nil {
			return err
		}
		scopes := slices.Compact(slices.Sorted(slices.Values(in.Scopes)))
		if err := s.validToken(ctx, actor, in, owner, scopes); err != nil {
			return err
		}
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			made = domain.Token{Name: in.Name, Owner: owner, Scopes: scopes, ExpiresAt: in.ExpiresAt}
			if token, err = mint(ctx, tx, &made); err != nil {
				return err
			}
			at.resourceID = made.ID
			return s.did(ctx, tx, actor, *at, "for "+owner+", scopes "+joined(scopes))
		})
	})
	if err != nil {
		return domain.Token{}, "", err
	}
	return made, token, nil
}

func joined(scopes []domain.Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}

const longestTokenName = 63

func (s *Tokens) validToken(
	ctx context.Context, actor domain.Actor, in TokenInput, owner string, scopes []domain.Scope,
) error {
	var f fields
	if in.Name == "" || len(in.Name) > longestTokenName || strings.ContainsFunc(in.Name, unicode.IsControl) {
		f.fail("name", "must be 1 to %d characters without control characters", longestTokenName)
	}
	if len(scopes) == 0 {
		f.fail("scopes", "must name at least one of read, containers and admin")
	}
	if !in.ExpiresAt.IsZero() && !in.ExpiresAt.After(s.Now()) {
		f.fail("expiresAt", "must lie ahead")
	}
	for _, scope := range scopes {
		switch {
		case !scope.Valid():
			f.fail("scopes", "must be read, containers or admin, not %q", shortened(string(scope)))
		case scope == domain.ScopeEdge:
			f.fail("scopes", "must not hold edge: enrol an edge to get its token")
		case !actor.Has(scope):
			return domain.Errorf(domain.Forbidden, "your own token lacks the scope %s, so it cannot hand it on", scope)
		}
	}
	if slices.Contains(scopes, domain.ScopeAdmin) {
		u, err := s.Store.User(ctx, owner)
		if err != nil && !domain.Is(err, domain.NotFound) {
			return err
		}
		if !u.Admin {
			f.fail("scopes", "must not hold admin: %s is no administrator", owner)
		}
	}
	return f.err("the token")
}

// List returns the tokens of a user; with an empty owner the actor's, or all for administrators.
func (s *Tokens) List(ctx context.Context, actor domain.Actor, owner string, page Page) (List[domain.Token], error) {
	at := attempt{action: "token.list", resource: "token", name: owner}
	need := toRead
	if owner != "" && owner != actor.User {
		need = toAdminister
	}
	if err := s.read(ctx, actor, at, need); err != nil {
		return List[domain.Token]{}, err
	}
	if owner == "" && !actor.Admin {
		owner = actor.User
	}
	return listOf(s.Store.Tokens(ctx, owner, page.stored()))
}

// Delete voids a token at once. Every token may void itself.
func (s *Tokens) Delete(ctx context.Context, actor domain.Actor, id string) error {
	need := toChange
	if id == actor.TokenID && actor.EdgeID == "" {
		need = right{scope: firstScope(actor)}
	}
	return s.change(ctx, actor, attempt{action: "token.delete", resource: "token", resourceID: id}, need, func(at *attempt) error {
		return s.Store.Transact(ctx, func(tx *store.Store) error {
			t, err := tx.Token(ctx, id)
			if err != nil || !actor.Admin && t.Owner != actor.User {
				if err == nil || domain.Is(err, domain.NotFound) {
					return missing("token", shortened(id))
				}
				return err
			}
			at.name = t.Name
			if err := tx.DeleteToken(ctx, id); err != nil {
				return err
			}
			return s.did(ctx, tx, actor, *at, "")
		})
	})
}

func firstScope(actor domain.Actor) domain.Scope {
	if len(actor.Scopes) == 0 {
		return domain.ScopeRead
	}
	return actor.Scopes[0]
}

// tokenPrefix makes a token known for what it is, to people and to scanners of leaked secrets.
const tokenPrefix = "berth_"

// mint stores a new token and returns its text: "berth_", the end of its ID, "_" and 256 random bits.
func mint(ctx context.Context, tx *store.Store, t *domain.Token) (domain.Secret, error) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails, see crypto/rand
	t.ID = domain.NewID()
	text := tokenPrefix + t.ID[len(t.ID)-12:] + "_" + hex.EncodeToString(random[:])
	return domain.Secret(text), tx.CreateToken(ctx, t, hashed(text))
}

// hashed is what is kept of a token. A plain hash is enough for 256 random bits, which nobody guesses.
func hashed(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
