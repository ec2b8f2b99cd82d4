package store

import "time"

// micros is a time as the tables keep it: microseconds since 1970-01-01 UTC, 0 for the zero time. Numbers mean and sort the
// same on all three databases, which their own types do not.
type micros int64

func microsOf(t time.Time) micros {
	if t.IsZero() {
		return 0
	}
	return micros(t.UnixMicro())
}

func (m micros) time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(m)).UTC()
}

// stamp returns the time now, in the precision that is kept.
func (s *Store) stamp() time.Time { return s.now().UTC().Truncate(time.Microsecond) }
