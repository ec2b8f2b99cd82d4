package guest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"berth/domain"
)

// maxDocument bounds index, manifest and configuration of an image: all are small, and all are read into memory.
const maxDocument = 4 << 20

// ociImage reads an image out of an OCI archive in place, with the documents' types from go-containerregistry. Its readers of
// images want a folder, and would unpack the archive once more than needed.
type ociImage struct {
	file    *os.File
	members members
	parsed  v1.Manifest
	config  v1.ConfigFile
}

func badImage(format string, args ...any) error {
	return domain.Errorf(domain.Permanent, "Error while parsing OCI image: "+format, args...)
}

func openImage(file *os.File, m members) (*ociImage, error) {
	img := &ociImage{file: file, members: m}
	raw, err := img.read("index.json")
	if err != nil {
		return nil, badImage("%w", err)
	}
	var index v1.IndexManifest
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, badImage("index.json: %w", err)
	}
	if len(index.Manifests) != 1 {
		return nil, badImage("index.json names %d manifests, expected one", len(index.Manifests))
	}
	if t := index.Manifests[0].MediaType; t != types.OCIManifestSchema1 {
		return nil, badImage("Unsupported media type %s of the manifest", t)
	}
	if raw, err = img.readBlob(index.Manifests[0].Digest); err != nil {
		return nil, badImage("%w", err)
	}
	if err := json.Unmarshal(raw, &img.parsed); err != nil {
		return nil, badImage("manifest: %w", err)
	}
	return img, img.readConfig()
}

func (i *ociImage) readConfig() error {
	if t := i.parsed.Config.MediaType; t != types.OCIConfigJSON {
		return badImage("Unsupported media type %s of the configuration", t)
	}
	raw, err := i.readBlob(i.parsed.Config.Digest)
	if err != nil {
		return badImage("%w", err)
	}
	if err := json.Unmarshal(raw, &i.config); err != nil {
		return badImage("configuration: %w", err)
	}
	if i.config.Architecture != runtime.GOARCH || i.config.OS != "linux" {
		return badImage("Unsupported CPU architecture")
	}
	return nil
}

// layers checks every blob against its digest, so that nothing is unpacked from a damaged archive, and returns the
// layers, lowest first.
func (i *ociImage) layers(ctx context.Context) ([]layer, error) {
	var all []layer
	for _, d := range i.parsed.Layers {
		switch d.MediaType {
		case types.OCILayer, types.OCILayerZStd, types.OCIUncompressedLayer:
		default:
			return nil, badImage("Unsupported media type %s of a layer", d.MediaType)
		}
		if err := i.verify(d.Digest); err != nil {
			return nil, badImage("%w", err)
		}
		all = append(all, func() (io.ReadCloser, error) {
			blob, err := i.blob(d.Digest)
			if err != nil {
				return nil, err
			}
			format, err := formatOf(blob)
			if err != nil {
				return nil, err
			}
			return decompress(ctx, blob, format)
		})
	}
	return all, nil
}

func (i *ociImage) blob(d v1.Hash) (*io.SectionReader, error) {
	name := "blobs/" + d.Algorithm + "/" + d.Hex
	m, ok := i.members[name]
	if !ok || d.Algorithm != "sha256" {
		return nil, fmt.Errorf("blob %s is missing", d)
	}
	return io.NewSectionReader(i.file, m.offset, m.size), nil
}

func (i *ociImage) verify(d v1.Hash) error {
	r, err := i.blob(d)
	if err != nil {
		return err
	}
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return fmt.Errorf("read blob %s: %w", d, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != d.Hex {
		return fmt.Errorf("blob %s is damaged: it has the digest sha256:%s", d, got)
	}
	return nil
}

func (i *ociImage) readBlob(d v1.Hash) ([]byte, error) {
	if err := i.verify(d); err != nil {
		return nil, err
	}
	return i.read("blobs/" + d.Algorithm + "/" + d.Hex)
}

func (i *ociImage) read(name string) ([]byte, error) {
	m := i.members[name]
	if m.size > maxDocument {
		return nil, fmt.Errorf("%s has %d bytes, too many for a document", name, m.size)
	}
	raw := make([]byte, m.size)
	if _, err := i.file.ReadAt(raw, m.offset); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return raw, nil
}

// runConfig translates the image's configuration. passwd and group are the files of the unpacked image.
func (i *ociImage) runConfig(passwd, group string) (*ImageConfig, error) {
	c := i.config.Config
	out := &ImageConfig{
		Entrypoint: append(append([]string{}, c.Entrypoint...), c.Cmd...),
		Env:        c.Env,
		WorkingDir: c.WorkingDir,
		User:       c.User,
		StopSignal: c.StopSignal,
	}
	for volume := range c.Volumes {
		out.Volumes = append(out.Volumes, volume)
	}
	for field, values := range map[string][]string{
		"Entrypoint": out.Entrypoint, "Env": c.Env, "WorkingDir": {c.WorkingDir}, "User": {c.User},
		"StopSignal": {c.StopSignal}, "Volumes": out.Volumes,
	} {
		if strings.ContainsFunc(strings.Join(values, ""), forbidden) {
			return nil, domain.Errorf(domain.Permanent,
				"OCI config value for '%s' contains forbidden control characters!", field)
		}
	}
	var err error
	out.UID, out.GID, err = lookupUser(c.User, passwd, group)
	return out, err
}

// forbidden holds for the characters that would break out of a line of a guest's configuration.
func forbidden(r rune) bool { return r < 0x20 && r != '\t' || r == 0x7f }
