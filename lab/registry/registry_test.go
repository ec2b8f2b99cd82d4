package registry_test

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"berth/domain"
	"berth/lab/registry"
)

func start(t *testing.T) *registry.Registry {
	t.Helper()
	r, err := registry.Start(registry.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func push(t *testing.T, reference string) {
	t.Helper()
	image, err := random.Image(1<<16, 2)
	if err != nil {
		t.Fatal(err)
	}
	image = mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), types.OCIConfigJSON)
	tag, err := name.NewTag(reference, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, image); err != nil {
		t.Fatal(err)
	}
}

// log collects the lines of a task's log.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) f(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

func (l *log) has(text string) bool {
	return slices.ContainsFunc(l.lines, func(line string) bool { return strings.Contains(line, text) })
}

func TestPullWritesAnArchiveThatProxmoxAccepts(t *testing.T) {
	r := start(t)
	push(t, r.Address()+"/some/app:1")
	var out log
	dir := t.TempDir()
	archive := filepath.Join(dir, "app.tar")
	if err := (registry.Skopeo{}).Pull(t.Context(), r.Address()+"/some/app:1", archive, out.f); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kinds := map[string]bool{}
	for entries := tar.NewReader(f); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if top, _, below := strings.Cut(h.Name, "/"); below {
			kinds[top+"/"] = true
		} else {
			kinds[h.Name] = true
		}
	}
	if len(kinds) != 3 || !kinds["oci-layout"] || !kinds["index.json"] || !kinds["blobs/"] {
		t.Errorf("the archive holds %v, want oci-layout, index.json and blobs/ alone", kinds)
	}
	if !out.has("Copying blob sha256:") || !out.has("Writing manifest") {
		t.Errorf("the log is %q", out.lines)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("beside the archive: %v, %v", left, err)
	}
}

func TestPullFailsAsOnProxmox(t *testing.T) {
	r := start(t)
	push(t, r.Address()+"/app:1")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for reference, want := range map[string]string{
		r.Address() + "/app:2":    "manifest unknown",
		r.Address() + "/nobody:1": "name unknown",
		nobody + "/app:1":         "connection refused",
	} {
		var out log
		dir := t.TempDir()
		err := registry.Skopeo{}.Pull(t.Context(), reference, filepath.Join(dir, "app.tar"), out.f)
		begin := fmt.Sprintf("command 'skopeo copy docker://%s oci-archive:%s/app.tar.tmp.", reference, dir)
		if err == nil || !strings.HasPrefix(err.Error(), begin) || !strings.HasSuffix(err.Error(), "' failed: exit code 1") {
			t.Errorf("%s: Pull = %v", reference, err)
		}
		if !out.has(want) || !out.has("level=fatal") {
			t.Errorf("%s: the log is %q, want %q in it", reference, out.lines, want)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%s: a failed pull leaves %v, %v", reference, left, err)
		}
	}
}

func TestPullIsCancelled(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := silent.Accept(); err == nil {
			cancel()
			defer c.Close()
			_, _ = io.Copy(io.Discard, c) // until the caller hangs up
		}
	}()
	err = registry.Skopeo{}.Pull(ctx, silent.Addr().String()+"/app:1", filepath.Join(t.TempDir(), "app.tar"), t.Logf)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Pull = %v, want it cancelled", err)
	}
}

func TestTags(t *testing.T) {
	r := start(t)
	push(t, r.Address()+"/app:1")
	push(t, r.Address()+"/app:1.2")
	tags, err := registry.Skopeo{}.Tags(t.Context(), r.Address()+"/app")
	if err != nil || !slices.Equal(tags, []string{"1", "1.2"}) {
		t.Errorf("Tags = %q, %v", tags, err)
	}
	if _, err := (registry.Skopeo{}).Tags(t.Context(), r.Address()+"/none"); !domain.Is(err, domain.Permanent) {
		t.Errorf("Tags of an unknown repository = %v", err)
	}
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	for _, listen := range []string{"0.0.0.0:0", ":0", "198.18.0.1:0", "nonsense"} {
		if _, err := registry.Start(registry.Config{Dir: t.TempDir(), Listen: listen}); !domain.Is(err, domain.Invalid) {
			t.Errorf("Start(%q) = %v, want it refused", listen, err)
		}
	}
	if err := (registry.Skopeo{}).Pull(t.Context(), "127.0.0.1:1/app:1", "/a:b.tar", t.Logf); !domain.Is(err, domain.Invalid) {
		t.Errorf("a path with a colon gives %v", err)
	}
	r := start(t)
	if _, err := registry.Start(registry.Config{Dir: t.TempDir(), Listen: r.Address()}); err == nil {
		t.Error("an address that is taken is served twice")
	}
}
