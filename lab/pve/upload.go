package pve

import (
	"crypto/md5" //nolint:gosec // offered by the API for checksums
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // offered by the API for checksums
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// uploadedFile is the file of an upload, in a temporary place.
type uploadedFile struct {
	path  string
	shown string // the path that Proxmox would have used
	size  int64
}

// readUpload reads multipart/form-data: parameters, then the file as field "filename".
func (c *Cluster) readUpload(k *call, r *http.Request) error {
	_, options, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return onWire(http.StatusInternalServerError, "%s\n", err)
	}
	for parts := multipart.NewReader(r.Body, options["boundary"]); ; {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return onWire(http.StatusInternalServerError, "upload failed: %s\n", err)
		}
		name := part.FormName()
		if part.FileName() == "" {
			text, err := io.ReadAll(io.LimitReader(part, maxBody))
			if err != nil {
				return errDropped
			}
			k.params.set(name, string(text))
			continue
		}
		if name != "filename" {
			return onWire(http.StatusInternalServerError,
				"wrong field name '%s' for file upload, expected 'filename'\n", name)
		}
		if k.upload, err = c.receive(part); err != nil {
			return err
		}
		k.params.set("filename", part.FileName())
	}
}

func (c *Cluster) receive(part *multipart.Part) (*uploadedFile, error) {
	file, err := os.CreateTemp(c.folder, "pveupload-*")
	if err != nil {
		return nil, fmt.Errorf("receive an upload: %w", err)
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	u := &uploadedFile{path: file.Name(), shown: "/var/tmp/pveupload-" + hex.EncodeToString(b[:])}
	u.size, err = io.Copy(file, part)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		u.discard()
		return nil, errDropped
	}
	return u, nil
}

// discard removes the temporary file; it is gone already when it has been moved to its place.
func (u *uploadedFile) discard() { _ = os.Remove(u.path) }

var unsafeName = regexp.MustCompile(`[^a-zA-Z0-9_.-]`)

// normalizeFilename makes a name safe: the last part of a path, with anything unusual replaced.
func normalizeFilename(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	return unsafeName.ReplaceAllString(name, "_")
}

// postUpload puts an uploaded file into a storage.
func (c *Cluster) postUpload(k *call) (answer, error) {
	a, err := c.placeUpload(k)
	if err != nil && k.upload != nil {
		k.upload.discard()
	}
	return a, err
}

func (c *Cluster) placeUpload(k *call) (answer, error) {
	content, storage := k.params.get("content"), k.params.get("storage")
	s, err := c.enabledStorage(k.node, storage)
	if err != nil {
		return answer{}, err
	}
	if k.upload == nil {
		return answer{}, die("missing upload data")
	}
	name := normalizeFilename(k.params.get("filename"))
	var fits bool
	switch content {
	case "vztmpl":
		fits = templates.MatchString(name)
	case "iso":
		fits = strings.HasSuffix(strings.ToLower(name), ".iso") || strings.HasSuffix(strings.ToLower(name), ".img")
	default:
		fits = regexp.MustCompile(`\.(ova|qcow2|raw|vmdk)$`).MatchString(name)
	}
	if !fits {
		return answer{}, paramError("filename", "wrong file extension")
	}
	if !s.holds(content) {
		return answer{}, die("storage '%s' does not support '%s' content", storage, content)
	}
	file, shown, err := c.volumeFile(k.node, storage+":"+content+"/"+name)
	if err != nil {
		return answer{}, err
	}
	algorithm, sum, node, u := k.params.get("checksum-algorithm"), k.params.get("checksum"), k.node, k.upload
	return answer{data: c.startTask(k, "imgcopy", "", func(w *worker) error {
		defer u.discard()
		w.logf("starting file import from: %s", u.shown)
		if algorithm != "" {
			w.logf("calculating checksum...")
			if err := verifyChecksum(u.path, algorithm, sum); err != nil {
				return err
			}
			w.logf("OK, checksum verified")
		}
		w.logf("target node: %s", node)
		w.logf("target file: %s", shown)
		w.logf("file size is: %d", u.size)
		w.logf("command: cp -- %s %s", u.shown, shown)
		if err := w.midpoint(); err != nil {
			if errors.Is(err, error(errFull)) {
				return die("import failed: cp: error writing '%s': No space left on device", shown)
			}
			return w.failure(err)
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.Rename(u.path, file); err != nil {
			return die("import failed: %s", err)
		}
		w.logf("finished file import successfully")
		return nil
	})}, nil
}

func verifyChecksum(path, algorithm, want string) error {
	var h hash.Hash
	switch algorithm {
	case "md5":
		h = md5.New() //nolint:gosec // see the import
	case "sha1":
		h = sha1.New() //nolint:gosec // see the import
	case "sha224":
		h = sha256.New224()
	case "sha256":
		h = sha256.New()
	case "sha384":
		h = sha512.New384()
	default:
		h = sha512.New()
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(h, file); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
		return die("checksum mismatch: got '%s' != expect '%s'", got, want)
	}
	return nil
}
