package activities_test

import (
	"archive/tar"
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"berth/domain"
	"berth/lab/guest"
	"berth/lab/registry"
	"berth/oci"
)

// serveImages starts a registry that holds one image.
func (w *world) serveImages() {
	w.t.Helper()
	shared, ok := remote.DefaultTransport.(*http.Transport)
	if !ok {
		w.t.Fatal("the registry client's transport is not that of net/http")
	}
	w.transport = shared.Clone()
	w.image = w.startRegistry(registry.Config{}) + "/app:1"
}

// startRegistry starts a registry that holds app:1, and returns its address.
func (w *world) startRegistry(c registry.Config) string {
	w.t.Helper()
	c.Dir = w.t.TempDir()
	served, err := registry.Start(c)
	w.must(err)
	w.t.Cleanup(func() {
		w.transport.CloseIdleConnections() // the registry waits for connections that were opened and never used
		if err := served.Close(context.Background()); err != nil {
			w.t.Errorf("close the registry: %v", err)
		}
	})
	ref, err := name.ParseReference(served.Address() + "/app:1")
	w.must(err)
	img, err := smallImage()
	w.must(err)
	login := authn.FromConfig(authn.AuthConfig{Username: c.Username, Password: c.Password})
	w.must(remote.Write(ref, img, remote.WithTransport(w.transport), remote.WithAuth(login)))
	return served.Address()
}

// smallImage makes an OCI image of one file.
func smallImage() (v1.Image, error) {
	var layer bytes.Buffer
	pack := tar.NewWriter(&layer)
	content := []byte("hello\n")
	if err := pack.WriteHeader(&tar.Header{Name: "greeting", Mode: 0o644, Size: int64(len(content))}); err != nil {
		return nil, err
	}
	if _, err := pack.Write(content); err != nil {
		return nil, err
	}
	if err := pack.Close(); err != nil {
		return nil, err
	}
	one, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.AppendLayers(base, one)
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture = "linux", "amd64"
	file.Config = v1.Config{Entrypoint: []string{"/bin/serve"}, Env: []string{"PATH=/bin", "GREETING=hello"}}
	return mutate.ConfigFile(img, file)
}

// puller lets the simulated nodes pull as skopeo would.
type puller struct{ oci.Registry }

// Pull implements pve.Puller.
func (p puller) Pull(ctx context.Context, reference, dst string, _ guest.Logf) error {
	image, err := domain.ParseImage(reference)
	if err != nil {
		return err
	}
	return p.Archive(ctx, image, dst)
}

// Tags implements pve.Puller.
func (puller) Tags(context.Context, string) ([]string, error) { return []string{"1"}, nil }
