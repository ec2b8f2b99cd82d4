package domain

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// NewID returns a fresh identifier: a UUID version 7 (RFC 9562), so that identifiers sort by the time of their making.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	ms := uint64(time.Now().UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Ref names a thing by ID with the name people know it by.
type Ref struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}
