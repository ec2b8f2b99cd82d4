package proxmox_test

import (
	"errors"
	"mime"
	"mime/multipart"
	"strings"
	"testing"

	"berth/domain"
	"berth/proxmox"
)

const pullKey = "POST /nodes/pve1/storage/local/oci-registry-pull"

func TestPull(t *testing.T) {
	d := newDouble(t, map[string][]answer{
		pullKey:                                 {ok(`"` + upid + `"`), refuse("500 refusing to override existing file 'a_1.tar'")},
		"GET /nodes/pve1/storage/local/content": {ok(`[{"volid":"local:vztmpl/a_1.tar","size":"5","ctime":"7"}]`), ok("[]")},
	})
	c := client(t, config(d.URL))
	if r, err := c.Pull(t.Context(), "pve1", "local", "r/a:1", "a:1.tar"); err != nil || r != ref {
		t.Error(r, err)
	}
	if p := params(t, d.calls("")[0]); p["filename"] != "a_1" || p["reference"] != "r/a:1" {
		t.Errorf("sent %v", p)
	}
	if r, err := c.Pull(t.Context(), "pve1", "local", "r/a:1", "a:1"); err != nil || !r.IsZero() {
		t.Errorf("image is there already: %v, %v", r, err)
	}
	if _, err := c.Pull(t.Context(), "pve1", "local", "r/a:1", "a:1"); !domain.Is(err, domain.Conflict) {
		t.Errorf("a file that is no listed image: %v", err)
	}
	if _, err := c.Pull(t.Context(), "pve1", "local", "r/a@sha256:00", "a"); !domain.Is(err, domain.Invalid) {
		t.Errorf("digest: %v", err)
	}
	if got := proxmox.TemplateVolume("local", "docker.io/library/alpine:3.20"); got != "local:vztmpl/alpine_3.20.tar" {
		t.Error(got)
	}
}

// seekless fails to rewind.
type seekless struct{ *strings.Reader }

func (seekless) Seek(int64, int) (int64, error) { return 0, errors.New("cannot rewind") }

func TestUploadSendsLengthAndFileLast(t *testing.T) {
	d := newDouble(t, map[string][]answer{"POST /nodes/pve1/storage/local/upload": {ok(`"` + upid + `"`), {drop: true}}})
	c := client(t, config(deadEndpoint(t), d.URL))
	r, err := c.Upload(t.Context(), "pve1", "local", "a.tar", strings.NewReader("content of it"), 13)
	if err != nil || r != ref {
		t.Fatal(r, err)
	}
	sent := d.calls("")[0]
	if sent.header.Get("Transfer-Encoding") != "" || sent.header.Get("Content-Length") == "" {
		t.Errorf("headers %v", sent.header)
	}
	_, p, _ := mime.ParseMediaType(sent.header.Get("Content-Type"))
	form := multipart.NewReader(strings.NewReader(sent.body), p["boundary"])
	var names []string
	for part, err := form.NextPart(); err == nil; part, err = form.NextPart() {
		names = append(names, part.FormName()+"="+part.FileName())
	}
	if strings.Join(names, " ") != "content= filename=a.tar" || !strings.Contains(sent.body, "content of it") {
		t.Errorf("form %v", names)
	}
	if _, err := c.Upload(t.Context(), "pve1", "local", "a.tar", strings.NewReader("x"), 1); !domain.Is(err, domain.UnknownOutcome) {
		t.Errorf("dropped upload: %v", err)
	}
	if _, err := c.Upload(t.Context(), "pve1", "local", "a.tar", seekless{strings.NewReader("x")}, 1); err == nil {
		t.Error("a body that cannot be rewound was sent")
	}
}
