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

const blockSize = 4096 // what the smallest file or folder takes on the usual file systems

// tree writes a root file system into a folder. Everything goes through os.Root, so that no entry of a hostile archive
// can reach outside, whatever its names and links say.
type tree struct {
	root   *os.Root
	places places
	shift  int   // added to every owner
	size   int64 // bytes the volume holds
	used   int64
	image  bool            // layers of an image: names that begin with .wh. hide what lower layers hold
	made   map[string]bool // what the layer at hand wrote; an opaque whiteout spares it
}

// openTree opens a folder as the root file system of a guest whose ids begin at shift.
func openTree(dir string, shift int, size int64) (*tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open volume: %w", err)
	}
	return &tree{root: root, shift: shift, size: size, made: map[string]bool{}}, nil
}

// Close lets go of the folder.
func (t *tree) Close() error {
	t.places.forget()
	return t.root.Close()
}

var errFull = errors.New("No space left on device (os error 28)") //nolint:staticcheck // the words of Proxmox VE's tool

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
	dir, err := t.folder(path.Dir(name))
	if err != nil {
		return err
	}
	base := path.Base(name)
	switch {
	case base == ".":
		return t.own(dir, ".", h)
	case t.image && base == opaque:
		return t.clear(dir)
	case t.image && strings.HasPrefix(base, whiteout):
		return t.remove(dir, strings.TrimPrefix(base, whiteout))
	}
	t.made[path.Join(dir.at, base)] = true
	if err := t.take(blockSize); err != nil {
		return err
	}
	err = t.write(dir, base, h, content)
	if errors.Is(err, fs.ErrExist) { // nothing was read of content yet
		if err := t.remove(dir, base); err != nil {
			return err
		}
		// remove may have closed the folder
		if dir, err = t.folder(path.Dir(name)); err == nil {
			err = t.write(dir, base, h, content)
		}
	}
	return err
}

// write makes one entry in an open folder. It fails with fs.ErrExist when something else has its name; only a folder over
// a folder keeps what is there.
func (t *tree) write(dir *place, base string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		if err := dir.root.Mkdir(base, 0o755); err != nil {
			info, failed := dir.root.Lstat(base)
			if failed != nil || !info.IsDir() {
				return err
			}
		}
		return t.own(dir, base, h)
	case tar.TypeReg, '\x00': // a zero byte means a file in tars of before 1988
		return t.file(dir, base, h, content)
	case tar.TypeSymlink:
		if err := dir.root.Symlink(h.Linkname, base); err != nil {
			return err
		}
		return dir.root.Lchown(base, h.Uid+t.shift, h.Gid+t.shift)
	case tar.TypeLink:
		return t.link(path.Join(dir.at, base), h)
	case tar.TypeFifo:
		return t.fifo(dir, base, h)
	case tar.TypeChar, tar.TypeBlock:
		return nil // a guest gets its devices from LXC, and may not bring others
	}
	return domain.Errorf(domain.Permanent, "entries of type %q are not supported", h.Typeflag)
}

func (t *tree) file(dir *place, base string, h *tar.Header, content io.Reader) (err error) {
	f, err := dir.root.OpenFile(base, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	// Counted before it is written, and in whole blocks, as the file system will.
	if err := errors.Join(t.take(blocks(h.Size)), t.check(h)); err != nil {
		return err
	}
	if _, err := io.Copy(f, content); err != nil {
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
	return t.root.Link(path.Join(dir.at, path.Base(target)), at)
}

func (t *tree) fifo(dir *place, base string, h *tar.Header) (err error) {
	open, err := dir.root.Open(".")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, open.Close()) }()
	if err := unix.Mkfifoat(int(open.Fd()), base, 0o600); err != nil {
		return fmt.Errorf("mkfifo: %w", err)
	}
	return t.own(dir, base, h)
}

// own gives an entry its owner and mode.
func (t *tree) own(dir *place, base string, h *tar.Header) error {
	if err := t.check(h); err != nil {
		return err
	}
	if err := dir.root.Lchown(base, h.Uid+t.shift, h.Gid+t.shift); err != nil {
		return err
	}
	return dir.root.Chmod(base, h.FileInfo().Mode())
}

// check refuses owners that the guest's map of ids does not hold.
func (t *tree) check(h *tar.Header) error {
	if h.Uid < 0 || h.Gid < 0 || h.Uid >= mapLength || h.Gid >= mapLength {
		return domain.Errorf(domain.Permanent, "owner %d:%d is outside the guest's %d ids: Invalid argument (os error 22)",
			h.Uid, h.Gid, mapLength)
	}
	return nil
}

// remove takes an entry away, with all that is in it. One that does not exist is no error.
func (t *tree) remove(dir *place, base string) error {
	info, err := dir.root.Lstat(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		t.used -= blocks(info.Size()) + blockSize
		return dir.root.Remove(base)
	}
	at := path.Join(dir.at, base)
	t.places.forget() // paths may lead through it
	return t.root.RemoveAll(at)
}

// clear empties a folder of what lower layers put there.
func (t *tree) clear(dir *place) error {
	names, err := fs.ReadDir(dir.root.FS(), ".")
	if err != nil {
		return err
	}
	at := dir.at
	for _, entry := range names {
		inner := path.Join(at, entry.Name())
		dir, err := t.folder(at) // again each time, because remove may close it
		if err != nil {
			return err
		}
		switch {
		case !t.made[inner]:
			err = t.remove(dir, entry.Name())
		case entry.IsDir():
			if dir, err = t.folder(inner); err == nil {
				err = t.clear(dir)
			}
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

// blocks is what a file of a size takes.
func blocks(size int64) int64 { return (size + blockSize - 1) / blockSize * blockSize }
