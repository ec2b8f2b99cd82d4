package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"berth/domain"
)

// unpack fills the empty folder volume with an archive; shift is added to every owner.
func unpack(ctx context.Context, volume, from string, size int64, shift int, logf Logf) (_ *ImageConfig, err error) {
	a, err := openArchive(ctx, from)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	if err := os.MkdirAll(volume, 0o755); err != nil {
		return nil, fmt.Errorf("make volume: %w", err)
	}
	t, err := openTree(volume, shift, size)
	if err != nil {
		return nil, err
	}
	t.image = a.image != nil
	defer func() { err = errors.Join(err, t.Close()) }()
	if err := t.empty(); err != nil {
		return nil, err
	}
	if a.image != nil {
		logf("Detected OCI archive")
	}
	for _, l := range a.layers {
		if err := t.apply(ctx, l); err != nil {
			return nil, extractError(a.image != nil, err)
		}
	}
	if a.image == nil {
		return nil, t.plain()
	}
	return t.finish(a.image, logf)
}

// extractError words a failure as Proxmox VE's tools do, because its clients read the reason from the text.
func extractError(image bool, err error) error {
	switch {
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	case image:
		return domain.Errorf(domain.Permanent, "Error while extracting OCI image: IO error: %w", err)
	}
	return domain.Errorf(domain.Permanent, "tar: %w", err)
}

func (t *tree) empty() error {
	names, err := fs.ReadDir(t.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("look at volume: %w", err)
	}
	if len(names) > 0 {
		return domain.Errorf(domain.Conflict, "the volume is not empty: it holds %s", names[0].Name())
	}
	return t.root.Lchown(".", t.shift, t.shift)
}

// plain checks that a compressed tar was not written by docker save, which only shows once it is unpacked.
func (t *tree) plain() error {
	_, noManifest := t.root.Lstat("manifest.json")
	_, noLayout := t.root.Lstat("oci-layout")
	_, noNames := t.root.Lstat("repositories")
	if noManifest == nil && (noLayout == nil || noNames == nil) {
		return domain.Errorf(domain.Permanent, "the archive was written by docker save; only OCI archives and root file "+
			"systems can be unpacked")
	}
	return nil
}

// finish reads what an image says about running it, and makes the folders of its volumes.
func (t *tree) finish(image *ociImage, logf Logf) (*ImageConfig, error) {
	passwd, err := t.read("etc/passwd")
	if err != nil {
		return nil, err
	}
	group, err := t.read("etc/group")
	if err != nil {
		return nil, err
	}
	config, err := image.runConfig(passwd, group)
	if err != nil {
		return nil, err
	}
	for _, volume := range config.Volumes {
		logf("creating base directory for volume at %s", volume)
		if _, err := t.folder(path.Clean(strings.TrimPrefix(volume, "/"))); err != nil {
			return nil, domain.Errorf(domain.Permanent, "make volume folder %s: %w", volume, err)
		}
	}
	return config, nil
}

// read returns a small file of the guest, "" when there is none.
func (t *tree) read(name string) (string, error) {
	dir, err := t.folder(path.Dir(name))
	if err != nil {
		return "", err
	}
	at := path.Join(dir.at, path.Base(name))
	if info, err := t.root.Stat(at); err != nil || !info.Mode().IsRegular() {
		return "", nil //nolint:nilerr // missing, or a trap such as a pipe; both mean that the image names nobody
	}
	f, err := t.root.Open(at)
	if err != nil {
		return "", fmt.Errorf("read /%s of the image: %w", name, err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxDocument))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("read /%s of the image: %w", name, err)
	}
	return string(raw), nil
}
