// Package images builds the images that the lab offers and pushes them into its registry.
package images

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"berth/lab/guest"
)

// Image describes an image of the lab.
type Image struct {
	Reference   string // without the registry, such as "tiny:1"
	Description string
	Entrypoint  string // kind of first process: "service" for a program without an init system, "init" for systemd
	NeedsRoot   bool   // to be built, not to be run
	recipe      recipe
}

// recipe makes an image. Its version is part of the cached image's name, so that another recipe is built anew.
type recipe struct {
	version string
	build   func(ctx context.Context, logf guest.Logf) (v1.Image, func() error, error)
}

// List names the images of the lab.
func List() []Image {
	return []Image{
		{
			Reference:   "tiny:1",
			Description: "busybox web server on port 80, without a DHCP client",
			Entrypoint:  "service", recipe: tiny("1", "hello"),
		},
		{
			Reference:   "tiny:2",
			Description: "the same with another page, to change to",
			Entrypoint:  "service", recipe: tiny("2", "hello again"),
		},
		{
			Reference:   "debian:12",
			Description: "Debian 12 with systemd, sshd (root by key only) and its own DHCP client",
			Entrypoint:  "init", NeedsRoot: true, recipe: debian(),
		},
	}
}

// Build makes the images that cacheDir does not hold yet. The first time takes about half a minute and Debian's package
// server; after that nothing is built.
func Build(ctx context.Context, cacheDir string, logf guest.Logf) error {
	return BuildOnly(ctx, cacheDir, List(), logf)
}

// BuildOnly is Build for some of the images.
func BuildOnly(ctx context.Context, cacheDir string, images []Image, logf guest.Logf) error {
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return fmt.Errorf("make the folder for images: %w", err)
	}
	for _, image := range images {
		if err := image.build(ctx, cacheDir, logf); err != nil {
			return fmt.Errorf("build %s: %w", image.Reference, err)
		}
	}
	return nil
}

// folder is where an image is cached, as an OCI image layout.
func (i Image) folder(cacheDir string) (string, error) {
	ref, err := name.NewTag(i.Reference)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", i.Reference, err)
	}
	base := filepath.Base(ref.RepositoryStr())
	return filepath.Join(cacheDir, fmt.Sprintf("%s-%s-%s", base, ref.TagStr(), i.recipe.version)), nil
}

func (i Image) build(ctx context.Context, cacheDir string, logf guest.Logf) (err error) {
	folder, err := i.folder(cacheDir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(folder); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the cached image: %w", err)
	}
	logf("building image %s: %s", i.Reference, i.Description)
	image, clean, err := i.recipe.build(ctx, logf)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, clean()) }()
	// Written beside and renamed, so that a folder that exists is complete.
	fresh, err := os.MkdirTemp(cacheDir, ".new-*")
	if err != nil {
		return fmt.Errorf("make the image's folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(fresh)) }()
	at, err := layout.Write(filepath.Join(fresh, "image"), emptyIndex())
	if err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	if err := at.AppendImage(image); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	if err := os.Rename(filepath.Join(fresh, "image"), folder); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("keep the image: %w", err)
	}
	return nil
}

// Load reads a built image from cacheDir.
func (i Image) Load(cacheDir string) (v1.Image, error) {
	folder, err := i.folder(cacheDir)
	if err != nil {
		return nil, err
	}
	at, err := layout.FromPath(folder)
	if err != nil {
		return nil, fmt.Errorf("image %s is not built: %w", i.Reference, err)
	}
	index, err := at.ImageIndex()
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", i.Reference, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		return nil, fmt.Errorf("read image %s: its folder does not hold one image: %w", i.Reference, err)
	}
	return at.Image(manifest.Manifests[0].Digest)
}

// Push copies the built images in cacheDir into the registry at address ("127.0.0.1:5000"). Blobs it has are not sent again.
func Push(ctx context.Context, cacheDir, address string, logf guest.Logf) error {
	return PushOnly(ctx, cacheDir, address, List(), logf)
}

// PushOnly is Push for some of the images.
func PushOnly(ctx context.Context, cacheDir, address string, images []Image, logf guest.Logf) error {
	for _, i := range images {
		image, err := i.Load(cacheDir)
		if err != nil {
			return err
		}
		ref, err := name.NewTag(address+"/"+i.Reference, name.Insecure) // the lab's registry is on loopback, without TLS
		if err != nil {
			return fmt.Errorf("push %s: %w", i.Reference, err)
		}
		if err := remote.Write(ref, image, remote.WithContext(ctx)); err != nil {
			return fmt.Errorf("push %s: %w", i.Reference, err)
		}
		logf("pushed %s", ref)
	}
	return nil
}
