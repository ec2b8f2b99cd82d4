package guest_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// entry is one entry of a tar made for a test.
type entry struct {
	name    string
	kind    byte // tar.Type...; 0 means a regular file
	content string
	link    string
	mode    int64 // 0 means 0644, or 0755 for folders
	uid     int
	size    int64 // of a file of zeros, instead of content
}

func tarOf(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		content := []byte(e.content)
		if e.size > 0 {
			content = make([]byte, e.size)
		}
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Linkname: e.link, Mode: e.mode, Uid: e.uid, Gid: e.uid}
		switch e.kind {
		case 0:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(content))
		case tar.TypeReg:
			h.Size = int64(len(content))
		}
		if h.Mode == 0 {
			h.Mode = 0o644
			if e.kind == tar.TypeDir {
				h.Mode = 0o755
			}
		}
		check(t, w.WriteHeader(h))
		if h.Size > 0 {
			_, err := w.Write(content)
			check(t, err)
		}
	}
	check(t, w.Close())
	return b.Bytes()
}

// save writes an archive to a file, run through a compressing program when one is named.
func save(t *testing.T, raw []byte, compress ...string) string {
	t.Helper()
	if len(compress) > 0 {
		cmd := exec.Command(compress[0], compress[1:]...)
		cmd.Stdin = bytes.NewReader(raw)
		out, err := cmd.Output()
		check(t, err)
		raw = out
	}
	file := filepath.Join(t.TempDir(), "archive.tar")
	check(t, os.WriteFile(file, raw, 0o644))
	return file
}

// image is an OCI archive to be written, member by member, so that a test can spoil any of them.
type image struct {
	architecture string
	config       map[string]any
	manifestType types.MediaType
	layerType    types.MediaType
	layers       [][]byte
	spoil        func(members map[string][]byte)
}

func (i image) save(t *testing.T) string {
	t.Helper()
	members := map[string][]byte{"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`)}
	add := func(kind types.MediaType, raw []byte) map[string]any {
		sum := sha256.Sum256(raw)
		digest := hex.EncodeToString(sum[:])
		members["blobs/sha256/"+digest] = raw
		return map[string]any{"mediaType": kind, "digest": "sha256:" + digest, "size": len(raw)}
	}
	document := func(v any) []byte {
		raw, err := json.Marshal(v)
		check(t, err)
		return raw
	}
	if i.architecture == "" {
		i.architecture = runtime.GOARCH
	}
	if i.manifestType == "" {
		i.manifestType = types.OCIManifestSchema1
	}
	if i.layerType == "" {
		i.layerType = types.OCIUncompressedLayer
	}
	var layers, ids []any
	for _, raw := range i.layers {
		layer := add(i.layerType, raw)
		layers, ids = append(layers, layer), append(ids, layer["digest"])
	}
	config := add(types.OCIConfigJSON, document(map[string]any{
		"architecture": i.architecture, "os": "linux", "config": i.config,
		"rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	}))
	manifest := add(i.manifestType, document(map[string]any{
		"schemaVersion": 2, "mediaType": i.manifestType, "config": config, "layers": layers,
	}))
	members["index.json"] = document(map[string]any{"schemaVersion": 2, "manifests": []any{manifest}})
	if i.spoil != nil {
		i.spoil(members)
	}
	var all []entry
	for _, name := range slices.Sorted(maps.Keys(members)) {
		all = append(all, entry{name: name, content: string(members[name])})
	}
	return save(t, tarOf(t, all...))
}
