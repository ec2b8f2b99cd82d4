package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"berth/domain"
	"berth/store"
)

// outcome is what a request on a container led to.
type outcome struct {
	container domain.Container // without ID when it is gone since
	operation *domain.Operation
	replayed  bool // by an earlier request with the same key
}

// patienceFor is how long the start of an outcome's operation may wait. That of an earlier request was started by that one.
func (k *core) patienceFor(out outcome) time.Duration {
	if out.replayed {
		return 0
	}
	return k.Patience
}

// longestKey is the width of the key's column.
const longestKey = 255

// once runs do in a transaction, unless a request with the same key was answered before: then it returns what that led to.
// Keys belong to users, so that a retry may come with another token.
func (k *core) once(
	ctx context.Context, actor domain.Actor, key, digest string, do func(tx *store.Store) (outcome, error),
) (out outcome, err error) {
	if len(key) > longestKey {
		var f fields
		f.fail("Idempotency-Key", "must be at most %d bytes", longestKey)
		return out, f.err("the request")
	}
	owner := keyOwner(actor)
	err = k.Store.Transact(ctx, func(tx *store.Store) (err error) {
		if key == "" {
			out, err = do(tx)
			return err
		}
		var found bool
		if out, found, err = recall(ctx, tx, owner, key, digest); found || err != nil {
			return err
		}
		if out, err = do(tx); err != nil {
			return err
		}
		operationID := ""
		if out.operation != nil {
			operationID = out.operation.ID
		}
		return tx.Remember(ctx, owner, key, digest, operationID, out.container.ID)
	})
	if key != "" && domain.Is(err, domain.Conflict) {
		// Perhaps a twin of the request was faster: its answer is the answer.
		if twin, found, recallErr := recall(ctx, k.Store, owner, key, digest); recallErr == nil && found {
			return twin, nil
		}
	}
	return out, err
}

func keyOwner(actor domain.Actor) string { return "user:" + actor.User }

// recall returns what an earlier request with the same key led to, as it is now.
func recall(ctx context.Context, db *store.Store, owner, key, digest string) (out outcome, found bool, err error) {
	r, found, err := db.Remembered(ctx, owner, key, digest)
	if err != nil || !found {
		return outcome{}, false, err
	}
	out.replayed = true
	if r.OperationID != "" {
		op, err := db.Operation(ctx, r.OperationID)
		if err != nil {
			return outcome{}, false, err
		}
		out.operation = &op
	}
	out.container, err = db.Container(ctx, r.ResourceID)
	if err != nil && !domain.Is(err, domain.NotFound) {
		return outcome{}, false, err
	}
	return out, true, nil
}

// fingerprint tells a repeated request from another one under the same key. Of environments it takes the names alone: a hash
// of a short password in the database could be guessed.
func fingerprint(action string, parts ...any) (string, error) {
	text, err := json.Marshal(parts)
	if err != nil {
		return "", domain.Errorf(domain.Internal, "write request: %w", err)
	}
	sum := sha256.Sum256(append([]byte(action+"\n"), text...))
	return hex.EncodeToString(sum[:]), nil
}
