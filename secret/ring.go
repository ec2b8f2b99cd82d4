package secret

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"berth/domain"
)

// keySize is that of AES-256, in bytes.
const keySize = 32

// Ring holds the keys that encrypt data keys. New values are sealed under the primary key, older keys only open. A Ring is safe
// for concurrent use.
type Ring struct {
	mu      sync.RWMutex
	primary string
	keys    map[string][]byte
	file    string      // where it was loaded from and rotations are saved to; empty when it lives elsewhere
	seen    os.FileInfo // of the file when it was read
}

// New makes a ring of keys by ID, each 32 bytes long. IDs consist of letters and digits.
func New(primary string, keys map[string][]byte) (*Ring, error) {
	if _, ok := keys[primary]; !ok {
		return nil, domain.Errorf(domain.Invalid, "the key ring lacks its primary key %q", primary)
	}
	r := &Ring{primary: primary, keys: make(map[string][]byte, len(keys))}
	for id, key := range keys {
		if !validKeyID(id) {
			return nil, domain.Errorf(domain.Invalid, "a key ID of the key ring is not made of letters and digits")
		}
		if len(key) != keySize {
			return nil, domain.Errorf(domain.Invalid, "key %q of the key ring is not %d bytes long", id, keySize)
		}
		r.keys[id] = slices.Clone(key)
	}
	return r, nil
}

// Generate makes a ring with one fresh key.
func Generate() *Ring {
	id, key := freshKey()
	return &Ring{primary: id, keys: map[string][]byte{id: key}}
}

// Primary returns the ID of the key that new values are sealed under. A ring from a file notices when another process rotated
// it, so that all processes change over together.
func (r *Ring) Primary() string {
	r.refresh()
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.primary
}

// Rotate adds a fresh key and makes it the primary one. A ring that came from a file is saved there before the key is used, so
// that nothing is ever sealed under a key that a crash could lose. A ring from elsewhere cannot be saved: the caller stores
// what Marshal returns.
func (r *Ring) Rotate() (id string, err error) {
	id, key := freshKey()
	return id, r.change(func(next *Ring) error {
		next.primary, next.keys[id] = id, key
		return nil
	})
}

// Forget removes a key that nothing is sealed under any more. The primary key cannot be removed.
func (r *Ring) Forget(id string) error {
	return r.change(func(next *Ring) error {
		if id == next.primary {
			return domain.Errorf(domain.Conflict, "key %q is the primary key: rotate first", id)
		}
		if _, ok := next.keys[id]; !ok {
			return domain.Errorf(domain.NotFound, "the key ring has no key %q", id)
		}
		delete(next.keys, id)
		return nil
	})
}

// change edits a copy of the ring, saves it, and only then uses it. It starts from the file as it is now and under its lock, so
// that a change made by another process is not lost.
func (r *Ring) change(edit func(next *Ring) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := &Ring{primary: r.primary, keys: maps.Clone(r.keys), file: r.file}
	if r.file != "" {
		unlock, err := lockFolderOf(r.file)
		if err != nil {
			return err
		}
		defer unlock()
		if next, err = Load("file:" + r.file); err != nil {
			return err
		}
	}
	if err := edit(next); err != nil {
		return err
	}
	if r.file != "" {
		if err := next.save(r.file); err != nil {
			return err
		}
	}
	r.primary, r.keys = next.primary, next.keys
	return nil
}

// KeyIDs returns the IDs of all keys, sorted.
func (r *Ring) KeyIDs() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Sorted(maps.Keys(r.keys))
}

// key returns a key by ID. A key that is not known yet may have been added by another process: a ring from a file looks there.
func (r *Ring) key(id string) ([]byte, error) {
	r.mu.RLock()
	key, ok := r.keys[id]
	file := r.file
	r.mu.RUnlock()
	if !ok && file != "" {
		if err := r.reload(); err != nil {
			return nil, err
		}
		r.mu.RLock()
		key, ok = r.keys[id]
		r.mu.RUnlock()
	}
	if !ok {
		return nil, domain.Errorf(domain.Permanent, "the key ring has no key %q: restore the key it was sealed under", id)
	}
	return key, nil
}

type ringFile struct {
	Primary string            `json:"primary"`
	Keys    map[string]string `json:"keys"` // ID -> base64
}

// Marshal returns the ring as it is kept in files and environment variables: JSON that holds the keys in the clear.
func (r *Ring) Marshal() ([]byte, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.marshal()
}

func (r *Ring) marshal() ([]byte, error) {
	f := ringFile{Primary: r.primary, Keys: make(map[string]string, len(r.keys))}
	for id, key := range r.keys {
		f.Keys[id] = base64.StdEncoding.EncodeToString(key)
	}
	return json.MarshalIndent(f, "", "  ")
}

// Unmarshal reads a ring as Marshal writes it. Errors never quote the input.
func Unmarshal(data []byte) (*Ring, error) {
	var f ringFile
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, domain.Errorf(domain.Invalid, "the key ring is not the JSON that berth writes")
	}
	keys := make(map[string][]byte, len(f.Keys))
	for id, text := range f.Keys {
		key, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, domain.Errorf(domain.Invalid, "key %q of the key ring is not base64", id)
		}
		keys[id] = key
	}
	return New(f.Primary, keys)
}

func freshKey() (id string, key []byte) {
	buf := make([]byte, 4+keySize)
	_, _ = rand.Read(buf) // never fails, see crypto/rand
	return "k" + hex.EncodeToString(buf[:4]), buf[4:]
}

func validKeyID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// String names the ring without its keys.
func (r *Ring) String() string { return fmt.Sprintf("key ring with primary key %s", r.Primary()) }

// GoString names the ring without its keys, for %#v.
func (r *Ring) GoString() string { return r.String() }

var errFormat = errors.New("not a sealed value")
