package oci

import (
	"errors"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"berth/domain"
)

// failed gives a registry's refusal its kind, in words for the person who named the image.
func (s source) failed(err error) error {
	var refused *transport.Error
	var ours *domain.Error
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &refused):
		return s.refused(refused)
	}
	return domain.Errorf(domain.Unavailable, "the registry of image %s does not answer as it should: %w", s.image, err)
}

func (s source) refused(err *transport.Error) error {
	switch err.StatusCode {
	case http.StatusNotFound:
		return domain.Errorf(domain.Permanent, "image %s does not exist in its registry", s.image)
	case http.StatusUnauthorized, http.StatusForbidden:
		return s.denied(err.StatusCode)
	case http.StatusTooManyRequests:
		return domain.Errorf(domain.Limited, "the registry of image %s asks to come back later: too many requests", s.image)
	}
	kind, words := domain.Permanent, "the registry refuses image %s"
	if err.StatusCode >= http.StatusInternalServerError {
		kind, words = domain.Unavailable, "the registry of image %s does not answer as it should"
	}
	if s.with.Host != "" { // what a registry says to a login may repeat it
		return domain.Errorf(kind, words+" (status %d)", s.image, err.StatusCode)
	}
	return domain.Errorf(kind, words+": %w", s.image, err)
}

// denied says who can do what about a login that is missing or wrong.
func (s source) denied(status int) error {
	switch host := s.with.Host; {
	case host == "":
		return domain.Errorf(domain.Permanent, "image %s does not exist, or its registry asks for a login: "+
			"an administrator gives Berth one with berth registry create %s", s.image, s.image.Registry)
	case status == http.StatusUnauthorized:
		return domain.Errorf(domain.Permanent, "registry %s refuses the login that Berth has for it, and with it image %s: "+
			"an administrator corrects it with berth registry update %s", host, s.image, host)
	default:
		return domain.Errorf(domain.Permanent, "registry %s denies image %s to the login that Berth has for it: it does not exist, or "+
			"the user of berth registry get %s has no right to pull it", host, s.image, host)
	}
}
