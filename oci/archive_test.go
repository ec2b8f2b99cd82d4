package oci_test

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"berth/domain"
)

// entries reads a tar file whole.
func entries(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	found := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			t.Errorf("%s is of type %c, want regular files alone", header.Name, header.Typeflag)
		}
		if found[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestArchive(t *testing.T) {
	host, reg := inMemory(t)
	img := web(t, "amd64")
	push(t, host+"/web:1", img)
	dir := t.TempDir()
	path := filepath.Join(dir, "web.tar")
	if err := reg.Archive(t.Context(), parse(t, host+"/web:1"), path); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v; want the archive alone", left, err)
	}

	found := entries(t, path)
	unpacked := t.TempDir()
	for name, content := range found {
		hash, blob := strings.CutPrefix(name, "blobs/sha256/")
		sum := sha256.Sum256(content)
		if blob && hash != hex.EncodeToString(sum[:]) {
			t.Errorf("%s holds something else", name)
		}
		if !blob && !slices.Contains([]string{"oci-layout", "index.json"}, name) {
			t.Errorf("%s has no place in an OCI archive", name)
		}
		at := filepath.Join(unpacked, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if want := 2 + 1 + 1 + 2; len(found) != want { // the two files above, manifest, configuration, layers
		t.Errorf("holds %d entries, want %d", len(found), want)
	}

	// What another reader of OCI layouts makes of it.
	root, err := layout.FromPath(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := v1.NewHash(digestOf(t, img))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := root.Image(hash)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(kept); err != nil {
		t.Errorf("is not the image: %v", err)
	}
}

func TestArchiveOfABrokenLayer(t *testing.T) {
	inner := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	img := web(t, "amd64")
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	broken, err := layers[1].Digest()
	if err != nil {
		t.Fatal(err)
	}
	host, reg := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, broken.String()) {
			_, _ = io.WriteString(w, "something else")
			return
		}
		inner.ServeHTTP(w, r)
	}))
	push(t, host+"/web:1", img)
	dir := t.TempDir()
	err = reg.Archive(t.Context(), parse(t, host+"/web:1"), filepath.Join(dir, "web.tar"))
	if !domain.Is(err, domain.Unavailable) {
		t.Errorf("ends with %v, want unavailable", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v; want nothing", left, err)
	}
}

func TestArchiveWhereNothingCanBeWritten(t *testing.T) {
	host, reg := inMemory(t)
	push(t, host+"/web:1", web(t, "amd64"))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := reg.Archive(t.Context(), parse(t, host+"/web:1"), filepath.Join(file, "web.tar"))
	if !domain.Is(err, domain.Transient) {
		t.Errorf("ends with %v, want transient", err)
	}
}

func TestArchiveOfNothing(t *testing.T) {
	host, reg := inMemory(t)
	dir := t.TempDir()
	err := reg.Archive(t.Context(), parse(t, host+"/web:1"), filepath.Join(dir, "web.tar"))
	if !domain.Is(err, domain.Permanent) {
		t.Errorf("ends with %v, want permanent", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left %v, %v; want nothing", left, err)
	}
}
