package secret

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"berth/domain"

	// renameio replaces a file in one step and syncs it: a crash leaves the old ring or the new one, never half of one.
	"github.com/google/renameio/v2"
)

// Load reads a ring from where source says:
//
//	/path or file:/path   a file that only its owner can read (mode 0600)
//	env:NAME              an environment variable that holds the JSON
//	credential:NAME       a systemd credential (systemd.exec(5), LoadCredential=)
//
// A missing file, variable or credential is NotFound.
func Load(source string) (*Ring, error) {
	if name, ok := strings.CutPrefix(source, "env:"); ok {
		text := os.Getenv(name)
		if text == "" {
			return nil, domain.Errorf(domain.NotFound, "the environment variable %s, which should hold the key ring, is empty", name)
		}
		return Unmarshal([]byte(text))
	}
	if name, ok := strings.CutPrefix(source, "credential:"); ok {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" || name == "" || name != filepath.Base(name) {
			return nil, domain.Errorf(domain.NotFound, "there is no systemd credential %q: the unit needs LoadCredential=", name)
		}
		return Load(filepath.Join(dir, name))
	}
	path := strings.TrimPrefix(source, "file:")
	if credential(path) {
		data, err := read(path, 0o007)
		if err != nil {
			return nil, err
		}
		return Unmarshal(data)
	}
	seen, _ := os.Stat(path) // before reading: a change in between is then noticed as one
	data, err := read(path, 0o077)
	if err != nil {
		return nil, err
	}
	ring, err := Unmarshal(data)
	if err != nil {
		return nil, err
	}
	ring.file, ring.seen = path, seen
	return ring, nil
}

// File returns the file that a source names, and whether Berth may write it: environment and credentials are somebody else's.
func File(source string) (path string, writable bool) {
	if strings.HasPrefix(source, "env:") || strings.HasPrefix(source, "credential:") {
		return "", false
	}
	path = strings.TrimPrefix(source, "file:")
	return path, !credential(path)
}

// credential reports whether a path is a systemd credential. systemd guards their folder and makes them read-only; with an ACL
// for the unit's user the mode of the file itself reads 0440.
func credential(path string) bool {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return false
	}
	inside, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(inside)
}

// LoadOrGenerate loads the ring from a source. Where that is a file and there is none yet, it is made with a fresh ring.
func LoadOrGenerate(source string) (*Ring, error) {
	ring, err := Load(source)
	path, writable := File(source)
	if !writable || !domain.Is(err, domain.NotFound) {
		return ring, err
	}
	ring = Generate()
	if err := ring.create(path); errors.Is(err, fs.ErrExist) {
		return Load("file:" + path) // another process was faster
	} else if err != nil {
		return nil, err
	}
	ring.file = path
	return ring, nil
}

// Save writes the ring to a file of mode 0600; later rotations are saved there too.
func (r *Ring) Save(path string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.save(path); err != nil {
		return err
	}
	r.file = path
	return nil
}

func (r *Ring) save(path string) error {
	data, err := r.marshal()
	if err != nil {
		return domain.Errorf(domain.Internal, "write key ring: %w", err)
	}
	if err := renameio.WriteFile(path, append(data, '\n'), 0o600, renameio.IgnoreUmask()); err != nil {
		return domain.Errorf(domain.Unavailable, "write key ring: %w", err)
	}
	return nil
}

// create writes the ring to a file that does not exist yet. Linking a finished file into place fails when another process has
// made one meanwhile, so two processes never start with two rings.
func (r *Ring) create(path string) error {
	pending := path + "." + r.primary
	if err := r.save(pending); err != nil {
		return err
	}
	defer func() { _ = os.Remove(pending) }()
	return os.Link(pending, path)
}

func (r *Ring) reload() error {
	fresh, err := Load("file:" + r.file)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.primary, r.keys, r.seen = fresh.primary, fresh.keys, fresh.seen
	return nil
}

// refresh reads the file again when it was replaced. A file that cannot be read now changes nothing: what the ring knows goes on
// working, and a key that it does not know makes reading it again an error.
func (r *Ring) refresh() {
	r.mu.RLock()
	file, seen := r.file, r.seen
	r.mu.RUnlock()
	if file == "" {
		return
	}
	now, err := os.Stat(file)
	if err != nil || seen != nil && os.SameFile(now, seen) && now.ModTime().Equal(seen.ModTime()) {
		return
	}
	_ = r.reload()
}

// lockFolderOf holds the lock of the folder that a file is in, which ends with the process at the latest. The file itself is no
// good for that: it is replaced.
func lockFolderOf(path string) (unlock func(), err error) {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, domain.Errorf(domain.Unavailable, "lock key ring: %w", err)
	}
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		_ = folder.Close()
		return nil, domain.Errorf(domain.Unavailable, "lock key ring: %w", err)
	}
	return func() { _ = folder.Close() }, nil
}

// read returns a file's content and refuses one whose mode has any of the forbidden bits.
func read(path string, forbidden fs.FileMode) ([]byte, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, domain.Errorf(domain.NotFound, "there is no key ring at %s: %w", path, err)
	}
	if err != nil {
		return nil, domain.Errorf(domain.Unavailable, "read key ring: %w", err)
	}
	if info.Mode().Perm()&forbidden != 0 {
		return nil, domain.Errorf(domain.Forbidden, "the key ring %s can be read by others: run chmod 600 on it", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, domain.Errorf(domain.Unavailable, "read key ring: %w", err)
	}
	return data, nil
}
