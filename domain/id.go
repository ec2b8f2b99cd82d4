package domain

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// NewID returns a fresh identifier: a UUID version 7 (RFC 9562), so that identifiers sort by the time of their making. The twelve
// bits after the version tell the time within the millisecond (method 3 of section 6.2), to a quarter of a microsecond.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	now := time.Now()
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		b[i] = byte(ms >> (40 - 8*i))
	}
	within := uint64(now.Nanosecond()) % uint64(time.Millisecond) << 12 / uint64(time.Millisecond)
	b[6], b[7] = 0x70|byte(within>>8), byte(within)
	b[8] = b[8]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// Ref names a thing by ID with the name people know it by.
type Ref struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}
