package guest

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// The map of ids for unprivileged guests, as Proxmox VE and Debian's LXC use it: root of the guest is user 100000 of the
// host, and so on for 65536 ids. All guests share it, as they do on a node.
const (
	mapBase   = 100000
	mapLength = 65536
)

// setOwners brings a volume's owners into the map that begins at shift (mapBase, or 0 for a privileged guest). The owner of
// the folder itself tells where they are; it is changed last, so that an interrupted change is taken up again.
func setOwners(ctx context.Context, volume string, shift int) error {
	info, err := os.Lstat(volume)
	if err != nil {
		return fmt.Errorf("look at volume: %w", err)
	}
	if top, ok := info.Sys().(*syscall.Stat_t); !ok || int(top.Uid) == shift {
		return nil
	}
	err = filepath.WalkDir(volume, func(at string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || at == volume {
			return err
		}
		return setOwner(at, shift)
	})
	if err != nil {
		return fmt.Errorf("change owners in volume: %w", err)
	}
	return setOwner(volume, shift)
}

func setOwner(at string, shift int) error {
	info, err := os.Lstat(at)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: no owner known", at)
	}
	if err := os.Lchown(at, shift+inside(stat.Uid), shift+inside(stat.Gid)); err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil
	}
	return os.Chmod(at, info.Mode()) // chown drops set-uid bits
}

// inside is the id that a guest sees for an id of the host.
func inside(id uint32) int {
	if id >= mapBase {
		return int(id - mapBase)
	}
	return int(id)
}
