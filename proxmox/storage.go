package proxmox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"berth/domain"
)

// Storage is a storage as one node sees it.
type Storage struct {
	Name, Type         string
	Content            []string // vztmpl, rootdir, images, iso, ...
	Active             bool     // whether the node can use it now
	Enabled, Shared    bool
	Total, Used, Avail int64 // bytes; 0 when it is not active
}

// Holds says whether the storage is meant for that content.
func (s Storage) Holds(content string) bool { return slices.Contains(s.Content, content) }

// Storages returns the storages of a node that the token may see.
func (c *Client) Storages(ctx context.Context, node string) ([]Storage, error) {
	type row struct {
		Storage, Type, Content  flexString
		Active, Enabled, Shared flexBool
		Total, Used, Avail      flexInt
	}
	found, err := rows[row](ctx, c, "list the storages of "+node, nodePath(node, "storage"), nil)
	storages := make([]Storage, 0, len(found))
	for _, r := range found {
		storages = append(storages, Storage{
			Name: string(r.Storage), Type: string(r.Type), Content: list(string(r.Content)), Active: bool(r.Active),
			Enabled: bool(r.Enabled), Shared: bool(r.Shared), Total: int64(r.Total), Used: int64(r.Used), Avail: int64(r.Avail),
		})
	}
	return storages, err
}

// Volume is an image or a disk on a storage.
type Volume struct {
	VolID           string // storage:content/name
	Content, Format string
	Size            int64 // bytes
	Created         time.Time
	VMID            int // of the guest it belongs to; 0 for images
}

// Content returns what a storage holds of one content type, such as vztmpl.
func (c *Client) Content(ctx context.Context, node, storage, contentType string) ([]Volume, error) {
	type row struct {
		VolID, Content, Format flexString
		Size, CTime, VMID      flexInt
	}
	found, err := rows[row](ctx, c, fmt.Sprintf("list %s on storage %s of %s", contentType, storage, node),
		nodePath(node, "storage", storage, "content"), url.Values{"content": {contentType}})
	volumes := make([]Volume, 0, len(found))
	for _, r := range found {
		volumes = append(volumes, Volume{
			VolID: string(r.VolID), Content: string(r.Content), Format: string(r.Format), Size: int64(r.Size),
			Created: time.Unix(int64(r.CTime), 0).UTC(), VMID: int(r.VMID),
		})
	}
	return volumes, err
}

// DeleteVolume deletes an image. A missing one counts as deleted. The ref is zero when Proxmox was done at once.
func (c *Client) DeleteVolume(ctx context.Context, node, storage, volid string) (TaskRef, error) {
	upid, err := c.send(ctx, fmt.Sprintf("delete %s on %s", volid, node), http.MethodDelete,
		nodePath(node, "storage", storage, "content", volid), nil)
	if err != nil || upid == "" {
		return TaskRef{}, err
	}
	return refOf(upid)
}

var forbiddenInName = regexp.MustCompile(`[^a-zA-Z0-9_.-]`)

// TemplateName is the name under which Proxmox stores a pulled or uploaded image: the last path segment, odd characters
// replaced, with ".tar" at its end.
func TemplateName(name string) string {
	name = strings.TrimSuffix(name, ".tar")
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	return forbiddenInName.ReplaceAllString(name, "_") + ".tar"
}

// TemplateVolume is the volume ID of an image on a storage, as Create takes it.
func TemplateVolume(storage, name string) string { return storage + ":vztmpl/" + TemplateName(name) }

// Pull lets the node fetch a public image from its registry. The reference needs a tag: Proxmox takes no digests. The filename should be
// unique for what is pulled, as images of two registries may share a name. When the storage has that file already, the ref is zero.
func (c *Client) Pull(ctx context.Context, node, storage, reference, filename string) (TaskRef, error) {
	what := fmt.Sprintf("pull %s to storage %s of %s", reference, storage, node)
	if strings.Contains(reference, "@") {
		return TaskRef{}, domain.Errorf(domain.Invalid, "%s: Proxmox cannot pull by digest; upload the image instead", what)
	}
	file := TemplateName(filename)
	ref, err := c.dispatch(ctx, what, http.MethodPost, nodePath(node, "storage", storage, "oci-registry-pull"),
		map[string]any{"reference": reference, "filename": strings.TrimSuffix(file, ".tar")}) // Proxmox adds the .tar
	if err == nil || Classify(err).Name != rowPullCollides {
		return ref, err
	}
	if there, listErr := c.hasTemplate(ctx, node, storage, file); listErr != nil || !there {
		return TaskRef{}, err
	}
	return TaskRef{}, nil
}

func (c *Client) hasTemplate(ctx context.Context, node, storage, file string) (bool, error) {
	volumes, err := c.Content(ctx, node, storage, "vztmpl")
	return slices.ContainsFunc(volumes, func(v Volume) bool { return v.VolID == TemplateVolume(storage, file) }), err
}

// Upload sends an image of size bytes to a storage. body must be at its start.
//
// The library's upload takes no context and its form fields come in random order; Proxmox wants the length and the file last.
func (c *Client) Upload(ctx context.Context, node, storage, filename string, body io.ReadSeeker, size int64) (TaskRef, error) {
	what := fmt.Sprintf("upload %s to storage %s of %s", filename, storage, node)
	head, tail, contentType, err := uploadForm(TemplateName(filename))
	if err != nil {
		return TaskRef{}, domain.Errorf(domain.Internal, "%s: %w", what, err)
	}
	fresh := func() (io.ReadCloser, error) {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		return io.NopCloser(io.MultiReader(bytes.NewReader(head), io.LimitReader(body, size), bytes.NewReader(tail))), nil
	}
	first, err := fresh()
	if err != nil {
		return TaskRef{}, domain.Errorf(domain.Internal, "%s: %w", what, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+nodePath(node, "storage", storage, "upload"), first)
	if err != nil {
		return TaskRef{}, domain.Errorf(domain.Internal, "%s: %w", what, err)
	}
	req.GetBody, req.ContentLength = fresh, int64(len(head)+len(tail))+size
	req.Header.Set("Content-Type", contentType)
	res, err := c.http.Do(req)
	if err != nil {
		return TaskRef{}, wrap(what, true, err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct{ Data flexString }
	if err = json.NewDecoder(res.Body).Decode(&answer); err == nil {
		var ref TaskRef
		if ref, err = refOf(string(answer.Data)); err == nil {
			return ref, nil
		}
	}
	return TaskRef{}, domain.Errorf(domain.UnknownOutcome, "%s: Proxmox accepted it without naming a task: %w", what, err)
}

func uploadForm(filename string) (head, tail []byte, contentType string, err error) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	err = w.WriteField("content", "vztmpl")
	if err == nil {
		_, err = w.CreateFormFile("filename", filename)
	}
	n := b.Len()
	err = errors.Join(err, w.Close())
	return b.Bytes()[:n], b.Bytes()[n:], w.FormDataContentType(), err
}
