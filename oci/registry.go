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

	"berth/domain"
)

// Registry reads images. The zero value dials anything; give it a guarded transport where users name the host.
type Registry struct {
	Transport http.RoundTripper
	Logins    Logins      // nil reads public images alone
	Platform  v1.Platform // of the nodes; the zero value means linux/amd64
}

func (r Registry) platform() v1.Platform {
	if r.Platform.OS == "" {
		return v1.Platform{OS: "linux", Architecture: "amd64"}
	}
	return r.Platform
}

// source is an image at its registry.
type source struct {
	Registry
	image domain.Image
	with  domain.Registry // the login; the zero value when there is none
}

// from finds out how to read an image.
func (r Registry) from(ctx context.Context, i domain.Image) (source, error) {
	login, err := r.login(ctx, i)
	return source{r, i, login}, err
}

// fetch gets the manifest and configuration of an image for the platform, layers only when they are read.
func (s source) fetch(ctx context.Context) (v1.Image, error) {
	ref, err := name.ParseReference(s.image.String())
	if err != nil {
		return nil, domain.Errorf(domain.Invalid, "image %s: %w", s.image, err)
	}
	found, err := remote.Get(ref, append(s.reach(s.with), remote.WithContext(ctx), remote.WithPlatform(s.platform()))...)
	if err != nil {
		return nil, s.failed(err)
	}
	if err := s.offered(found); err != nil {
		return nil, err
	}
	img, err := found.Image()
	if err != nil {
		return nil, s.failed(err)
	}
	return img, nil
}

// offered refuses for good an index without an image for the platform, which the library tells like a broken answer.
func (s source) offered(found *remote.Descriptor) error {
	if !found.MediaType.IsIndex() {
		return nil
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(found.Manifest))
	if err != nil {
		return s.failed(err)
	}
	if !slices.ContainsFunc(index.Manifests, func(d v1.Descriptor) bool {
		return d.Platform == nil || d.Platform.Satisfies(s.platform())
	}) {
		return domain.Errorf(domain.Permanent, "image %s is not made for %s", s.image, s.platform())
	}
	return nil
}

// Inspect tells what a registry knows about an image.
func (r Registry) Inspect(ctx context.Context, i domain.Image) (domain.ImageInfo, error) {
	if i.IsTemplate() {
		return domain.ImageInfo{}, domain.Errorf(domain.Invalid, "%s is a CT template of a node, not an image of a registry", i)
	}
	from, err := r.from(ctx, i)
	if err != nil {
		return domain.ImageInfo{}, err
	}
	img, err := from.fetch(ctx)
	if err != nil {
		return domain.ImageInfo{}, err
	}
	digest, err1 := img.Digest()
	config, err2 := img.ConfigFile()
	manifest, err3 := img.Manifest()
	if err := errors.Join(err1, err2, err3); err != nil {
		return domain.ImageInfo{}, from.failed(err)
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
