package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"berth/domain"
)

// Whiteouts, by the OCI image specification's section on layers.
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

const (
	blockSize = 4096 // what the smallest file or folder takes on the usual file systems
	maxLinks  = 40   // symbolic links followed in one path, as the kernel does
)

// tree writes a root file system into a folder. Everything goes through os.Root, so that no entry of a hostile archive
// can reach outside, whatever its names and links say.
type tree struct {
	root  *os.Root
	shift int   // added to every owner
	size  int64 // bytes the volume holds
	used  int64
	image bool            // layers of an image: names that begin with .wh. hide what lower layers hold
	made  map[string]bool // what the layer at hand wrote; an opaque whiteout spares it
}

var errFull = errors.New("No space left on device (os error 28)")

// apply writes one layer over what is there.
func (t *tree) apply(ctx context.Context, open layer) (err error) {
	r, err := open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	t.made = map[string]bool{}
	entries := tar.NewReader(r)
	for {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read layer: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.entry(h, entries); err != nil {
			return fmt.Errorf("failed to unpack `%s`: %w", h.Name, err)
		}
	}
}

func (t *tree) entry(h *tar.Header, content io.Reader) error {
	name := path.Clean(strings.TrimPrefix(h.Name, "/"))
	if name == ".." || strings.HasPrefix(name, "../") || strings.ContainsRune(h.Name, 0) {
		return domain.Errorf(domain.Permanent, "the name leads out of the root file system")
	}
	if name == "." {
		return t.own(".", h)
	}
	dir, err := t.folder(path.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(name)
	switch {
	case t.image && base == opaque:
		return t.clear(dir)
	case t.image && strings.HasPrefix(base, whiteout):
		return t.root.RemoveAll(path.Join(dir, strings.TrimPrefix(base, whiteout)))
	}
	return t.write(path.Join(dir, base), h, content)
}

// write makes one entry at a path whose folder is resolved.
func (t *tree) write(at string, h *tar.Header, content io.Reader) error {
	if err := t.makeWay(at, h.Typeflag == tar.TypeDir); err != nil {
		return err
	}
	t.made[at] = true
	if err := t.take(blockSize); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		if err := t.root.Mkdir(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return t.own(at, h)
	case tar.TypeReg, '\x00': // a zero byte means a file in tars of before 1988
		return t.file(at, h, content)
	case tar.TypeSymlink:
		if err := t.root.Symlink(h.Linkname, at); err != nil {
			return err
		}
		return t.root.Lchown(at, h.Uid+t.shift, h.Gid+t.shift)
	case tar.TypeLink:
		return t.link(at, h)
	case tar.TypeFifo:
		return t.fifo(at, h)
	case tar.TypeChar, tar.TypeBlock:
		return nil // a guest gets its devices from LXC, and may not bring others
	}
	return domain.Errorf(domain.Permanent, "entries of type %q are not supported", h.Typeflag)
}

func (t *tree) file(at string, h *tar.Header, content io.Reader) (err error) {
	// Counted before it is written, and in whole blocks, as the file system will.
	if err := t.take(blocks(h.Size)); err != nil {
		return err
	}
	f, err := t.root.OpenFile(at, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	if err := t.check(h); err != nil {
		return err
	}
	if err := f.Chown(h.Uid+t.shift, h.Gid+t.shift); err != nil {
		return err
	}
	if err := f.Chmod(h.FileInfo().Mode()); err != nil { // after chown, which drops set-uid bits
		return err
	}
	when := unix.NsecToTimeval(h.ModTime.UnixNano())
	return unix.Futimes(int(f.Fd()), []unix.Timeval{when, when})
}

func (t *tree) link(at string, h *tar.Header) error {
	target := path.Clean(strings.TrimPrefix(h.Linkname, "/"))
	dir, err := t.folder(path.Dir(target))
	if err != nil {
		return err
	}
	return t.root.Link(path.Join(dir, path.Base(target)), at)
}

func (t *tree) fifo(at string, h *tar.Header) (err error) {
	dir, err := t.root.Open(path.Dir(at))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if err := unix.Mkfifoat(int(dir.Fd()), path.Base(at), 0o600); err != nil {
		return fmt.Errorf("mkfifo: %w", err)
	}
	return t.own(at, h)
}

// own gives an entry its owner and mode.
func (t *tree) own(at string, h *tar.Header) error {
	if err := t.check(h); err != nil {
		return err
	}
	if err := t.root.Lchown(at, h.Uid+t.shift, h.Gid+t.shift); err != nil {
		return err
	}
	return t.root.Chmod(at, h.FileInfo().Mode())
}

// check refuses owners that the guest's map of ids does not hold.
func (t *tree) check(h *tar.Header) error {
	if h.Uid < 0 || h.Gid < 0 || h.Uid >= mapLength || h.Gid >= mapLength {
		return domain.Errorf(domain.Permanent, "owner %d:%d is outside the guest's %d ids: Invalid argument (os error 22)",
			h.Uid, h.Gid, mapLength)
	}
	return nil
}

// makeWay removes what stands where an entry is to go. A folder over a folder keeps what is in it.
func (t *tree) makeWay(at string, folder bool) error {
	info, err := t.root.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) || err == nil && folder && info.IsDir() {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		t.used -= blocks(info.Size()) + blockSize
	}
	return t.root.RemoveAll(at)
}

func blocks(size int64) int64 { return (size + blockSize - 1) / blockSize * blockSize }

// clear empties a folder of what lower layers put there.
func (t *tree) clear(dir string) error {
	d, err := t.root.Open(dir)
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	for _, name := range names {
		at := path.Join(dir, name)
		info, err := t.root.Lstat(at)
		switch {
		case err == nil && t.made[at] && info.IsDir():
			err = t.clear(at)
		case err == nil && !t.made[at]:
			err = t.root.RemoveAll(at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// take counts bytes against the volume's size.
func (t *tree) take(bytes int64) error {
	t.used += bytes
	if t.used > t.size {
		return errFull
	}
	return nil
}

// folder returns dir with every symbolic link in it resolved as the guest would see it, and makes what is missing. os.Root
// alone refuses absolute links, which are usual in root file systems (/var/run -> /run).
func (t *tree) folder(dir string) (string, error) {
	at, rest, links := ".", strings.Split(dir, "/"), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = path.Dir(at) // of "." it is "." again: the root is its own parent
			continue
		}
		next := path.Join(at, part)
		info, err := t.root.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err := t.mkdir(next); err != nil {
				return "", err
			}
		case err != nil:
			return "", err
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", unix.ELOOP
			}
			target, err := t.root.Readlink(next)
			if err != nil {
				return "", err
			}
			if path.IsAbs(target) {
				at = "."
			}
			rest = append(strings.Split(target, "/"), rest...)
			continue
		case !info.IsDir():
			return "", fmt.Errorf("%s: %w", next, unix.ENOTDIR)
		}
		at = next
	}
	return at, nil
}

func (t *tree) mkdir(at string) error {
	if err := t.take(blockSize); err != nil {
		return err
	}
	if err := t.root.Mkdir(at, 0o755); err != nil {
		return err
	}
	t.made[at] = true
	return t.root.Lchown(at, t.shift, t.shift)
}
