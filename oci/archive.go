package oci

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"berth/domain"
)

// Archive writes an image to a file as an OCI archive: a tar whose entries are oci-layout, index.json and blobs/, without
// a leading "./", which is how Proxmox VE recognises one.
func (r Registry) Archive(ctx context.Context, i domain.Image, path string) error {
	from, err := r.from(ctx, i)
	if err != nil {
		return err
	}
	img, err := from.fetch(ctx)
	if err != nil {
		return err
	}
	dir := path + ".layout"
	defer func() { _ = os.RemoveAll(dir) }()
	written, err := layout.Write(dir, empty.Index)
	if err != nil {
		return domain.Errorf(domain.Transient, "image %s cannot be stored: %w", i, err)
	}
	if err := written.AppendImage(img); err != nil {
		return from.failed(err)
	}
	if err := pack(dir, path); err != nil {
		return domain.Errorf(domain.Transient, "image %s cannot be packed: %w", i, err)
	}
	return nil
}

func pack(dir, path string) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	defer func() { err = errors.Join(err, w.Close()) }()
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return add(w, dir, p)
	})
}

func add(w *tar.Writer, dir, p string) error {
	name, err := filepath.Rel(dir, p)
	if err != nil {
		return err
	}
	blob, err := os.Open(p)
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }()
	info, err := blob.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: info.Size(), ModTime: info.ModTime()}); err != nil {
		return err
	}
	_, err = io.Copy(w, blob)
	return err
}
