package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxLinks  = 40  // symbolic links followed in one path, as the kernel does
	maxPlaces = 100 // folders kept open
)

// place is an open folder of a tree. Work on its entries takes one system call each; os.Root would open every folder of a
// path anew each time, which made unpacking about three times slower.
type place struct {
	root *os.Root
	at   string // path in the tree, without any symbolic link
}

// places keeps folders open, by path without links and by path as written in the archive.
type places struct {
	byPath map[string]*place
	byName map[string]*place
}

// forget closes all folders: something that paths lead through may have changed.
func (p *places) forget() {
	for _, known := range p.byPath {
		_ = known.root.Close() // nothing is written through the folder itself
	}
	p.byPath, p.byName = map[string]*place{}, map[string]*place{}
}

// folder opens dir with every symbolic link in it resolved as the guest would see it, and makes what is missing. os.Root
// alone refuses absolute links, which are usual in root file systems (/var/run -> /run).
func (t *tree) folder(dir string) (*place, error) {
	if known, ok := t.places.byName[dir]; ok {
		return known, nil
	}
	if len(t.places.byPath) >= maxPlaces {
		t.places.forget()
	}
	at, err := t.open(".", nil)
	rest, links := strings.Split(dir, "/"), 0
	for err == nil && len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at, err = t.open(path.Dir(at.at), nil) // of "." it is "." again: the root is its own parent
			continue
		}
		var info fs.FileInfo
		info, err = at.root.Lstat(part)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if err = t.mkdir(at, part); err == nil {
				at, err = t.open(path.Join(at.at, part), at)
			}
		case err != nil:
		case info.Mode()&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return nil, unix.ELOOP
			}
			var target string
			if target, err = at.root.Readlink(part); err != nil {
				break
			}
			if path.IsAbs(target) {
				at, err = t.open(".", nil)
			}
			rest = append(strings.Split(target, "/"), rest...)
		case !info.IsDir():
			return nil, fmt.Errorf("%s: %w", path.Join(at.at, part), unix.ENOTDIR)
		default:
			at, err = t.open(path.Join(at.at, part), at)
		}
	}
	if err != nil {
		return nil, err
	}
	if t.places.byName != nil {
		t.places.byName[dir] = at
	}
	return at, nil
}

// open returns the folder at a path without links; parent is its open parent, when there is one.
func (t *tree) open(at string, parent *place) (*place, error) {
	if t.places.byPath == nil {
		t.places.forget()
	}
	if known, ok := t.places.byPath[at]; ok {
		return known, nil
	}
	var root *os.Root
	var err error
	if parent != nil {
		root, err = parent.root.OpenRoot(path.Base(at))
	} else {
		root, err = t.root.OpenRoot(at)
	}
	if err != nil {
		return nil, err
	}
	p := &place{root: root, at: at}
	t.places.byPath[at] = p
	return p, nil
}

// mkdir makes a folder that no entry describes; it belongs to the guest's root.
func (t *tree) mkdir(in *place, name string) error {
	if err := t.take(blockSize); err != nil {
		return err
	}
	if err := in.root.Mkdir(name, 0o755); err != nil {
		return err
	}
	t.made[path.Join(in.at, name)] = true
	return in.root.Lchown(name, t.shift, t.shift)
}
