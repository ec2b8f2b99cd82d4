package edge

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"berth/templates"
)

// tree is a folder of rendered files. What it holds can be made anew from the snapshot at any time, so its files are
// swapped by rename for the sake of readers, but not synced: what a power cut spoils is healed by the next start.
type tree struct {
	dir   string
	owned []string // sub-folders that hold nothing but rendered files
	keep  []string // paths in owned folders that are somebody else's
	seen  stamps
}

// stamps remembers what files held, so that looking at 20,000 files takes a stat each and not a read.
type stamps map[string]stamp

// stamp is an inode with its change time, which nobody can set, and what it held.
type stamp struct {
	inode   uint64
	changed time.Time
	content string
}

// stampAge is how old a change must be to be remembered: within the clock tick of a change, another leaves no trace.
const stampAge = 100 * time.Millisecond

// read returns what a file holds.
func (s stamps) read(dir, path string) (string, error) {
	name := filepath.Join(dir, path)
	info, err := os.Lstat(name)
	if err != nil {
		delete(s, path)
		return "", fmt.Errorf("look at a rendered file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", name)
	}
	var now stamp
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		now = stamp{inode: stat.Ino, changed: time.Unix(stat.Ctim.Unix())}
	}
	if was, known := s[path]; known && was.inode == now.inode && was.changed.Equal(now.changed) {
		return was.content, nil
	}
	delete(s, path)
	content, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read a rendered file: %w", err)
	}
	now.content = string(content)
	if time.Since(now.changed) > stampAge {
		s[path] = now
	}
	return now.content, nil
}

// change is the difference between the files on disk and the wanted ones: slash-separated paths, sorted.
type change struct {
	added, rewritten, removed []string
}

func (c change) empty() bool { return len(c.added)+len(c.rewritten)+len(c.removed) == 0 }

// touches reports whether some path that was there before lies in folder, or is it, and is rewritten or removed.
func (c change) touches(folder string) bool {
	inside := func(path string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }
	return slices.ContainsFunc(c.rewritten, inside) || slices.ContainsFunc(c.removed, inside)
}

// prepare makes the folders. fresh says that an owned one was not there, so whoever watched it watches nothing now.
func (t tree) prepare() (fresh bool, err error) {
	for _, dir := range t.owned {
		if _, err := os.Stat(filepath.Join(t.dir, dir)); errors.Is(err, fs.ErrNotExist) {
			fresh = true
		}
	}
	for _, dir := range append([]string{"", ".stage"}, t.owned...) {
		if err := os.MkdirAll(filepath.Join(t.dir, dir), 0o755); err != nil {
			return fresh, fmt.Errorf("make the folder of rendered files: %w", err)
		}
	}
	return fresh, nil
}

// diff compares the files on disk with the wanted ones.
func (t tree) diff(want templates.Files) (change, error) {
	var c change
	for _, path := range slices.Sorted(maps.Keys(want)) {
		content, err := t.seen.read(t.dir, path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			c.added = append(c.added, path)
		case err != nil || content != want[path]: // what cannot be read, such as a folder, is replaced
			c.rewritten = append(c.rewritten, path)
		}
	}
	for _, folder := range t.owned {
		entries, err := os.ReadDir(filepath.Join(t.dir, folder))
		if err != nil {
			return change{}, fmt.Errorf("list rendered files: %w", err)
		}
		for _, e := range entries {
			path := folder + "/" + e.Name()
			if _, wanted := want[path]; !wanted && !slices.Contains(t.keep, path) {
				c.removed = append(c.removed, path)
			}
		}
	}
	return c, nil
}

// staged returns where a file lies until it is swapped in: on the same file system, unseen by the daemon.
func (t tree) staged(path string) string {
	return filepath.Join(t.dir, ".stage", strings.ReplaceAll(path, "/", "!"))
}

// stage writes files beside the tree. On failure, such as a full disk, nothing of the tree has changed.
func (t tree) stage(files templates.Files, paths ...string) error {
	for _, path := range paths {
		if err := os.WriteFile(t.staged(path), []byte(files[path]), 0o644); err != nil {
			return fmt.Errorf("stage: %w", errors.Join(err, t.unstage()))
		}
	}
	return nil
}

// unstage drops what was staged and not swapped in.
func (t tree) unstage() error {
	entries, err := os.ReadDir(filepath.Join(t.dir, ".stage"))
	if err != nil {
		return fmt.Errorf("list staged files: %w", err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(t.dir, ".stage", e.Name())); err != nil {
			return fmt.Errorf("drop staged files: %w", err)
		}
	}
	return nil
}

// swap renames staged files into place.
func (t tree) swap(paths ...string) error {
	for _, path := range paths {
		to := filepath.Join(t.dir, path)
		if info, err := os.Lstat(to); err == nil && info.IsDir() {
			if err := os.RemoveAll(to); err != nil {
				return fmt.Errorf("swap: %w", err)
			}
		}
		if err := os.Rename(t.staged(path), to); err != nil {
			return fmt.Errorf("swap: %w", err)
		}
	}
	return nil
}

// remove deletes files of the owned folders.
func (t tree) remove(paths ...string) error {
	for _, path := range paths {
		if err := os.RemoveAll(filepath.Join(t.dir, path)); err != nil {
			return fmt.Errorf("remove: %w", err)
		}
	}
	return nil
}
