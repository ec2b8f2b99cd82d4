package pve

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// storageRow is what status and lists show of a storage.
func (c *Cluster) storageRow(node string, s Storage) map[string]any {
	row := map[string]any{
		"type": s.typeName(), "content": strings.Join(s.Content, ","), "shared": 0, "active": 0, "enabled": 0,
		"total": 0, "used": 0, "avail": 0,
	}
	if !s.Disabled {
		total, used := c.usage(node, s)
		row["active"], row["enabled"] = 1, 1
		row["total"], row["used"], row["avail"] = total, used, total-used
	}
	return row
}

func (s Storage) typeName() string {
	if s.Type == "" {
		return "dir"
	}
	return s.Type
}

// getStorages lists a node's storages.
func (c *Cluster) getStorages(k *call) (answer, error) {
	p := k.params
	rows := []any{}
	wanted := p.get("storage")
	if wanted != "" {
		if _, err := c.storageOf(k.node, wanted); err != nil {
			return answer{}, paramError("storage", "No such storage.")
		}
	}
	target := p.get("target")
	for _, s := range c.nodeNamed(k.node).Storages {
		switch {
		case wanted != "" && s.Name != wanted,
			target != "" && target != k.node, // none of the storages is shared
			p.bool("enabled") && s.Disabled,
			!c.may(k.auth, "/storage/"+s.Name, true, "Datastore.Audit", "Datastore.AllocateSpace"):
			continue
		}
		if contents := p.list("content"); len(contents) > 0 && !s.holdsAny(contents) {
			continue
		}
		row := c.storageRow(k.node, s)
		row["storage"] = s.Name
		if total, ok := row["total"].(int64); ok && total > 0 {
			row["used_fraction"] = number64(float64(row["used"].(int64)) / float64(total))
		}
		if p.bool("format") {
			row["format"] = []any{map[string]any{"raw": 1, "subvol": 1, "qcow2": 1, "vmdk": 1}, "raw"}
			row["formats"] = map[string]any{"default": "raw", "supported": []string{"qcow2", "raw", "subvol", "vmdk"}}
		}
		rows = append(rows, row)
	}
	return answer{data: rows}, nil
}

func (s Storage) holdsAny(contents []string) bool {
	for _, content := range contents {
		if s.holds(content) {
			return true
		}
	}
	return false
}

func (c *Cluster) getStorageStatus(k *call) (answer, error) {
	s, err := c.storageOf(k.node, k.params.get("storage"))
	if err != nil {
		return answer{}, paramError("storage", "No such storage.")
	}
	return answer{data: c.storageRow(k.node, s)}, nil
}

// getContent lists volumes.
func (c *Cluster) getContent(k *call) (answer, error) {
	s, err := c.enabledStorage(k.node, k.params.get("storage"))
	if err != nil {
		return answer{}, err
	}
	wanted, owner := k.params.get("content"), k.params.int("vmid", 0)
	rows := []any{}
	for _, content := range []string{"vztmpl", "iso", "backup"} {
		if (wanted == "" || wanted == content) && s.holds(content) {
			rows = append(rows, c.fileRows(k.node, s, content, owner)...)
		}
	}
	if (wanted == "" || wanted == "rootdir" || wanted == "images") && s.holdsAny([]string{"rootdir", "images"}) {
		rows = append(rows, c.volumeRows(k, s, owner)...)
	}
	return answer{data: rows}, nil
}

// fileRows lists the templates, ISO images or backups of a storage, with an owner only its own.
func (c *Cluster) fileRows(node string, s Storage, content string, owner int) []any {
	folder := filepath.Join(c.storageFolder(node, s.Name), filepath.Dir(inStorage(content, content+"/x")))
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	var rows []any
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		is, of, err := s.parseVolume(content + "/" + e.Name())
		if err != nil || is != content || owner != 0 && of != owner {
			continue
		}
		row := map[string]any{
			"volid": s.Name + ":" + content + "/" + e.Name(), "content": content, "size": info.Size(),
			"ctime": info.ModTime().Unix(),
		}
		switch content {
		case "vztmpl":
			row["format"] = templateFormat(e.Name())
		case "iso":
			row["format"] = "iso"
		case "backup":
			row["format"] = strings.TrimPrefix(templates.FindString(e.Name()), ".")
			if of != 0 {
				row["vmid"], row["subtype"] = of, "lxc"
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// templateFormat is how lists name the compression of a template.
func templateFormat(name string) string {
	ext := templates.FindString(name)
	switch ext {
	case ".tgz":
		return "tgz"
	case ".tar":
		return "tar"
	}
	return "t" + strings.TrimPrefix(ext, ".tar.")
}

func (c *Cluster) volumeRows(k *call, s Storage, owner int) []any {
	c.mu.Lock()
	var guests []*container
	for _, ct := range c.state.Containers {
		if ct.Node == k.node && (owner == 0 || ct.VMID == owner) {
			guests = append(guests, ct.clone())
		}
	}
	c.mu.Unlock()
	var rows []any
	for _, ct := range guests {
		if !c.may(k.auth, "/vms/"+strconv.Itoa(ct.VMID), true, "VM.Config.Disk", "VM.Audit") &&
			!c.may(k.auth, "/storage/"+s.Name, false, "Datastore.Allocate") {
			continue
		}
		for option, text := range ct.Options {
			if !isMount(option) {
				continue
			}
			p, err := mountParts(option, text)
			if err != nil || !strings.HasPrefix(p["volume"], s.Name+":") {
				continue
			}
			size, _ := parseSize(p["size"], 1)
			format, content := "raw", "images"
			if strings.HasSuffix(p["volume"], ".subvol") {
				format, content = "subvol", "rootdir"
			}
			if s.holds("rootdir") {
				content = "rootdir"
			}
			rows = append(rows, map[string]any{
				"volid": p["volume"], "content": content, "format": format, "size": size, "vmid": ct.VMID,
				"used": 0, "parent": nil, "ctime": c.started.Unix(),
			})
		}
	}
	return rows
}

// deleteVolume removes a volume; one that is not there counts as removed.
func (c *Cluster) deleteVolume(k *call) (answer, error) {
	volid := k.params.get("volume")
	storage := k.params.get("storage")
	if !strings.Contains(volid, ":") {
		volid = storage + ":" + volid
	}
	name, below, _ := strings.Cut(volid, ":")
	if storage != "" && name != storage {
		return answer{}, paramError("storage", "storage ID missmatch ('%s' != '%s')", name, storage)
	}
	s, err := c.enabledStorage(k.node, name)
	if err != nil {
		return answer{}, err
	}
	content, owner, err := s.parseVolume(below)
	if err != nil {
		return answer{}, err
	}
	if content == "backup" && owner != 0 {
		err = c.allow(k.auth, "/storage/"+name, false, "Datastore.AllocateSpace")
	} else {
		err = c.allow(k.auth, "/storage/"+name, false, "Datastore.Allocate")
	}
	if err != nil {
		return answer{}, err
	}
	file, _, err := c.volumeFile(k.node, volid)
	if err != nil {
		return answer{}, err
	}
	id := name
	if owner != 0 {
		id = strconv.Itoa(owner) + "@" + name
	}
	return answer{data: c.startTask(k, "imgdel", id, func(w *worker) error {
		if err := w.midpoint(); err != nil {
			return w.failure(err)
		}
		if content == "images" || content == "rootdir" {
			return c.runtime.RemoveVolume(w.ctx, file)
		}
		if err := os.RemoveAll(file); err != nil {
			return err
		}
		w.logf("Removed volume '%s'", volid)
		return nil
	})}, nil
}
