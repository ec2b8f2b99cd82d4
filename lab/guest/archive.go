package guest

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/klauspost/compress/gzip" // twice as fast as the standard library's
	"github.com/klauspost/compress/zstd"

	"berth/domain"
)

// archive is a root file system to unpack: one layer for a plain tar, any number for an OCI image.
type archive struct {
	file   *os.File
	layers []layer
	image  *ociImage // nil for a plain tar
}

// layer opens an uncompressed tar. Layers above others may hide what those hold.
type layer func() (io.ReadCloser, error)

func (a *archive) Close() error { return a.file.Close() }

// openArchive finds out what kind of archive a file is, the way Proxmox VE does: uncompressed with the members oci-layout,
// index.json and blobs/ it is an OCI archive, else a root file system.
func openArchive(ctx context.Context, path string) (*archive, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	a := &archive{file: file}
	if err := a.detect(ctx); err != nil {
		_ = file.Close() // only read from
		return nil, err
	}
	return a, nil
}

func (a *archive) detect(ctx context.Context) error {
	format, err := formatOf(a.file)
	if err != nil {
		return err
	}
	if format == "tar" {
		members, err := indexMembers(a.file)
		if err != nil {
			return err
		}
		if members.dockerSave() {
			return domain.Errorf(domain.Permanent, "Error while parsing OCI image: the archive was written by docker save; "+
				"only OCI archives and root file systems can be unpacked")
		}
		if members.oci() {
			return a.openImage(ctx, members)
		}
	}
	a.layers = []layer{func() (io.ReadCloser, error) {
		if _, err := a.file.Seek(0, io.SeekStart); err != nil {
			return nil, fmt.Errorf("rewind archive: %w", err)
		}
		return decompress(ctx, a.file, format)
	}}
	return nil
}

func (a *archive) openImage(ctx context.Context, members members) error {
	image, err := openImage(a.file, members)
	if err != nil {
		return err
	}
	a.image = image
	a.layers, err = image.layers(ctx)
	return err
}

// formatOf tells "tar", "gzip", "xz" or "zstd" by the first bytes.
func formatOf(r io.ReaderAt) (string, error) {
	head := make([]byte, 512)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read archive: %w", err)
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return "gzip", nil
	case bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X', 'Z', 0}):
		return "xz", nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return "zstd", nil
	case len(head) == 512 && bytes.HasPrefix(head[257:], []byte("ustar")):
		return "tar", nil
	}
	return "", domain.Errorf(domain.Permanent, "not an archive: neither a tar nor one compressed with gzip, xz or zstd")
}

func decompress(ctx context.Context, r io.Reader, format string) (io.ReadCloser, error) {
	switch format {
	case "gzip":
		z, err := gzip.NewReader(bufio.NewReaderSize(r, 1<<16))
		if err != nil {
			return nil, fmt.Errorf("read gzip: %w", err)
		}
		return z, nil
	case "zstd":
		z, err := zstd.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("read zstd: %w", err)
		}
		return z.IOReadCloser(), nil
	case "xz":
		return startXZ(ctx, r)
	}
	return io.NopCloser(bufio.NewReaderSize(r, 1<<16)), nil
}

// xzReader reads what the program xz prints. Go's libraries for xz are several times slower.
type xzReader struct {
	io.Reader
	cmd    *exec.Cmd
	stderr *bytes.Buffer
}

func startXZ(ctx context.Context, r io.Reader) (io.ReadCloser, error) {
	cmd := exec.CommandContext(ctx, "xz", "-dc")
	stderr := &bytes.Buffer{}
	cmd.Stdin, cmd.Stderr = r, stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("run xz: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("run xz: %w", err)
	}
	return &xzReader{Reader: out, cmd: cmd, stderr: stderr}, nil
}

// Close reads to the end, so that a damaged tail is noticed, and reports what xz says.
func (x *xzReader) Close() error {
	_, _ = io.Copy(io.Discard, x.Reader) // what matters of it shows in the exit code
	if err := x.cmd.Wait(); err != nil {
		return fmt.Errorf("xz: %w: %s", err, strings.TrimSpace(x.stderr.String()))
	}
	return nil
}

// members are the regular files of an uncompressed tar, by name.
type members map[string]member

type member struct{ offset, size int64 }

// indexMembers notes where each file of a tar lies, without reading the files.
func indexMembers(file *os.File) (members, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("rewind archive: %w", err)
	}
	found := members{}
	r := tar.NewReader(file)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, domain.Errorf(domain.Permanent, "read archive: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		// The reader has consumed exactly the header: on a seekable file it neither buffers nor reads ahead.
		at, err := file.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, fmt.Errorf("read archive: %w", err)
		}
		found[h.Name] = member{offset: at, size: h.Size}
	}
}

func (m members) has(name string) bool {
	_, ok := m[name]
	return ok
}

func (m members) below(dir string) bool {
	for name := range m {
		if strings.HasPrefix(name, dir) {
			return true
		}
	}
	return false
}

func (m members) oci() bool { return m.has("oci-layout") && m.has("index.json") && m.below("blobs/") }

// dockerSave recognises both forms of docker save: the old one with a folder per layer, the new one with blobs.
func (m members) dockerSave() bool {
	if !m.has("manifest.json") {
		return false
	}
	if m.has("repositories") || m.has("oci-layout") {
		return true
	}
	for name := range m {
		if strings.HasSuffix(name, "/layer.tar") {
			return true
		}
	}
	return false
}
