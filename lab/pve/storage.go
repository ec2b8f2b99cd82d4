package pve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// makeFolders makes the folders of all storages.
func (c *Cluster) makeFolders() error {
	for _, n := range c.nodes {
		for _, s := range n.Storages {
			for _, folder := range []string{"template/cache", "template/iso", "images", "dump"} {
				if err := os.MkdirAll(filepath.Join(c.storageFolder(n.Name, s.Name), folder), 0o755); err != nil {
					return fmt.Errorf("make the folder of storage %s of node %s: %w", s.Name, n.Name, err)
				}
			}
		}
	}
	return nil
}

// storageFolder is where a storage really is.
func (c *Cluster) storageFolder(node, storage string) string {
	return filepath.Join(c.folder, "nodes", node, storage)
}

// TemplateFile is where a node keeps a template, so that the lab can put one there. The folder exists.
func (c *Cluster) TemplateFile(node, storage, name string) string {
	return filepath.Join(c.storageFolder(node, storage), "template", "cache", name)
}

// storageOf finds a storage of a node; the configuration of storages is one for the cluster.
func (c *Cluster) storageOf(node, name string) (Storage, error) {
	n := c.nodeNamed(node)
	for _, s := range n.Storages {
		if s.Name == name {
			return s, nil
		}
	}
	for _, other := range c.nodes {
		for _, s := range other.Storages {
			if s.Name == name {
				return Storage{}, die("storage '%s' is not available on node '%s'", name, node)
			}
		}
	}
	return Storage{}, die("storage '%s' does not exist", name)
}

// enabledStorage is storageOf for one that is to be used.
func (c *Cluster) enabledStorage(node, name string) (Storage, error) {
	s, err := c.storageOf(node, name)
	if err == nil && s.Disabled {
		err = die("storage '%s' is disabled", name)
	}
	return s, err
}

var (
	imageName  = regexp.MustCompile(`^(\d+)/(\S+\.(raw|qcow2|vmdk|subvol))$`)
	backupName = regexp.MustCompile(`^backup/(vzdump-(?:lxc|qemu)-(\d+)-\S+|[^/]+\.(?:tar(?:\.(?:gz|lzo|zst|bz2))?|tgz|vma(?:\.(?:gz|lzo|zst|bz2))?))$`)
	plainName  = regexp.MustCompile(`^(iso|vztmpl|snippets|import)/([^/]+)$`)
	templates  = regexp.MustCompile(`\.(tar\.(gz|xz|zst|bz2)|tar|tgz)$`)
)

// parseVolume cuts the part of a volume ID behind the storage into content type and owner.
func (s Storage) parseVolume(name string) (content string, owner int, err error) {
	if m := imageName.FindStringSubmatch(name); m != nil {
		owner, err = strconv.Atoi(m[1])
		if m[3] == "subvol" {
			return "rootdir", owner, err
		}
		return "images", owner, err
	}
	if m := backupName.FindStringSubmatch(name); m != nil {
		if m[2] != "" {
			owner, err = strconv.Atoi(m[2])
		}
		return "backup", owner, err
	}
	if m := plainName.FindStringSubmatch(name); m != nil {
		if m[1] != "vztmpl" || templates.MatchString(m[2]) {
			return m[1], 0, nil
		}
	}
	return "", 0, die("unable to parse directory volume name '%s'", name)
}

// inStorage is the path of a volume below its storage's folder.
func inStorage(content, name string) string {
	switch content {
	case "vztmpl":
		return filepath.Join("template", "cache", strings.TrimPrefix(name, "vztmpl/"))
	case "iso":
		return filepath.Join("template", "iso", strings.TrimPrefix(name, "iso/"))
	case "backup":
		return filepath.Join("dump", strings.TrimPrefix(name, "backup/"))
	case "images", "rootdir":
		return filepath.Join("images", name)
	}
	return filepath.FromSlash(name)
}

// volumeFile returns where a volume is, and the path that Proxmox would show for it.
func (c *Cluster) volumeFile(node, volid string) (file, shown string, err error) {
	storage, name, ok := strings.Cut(volid, ":")
	if !ok {
		return "", "", die("unable to parse volume ID '%s'", volid)
	}
	s, err := c.enabledStorage(node, storage)
	if err != nil {
		return "", "", err
	}
	content, _, err := s.parseVolume(name)
	if err != nil {
		return "", "", err
	}
	below := inStorage(content, name)
	return filepath.Join(c.storageFolder(node, storage), below), s.shownPath() + "/" + filepath.ToSlash(below), nil
}

// shownVolume is the path that Proxmox would show for a volume; "" when there is no such storage.
func (c *Cluster) shownVolume(node, volid string) string {
	_, shown, err := c.volumeFile(node, volid)
	if err != nil {
		return ""
	}
	return shown
}

// newVolumeFolder makes an empty volume. One without a size limit is a subvol, one with a limit an image.
func (c *Cluster) newVolumeFolder(node, storage string, vmid int, size int64) (volid, folder string, err error) {
	for i := 0; ; i++ {
		name := fmt.Sprintf("%d/subvol-%d-disk-%d.subvol", vmid, vmid, i)
		if size > 0 {
			name = fmt.Sprintf("%d/vm-%d-disk-%d.raw", vmid, vmid, i)
		}
		folder = filepath.Join(c.storageFolder(node, storage), inStorage("rootdir", name))
		if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
			return "", "", fmt.Errorf("make a volume: %w", err)
		}
		switch err := os.Mkdir(folder, 0o755); {
		case err == nil:
			return storage + ":" + name, folder, nil
		case !errors.Is(err, fs.ErrExist):
			return "", "", fmt.Errorf("make a volume: %w", err)
		}
	}
}

// usage is what a storage shows of its space.
func (c *Cluster) usage(node string, s Storage) (total, used int64) {
	total = s.SizeBytes
	if total == 0 {
		total = c.nodeNamed(node).DiskBytes
	}
	folder := c.storageFolder(node, s.Name)
	for _, below := range []string{"template/cache", "template/iso", "dump"} {
		entries, err := os.ReadDir(filepath.Join(folder, below))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				used += info.Size()
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ct := range c.state.Containers {
		if ct.Node != node {
			continue
		}
		for option, text := range ct.Options {
			if isMount(option) && strings.HasPrefix(text, s.Name+":") {
				used += mountSize(option, text)
			}
		}
	}
	return total, min(used, total)
}

// mountSize is the size of a volume option in bytes; one without a limit counts with the size it is shown with.
func mountSize(option, text string) int64 {
	p, err := mountParts(option, text)
	if err != nil {
		return 0
	}
	if n, ok := parseSize(p["size"], 1); ok && n > 0 {
		return n
	}
	return defaultDisk
}
