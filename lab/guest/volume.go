package guest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"berth/domain"
)

// usageAge is how old the measured size of a volume may be: to measure means to walk over all its files.
const usageAge = 15 * time.Second

// resize checks that a folder may count as a volume of size bytes. A folder has no limit of its own, so there is
// nothing to change: the size matters when an archive is unpacked.
func resize(volume string, size int64) error {
	used, err := measure(volume)
	if err != nil {
		return fmt.Errorf("resize volume: %w", err)
	}
	if used > size {
		return domain.Errorf(domain.Invalid, "volume holds %d bytes, more than the new size of %d", used, size)
	}
	return nil
}

// measure adds up the blocks of everything in a folder, hard links once.
func measure(dir string) (int64, error) {
	var sum int64
	seen := map[uint64]bool{}
	err := filepath.WalkDir(dir, func(at string, _ fs.DirEntry, err error) error {
		if err != nil {
			return vanished(err, at == dir)
		}
		info, err := os.Lstat(at)
		if err != nil {
			return vanished(err, at == dir)
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || stat.Nlink > 1 && seen[stat.Ino] {
			return nil
		}
		seen[stat.Ino] = true
		sum += stat.Blocks * 512
		return nil
	})
	return sum, err
}

// vanished forgives what a running guest removed during the walk, unless it is the volume itself.
func vanished(err error, top bool) error {
	if errors.Is(err, fs.ErrNotExist) && !top {
		return nil
	}
	return err
}

// usage remembers the measured sizes of volumes.
type usage struct {
	mu    sync.Mutex
	known map[string]measured
}

type measured struct {
	bytes int64
	at    time.Time
}

// of returns how much a volume holds, at most usageAge old; 0 when it cannot be told.
func (u *usage) of(volume string) int64 {
	u.mu.Lock()
	m, ok := u.known[volume]
	u.mu.Unlock()
	if ok && time.Since(m.at) < usageAge {
		return m.bytes
	}
	bytes, err := measure(volume)
	if err != nil {
		return 0
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.known[volume] = measured{bytes: bytes, at: time.Now()}
	return bytes
}

func (u *usage) forget(volume string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.known, volume)
}
