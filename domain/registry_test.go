package domain_test

import (
	"testing"

	"berth/domain"
)

func TestRegistryHost(t *testing.T) {
	for in, want := range map[string]string{
		"ghcr.io": "ghcr.io", "GHCR.io": "ghcr.io", "docker.io": "docker.io", "index.docker.io": "docker.io", "localhost": "localhost",
		"registry.example.net:5000": "registry.example.net:5000", "127.0.0.1:5000": "127.0.0.1:5000",
		"": "", "ghcr": "", "https://ghcr.io": "", "ghcr.io/team": "", "user@ghcr.io": "", "ghcr.io:port": "", "-x.io": "", "ghcr.io\n": "",
	} {
		got, err := domain.RegistryHost(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is %q, %v; want %q", in, got, err, want)
		}
	}
}
