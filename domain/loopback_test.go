package domain_test

import (
	"testing"

	"berth/domain"
)

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.8.9.10": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "localhost.example": false, "127.0.0.1:80": false,
	} {
		if got := domain.Loopback(host); got != want {
			t.Errorf("%q is this machine itself: %v, want %v", host, got, want)
		}
	}
}
