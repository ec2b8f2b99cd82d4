package oci

import (
	"context"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"berth/domain"
)

// Logins knows the registries that Berth has a login for.
type Logins interface {
	// RegistryByHost returns the login for a host in the form of domain.RegistryHost; NotFound when there is none.
	RegistryByHost(ctx context.Context, host string) (domain.Registry, error)
}

// Private reports whether Berth has a login for the image's registry. Nodes have none: such an image reaches them by upload.
func (r Registry) Private(ctx context.Context, i domain.Image) (bool, error) {
	login, err := r.login(ctx, i)
	return login.Host != "", err
}

// login returns the login for an image's registry; the zero value when there is none.
func (r Registry) login(ctx context.Context, i domain.Image) (domain.Registry, error) {
	if r.Logins == nil || i.IsTemplate() {
		return domain.Registry{}, nil
	}
	host, err := domain.RegistryHost(i.Registry)
	if err != nil {
		return domain.Registry{}, domain.Errorf(domain.Invalid, "the registry of image %s %w", i, err)
	}
	login, err := r.Logins.RegistryByHost(ctx, host)
	if domain.Is(err, domain.NotFound) {
		return domain.Registry{}, nil
	}
	return login, err
}

// reach returns how a registry is talked to. The library sends the login to the registry's host and to the place where that
// host has tokens made, nowhere else.
func (r Registry) reach(login domain.Registry) []remote.Option {
	transport := r.Transport
	if transport == nil {
		transport = remote.DefaultTransport
	}
	if login.Host == "" {
		return []remote.Option{remote.WithTransport(transport)}
	}
	auth := authn.FromConfig(authn.AuthConfig{Username: login.Username, Password: login.Password.Reveal()})
	return []remote.Option{remote.WithTransport(discreet{transport, login.Host}), remote.WithAuth(auth)}
}

// discreet keeps a login from networks on which everybody could read it: the library falls back to plain HTTP for private
// addresses, which an attacker on the way can bring about.
type discreet struct {
	inner http.RoundTripper
	host  string // of the registry
}

// RoundTrip implements http.RoundTripper.
func (d discreet) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && r.Header.Get("Authorization") != "" && !domain.Loopback(r.URL.Hostname()) {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, domain.Errorf(domain.Permanent,
			"registry %s answers without TLS, and a login is not sent in the clear: have it serve HTTPS", d.host)
	}
	return d.inner.RoundTrip(r)
}
