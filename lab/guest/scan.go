package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"berth/domain"
)

// scan is what can be told of an archive without writing its files.
type scan struct {
	config *ImageConfig // nil for a plain tar
	bytes  int64        // what its files would take
	size   int64        // of the archive itself; with changed it tells a replaced file
	mtime  time.Time
}

// scans remembers archives, so that a thousand guests of one image read it once.
type scans struct {
	mu    sync.Mutex
	known map[string]scan
}

func (s *scans) of(ctx context.Context, file string) (scan, error) {
	info, err := os.Stat(file)
	if err != nil {
		return scan{}, fmt.Errorf("open archive: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.known[file]; ok && known.size == info.Size() && known.mtime.Equal(info.ModTime()) {
		return known, nil
	}
	found, err := scanArchive(ctx, file)
	if err != nil {
		return scan{}, err
	}
	found.size, found.mtime = info.Size(), info.ModTime()
	s.known[file] = found
	return found, nil
}

func scanArchive(ctx context.Context, file string) (found scan, err error) {
	a, err := openArchive(ctx, file)
	if err != nil {
		return scan{}, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	users := map[string]string{"etc/passwd": "", "etc/group": ""}
	for _, l := range a.layers {
		bytes, err := scanLayer(ctx, l, users)
		if err != nil {
			return scan{}, extractError(a.image != nil, err)
		}
		found.bytes += bytes
	}
	if a.image != nil {
		found.config, err = a.image.runConfig(users["etc/passwd"], users["etc/group"])
	}
	return found, err
}

// scanLayer adds up a layer's files, and reads those named in keep.
func scanLayer(ctx context.Context, open layer, keep map[string]string) (sum int64, err error) {
	r, err := open()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	entries := tar.NewReader(r)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return sum, nil
		}
		if err := errors.Join(err, ctx.Err()); err != nil {
			return 0, err
		}
		name := path.Clean(strings.TrimPrefix(h.Name, "/"))
		if name == ".." || strings.HasPrefix(name, "../") {
			return 0, domain.Errorf(domain.Permanent, "failed to unpack `%s`: the name leads out of the root file system", h.Name)
		}
		sum += blockSize + blocks(h.Size)
		if _, ok := keep[name]; ok && h.Typeflag == tar.TypeReg {
			raw, err := io.ReadAll(io.LimitReader(entries, maxDocument))
			if err != nil {
				return 0, fmt.Errorf("read layer: %w", err)
			}
			keep[name] = string(raw)
		}
	}
}
