// Package oci reads images from registries.
package oci

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"sort"

	"github.com/google/go-containerregistry/pkg/name" // the reference implementation of the registry protocol in Go
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"berth/domain"
)

// Registry reads public images. The zero value dials anything; give it a guarded transport where users name the host.
type Registry struct {
	Transport http.RoundTripper
	Platform  v1.Platform // of the nodes; the zero value means linux/amd64
}

func (r Registry) platform() v1.Platform {
	if r.Platform.OS == "" {
		return v1.Platform{OS: "linux", Architecture: "amd64"}
	}
	return r.Platform
}

// Image fetches the manifest and configuration of an image for the platform, layers only when they are read.
func (r Registry) Image(ctx context.Context, i domain.Image) (v1.Image, error) {
	ref, err := name.ParseReference(i.String())
	if err != nil {
		return nil, domain.Errorf(domain.Invalid, "image %s: %w", i, err)
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithPlatform(r.platform())}
	if r.Transport != nil {
		options = append(options, remote.WithTransport(r.Transport))
	}
	found, err := remote.Get(ref, options...)
	if err != nil {
		return nil, registryError(i, err)
	}
	if err := r.offered(i, found); err != nil {
		return nil, err
	}
	img, err := found.Image()
	if err != nil {
		return nil, registryError(i, err)
	}
	return img, nil
}

// offered refuses for good an index without an image for the platform, which the library tells like a broken answer.
func (r Registry) offered(i domain.Image, found *remote.Descriptor) error {
	if !found.MediaType.IsIndex() {
		return nil
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(found.Manifest))
	if err != nil {
		return registryError(i, err)
	}
	if !slices.ContainsFunc(index.Manifests, func(d v1.Descriptor) bool {
		return d.Platform == nil || d.Platform.Satisfies(r.platform())
	}) {
		return domain.Errorf(domain.Permanent, "image %s is not made for %s", i, r.platform())
	}
	return nil
}

// Inspect tells what a registry knows about an image.
func (r Registry) Inspect(ctx context.Context, i domain.Image) (domain.ImageInfo, error) {
	if i.IsTemplate() {
		return domain.ImageInfo{}, domain.Errorf(domain.Invalid, "%s is a CT template of a node, not an image of a registry", i)
	}
	img, err := r.Image(ctx, i)
	if err != nil {
		return domain.ImageInfo{}, err
	}
	digest, err1 := img.Digest()
	config, err2 := img.ConfigFile()
	manifest, err3 := img.Manifest()
	if err := errors.Join(err1, err2, err3); err != nil {
		return domain.ImageInfo{}, registryError(i, err)
	}
	out := domain.ImageInfo{
		Reference: i.String(), Digest: digest.String(), Platform: r.platform().String(), Layers: len(manifest.Layers),
		Entrypoint: append(append([]string{}, config.Config.Entrypoint...), config.Config.Cmd...),
		Env:        config.Config.Env, Labels: config.Config.Labels,
	}
	for _, l := range manifest.Layers {
		out.Size += l.Size
	}
	for port := range config.Config.ExposedPorts {
		out.Ports = append(out.Ports, port)
	}
	sort.Strings(out.Ports)
	return out, nil
}

// registryError gives a registry's refusal its kind, in words for the person who named the image.
func registryError(i domain.Image, err error) error {
	var refused *transport.Error
	var ours *domain.Error
	switch {
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &refused):
		switch refused.StatusCode {
		case http.StatusNotFound:
			return domain.Errorf(domain.Permanent, "image %s does not exist in its registry", i)
		case http.StatusUnauthorized, http.StatusForbidden:
			return domain.Errorf(domain.Permanent, "image %s does not exist, or its registry asks for a login", i)
		case http.StatusTooManyRequests:
			return domain.Errorf(domain.Limited, "the registry of image %s asks to come back later: too many requests", i)
		}
		if refused.StatusCode < http.StatusInternalServerError {
			return domain.Errorf(domain.Permanent, "the registry refuses image %s: %w", i, err)
		}
	}
	return domain.Errorf(domain.Unavailable, "the registry of image %s does not answer as it should: %w", i, err)
}
