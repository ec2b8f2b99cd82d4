package domain

import (
	"errors"
	"strings"
	"time"
)

// Registry is an image registry with the login that Berth has for it.
type Registry struct {
	ID        string
	Host      string // in the form of RegistryHost, such as "ghcr.io" or "registry.example.net:5000"
	Username  string
	Password  Secret
	CreatedAt time.Time
	Version   int64
}

// dockerHub is the registry of references without one; its API is at another name, which is the same registry.
const (
	dockerHub    = "docker.io"
	dockerHubAPI = "index.docker.io"
)

// RegistryHost writes the host, or host:port, of a registry in one way, so that the same registry is known again however a
// reference spells it. The error is a rule in words, fit for a FieldError.
func RegistryHost(s string) (string, error) {
	if !namesRegistry(s) || !registryName.MatchString(s) {
		return "", errors.New("must be host or host:port as image references begin, such as ghcr.io or registry.example.net:5000")
	}
	s = strings.ToLower(s)
	if s == dockerHubAPI {
		return dockerHub, nil
	}
	return s, nil
}

// namesRegistry reports whether the first part of a reference is a registry and not part of a repository's name.
func namesRegistry(first string) bool {
	return strings.ContainsAny(first, ".:") || first == "localhost"
}
