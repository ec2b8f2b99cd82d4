package domain_test

import (
	"regexp"
	"testing"
	"time"

	"berth/domain"
)

func TestIDsSortByTime(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	last := domain.NewID()
	for range 2000 {
		for began := time.Now(); time.Since(began) < time.Microsecond; { // longer than an identifier can tell apart
			continue
		}
		id := domain.NewID()
		if !form.MatchString(id) || id <= last {
			t.Fatalf("%s follows %s", id, last)
		}
		last = id
	}
}
