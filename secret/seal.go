package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"berth/domain"
)

// A sealed value reads "b1.<key ID>.<sealed data key>.<sealed value>", the last two in unpadded base64url, each a nonce followed
// by what AES-256-GCM made. The data key is fresh for every value, so no amount of values wears a key of the ring out.
const sealedPrefix = "b1."

// Seal encrypts plain under the primary key. aad names the place the value belongs to, such as "clusters/token/<id>": a sealed
// value that was moved to another place does not open there.
func (r *Ring) Seal(plain []byte, aad string) (string, error) {
	id := r.Primary()
	key, err := r.key(id)
	if err != nil {
		return "", err
	}
	dataKey := make([]byte, keySize)
	_, _ = rand.Read(dataKey) // never fails, see crypto/rand
	wrapped, err := encrypt(key, dataKey, id+"\x00"+aad)
	if err != nil {
		return "", domain.Errorf(domain.Internal, "seal: %w", err)
	}
	body, err := encrypt(dataKey, plain, aad)
	if err != nil {
		return "", domain.Errorf(domain.Internal, "seal: %w", err)
	}
	enc := base64.RawURLEncoding
	return sealedPrefix + id + "." + enc.EncodeToString(wrapped) + "." + enc.EncodeToString(body), nil
}

// Open decrypts what Seal made for the same aad. A value that was altered, moved, or whose key is gone is Permanent.
func (r *Ring) Open(sealed, aad string) ([]byte, error) {
	id, wrapped, body, err := parse(sealed)
	if err != nil {
		return nil, domain.Errorf(domain.Permanent, "open sealed value: %w", err)
	}
	key, err := r.key(id)
	if err != nil {
		return nil, err
	}
	dataKey, err := decrypt(key, wrapped, id+"\x00"+aad)
	if err != nil {
		return nil, domain.Errorf(domain.Permanent, "open sealed value: %w", err)
	}
	plain, err := decrypt(dataKey, body, aad)
	if err != nil {
		return nil, domain.Errorf(domain.Permanent, "open sealed value: %w", err)
	}
	return plain, nil
}

// KeyID returns the ID of the key that a value is sealed under, empty when it is no sealed value.
func KeyID(sealed string) string {
	id, _, _, err := parse(sealed)
	if err != nil {
		return ""
	}
	return id
}

func parse(sealed string) (id string, wrapped, body []byte, err error) {
	rest, ok := strings.CutPrefix(sealed, sealedPrefix)
	parts := strings.Split(rest, ".")
	if !ok || len(parts) != 3 || !validKeyID(parts[0]) {
		return "", nil, nil, errFormat
	}
	if wrapped, err = base64.RawURLEncoding.DecodeString(parts[1]); err != nil {
		return "", nil, nil, errFormat
	}
	if body, err = base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return "", nil, nil, errFormat
	}
	return parts[0], wrapped, body, nil
}

// encrypt returns a random nonce followed by the sealed bytes.
func encrypt(key, plain []byte, aad string) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(nil, nil, plain, []byte(aad)), nil
}

func decrypt(key, sealed []byte, aad string) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, nil, sealed, []byte(aad))
}

// newGCM puts the nonce in front of each sealed value by itself.
func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}
