package guest_test

import (
	"archive/tar"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"berth/domain"
	"berth/lab/guest"
)

const roomy = 1 << 24

// unpacker is a runtime that unpacks for real, without a network.
func unpacker(t *testing.T) *guest.LXC {
	t.Helper()
	r, err := guest.NewLXC(guest.LXCConfig{
		Name:      "berth-gt-" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")),
		Namespace: "/proc/self/ns/net",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { check(t, r.Close(context.Background())) })
	return r
}

// files lists what a folder holds: "dir/", "file=content", "link->target".
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	check(t, filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, at)
		switch {
		case err != nil || at == dir:
			return err
		case d.IsDir():
			all = append(all, name+"/")
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(at)
			all = append(all, name+"->"+target)
			return err
		case d.Type().IsRegular():
			raw, err := os.ReadFile(at)
			all = append(all, name+"="+string(raw))
			return err
		default:
			all = append(all, name+"?")
		}
		return nil
	}))
	return all
}

func TestUnpackLayers(t *testing.T) {
	lower := tarOf(t,
		entry{name: "etc/", kind: tar.TypeDir}, entry{name: "etc/passwd", content: "www:x:33:34:::\n", uid: 0},
		entry{name: "etc/group", content: "web:x:44:\n"},
		entry{name: "gone", content: "1"}, entry{name: "dir/a", content: "a"}, entry{name: "dir/b", content: "b"},
		entry{name: "hidden/old", content: "1"}, entry{name: "hidden/sub/old", content: "1"},
		entry{name: "run/", kind: tar.TypeDir}, entry{name: "var/", kind: tar.TypeDir},
		entry{name: "var/run", kind: tar.TypeSymlink, link: "/run"},
		entry{name: "turns", content: "from a file into a folder"},
	)
	upper := tarOf(t,
		entry{name: ".wh.gone"}, entry{name: "dir/.wh.a"}, entry{name: "hidden/sub/", kind: tar.TypeDir},
		entry{name: "hidden/sub/new", content: "2"}, entry{name: "hidden/.wh..wh..opq"},
		entry{name: "dir/hard", kind: tar.TypeLink, link: "dir/b"}, entry{name: "var/run/pid", content: "7"},
		entry{name: "turns/", kind: tar.TypeDir}, entry{name: "su", content: "x", mode: 0o4755, uid: 33},
		entry{name: "dev/kmsg", kind: tar.TypeChar}, entry{name: "pipe", kind: tar.TypeFifo},
	)
	archive := image{layers: [][]byte{lower, upper}, config: map[string]any{
		"Entrypoint": []string{"/srv"}, "Cmd": []string{"-v"}, "Env": []string{"A=b c"}, "User": "www:web", "WorkingDir": "/srv",
		"StopSignal": "SIGQUIT", "Volumes": map[string]any{"/var/run/data": map[string]any{}},
	}}.save(t)
	volume := filepath.Join(t.TempDir(), "volume")
	config, err := unpacker(t).Unpack(t.Context(), volume, archive, roomy, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"dev/", "dir/", "dir/b=b", "dir/hard=b", "etc/", "etc/group=web:x:44:\n", "etc/passwd=www:x:33:34:::\n", "hidden/",
		"hidden/sub/", "hidden/sub/new=2", "pipe?", "run/", "run/data/", "run/pid=7", "su=x", "turns/", "var/", "var/run->/run",
	}
	if diff := cmp.Diff(want, files(t, volume)); diff != "" {
		t.Errorf("volume holds (-want +got):\n%s", diff)
	}
	wantConfig := &guest.ImageConfig{
		Entrypoint: []string{"/srv", "-v"}, Env: []string{"A=b c"}, WorkingDir: "/srv", User: "www:web", UID: 33, GID: 44,
		StopSignal: "SIGQUIT", Volumes: []string{"/var/run/data"},
	}
	if diff := cmp.Diff(wantConfig, config); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	info, err := os.Stat(filepath.Join(volume, "su"))
	if err != nil {
		t.Fatal(err)
	}
	if stat := info.Sys().(*syscall.Stat_t); stat.Uid != 100033 || stat.Gid != 100033 || info.Mode()&fs.ModeSetuid == 0 {
		t.Errorf("su belongs to %d:%d with mode %s", stat.Uid, stat.Gid, info.Mode())
	}
	simulated, err := guest.NewSimulated(guest.SimulatedConfig{}).Unpack(t.Context(), filepath.Join(t.TempDir(), "v"), archive,
		roomy, t.Logf)
	if diff := cmp.Diff(config, simulated); diff != "" || err != nil {
		t.Errorf("the simulated runtime reads another configuration (%v):\n%s", err, diff)
	}
}

func TestUnpackPlainArchives(t *testing.T) {
	raw := tarOf(t, entry{name: "./", kind: tar.TypeDir}, entry{name: "./etc/", kind: tar.TypeDir},
		entry{name: "./etc/.wh.a", content: "kept"}, entry{name: "./bin", kind: tar.TypeSymlink, link: "usr/bin"})
	for name, compress := range map[string][]string{
		"tar": nil, "gzip": {"gzip", "-c"}, "xz": {"xz", "-c"}, "zstd": {"zstd", "-cq"},
	} {
		t.Run(name, func(t *testing.T) {
			volume := filepath.Join(t.TempDir(), "volume")
			config, err := unpacker(t).Unpack(t.Context(), volume, save(t, raw, compress...), roomy, t.Logf)
			if err != nil || config != nil {
				t.Fatalf("Unpack = %v, %v", config, err)
			}
			if diff := cmp.Diff([]string{"bin->usr/bin", "etc/", "etc/.wh.a=kept"}, files(t, volume)); diff != "" {
				t.Errorf("volume holds (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHostileArchivesStayInside(t *testing.T) {
	for name, entries := range map[string][]entry{
		"absolute link":     {{name: "x", kind: tar.TypeSymlink, link: "OUTSIDE"}, {name: "x/evil", content: "1"}},
		"climbing link":     {{name: "x", kind: tar.TypeSymlink, link: "../../../../../../OUTSIDE"}, {name: "x/evil", content: "1"}},
		"link to a link":    {{name: "y", kind: tar.TypeSymlink, link: ".."}, {name: "x", kind: tar.TypeSymlink, link: "y/y/y/OUTSIDE"}, {name: "x/evil", content: "1"}},
		"file over a link":  {{name: "x", kind: tar.TypeSymlink, link: "OUTSIDE/victim"}, {name: "x", content: "1"}},
		"hard link out":     {{name: "x", kind: tar.TypeLink, link: "../../../../../../OUTSIDE/victim"}, {name: "x", content: "1"}},
		"absolute name":     {{name: "OUTSIDE/evil", content: "1"}},
		"whiteout by links": {{name: "x", kind: tar.TypeSymlink, link: "OUTSIDE"}, {name: "x/.wh.victim"}},
		"opaque by links":   {{name: "x", kind: tar.TypeSymlink, link: "OUTSIDE"}, {name: "x/.wh..wh..opq"}},
		"endless links":     {{name: "x", kind: tar.TypeSymlink, link: "x"}, {name: "x/evil", content: "1"}},
		"climbing name":     {{name: "../evil", content: "1"}},
		"climbing inside":   {{name: "a/../../evil", content: "1"}},
		"foreign owner":     {{name: "x", content: "1", uid: 70000}},
	} {
		t.Run(name, func(t *testing.T) {
			outside := t.TempDir()
			check(t, os.WriteFile(filepath.Join(outside, "victim"), []byte("whole"), 0o644))
			for i := range entries {
				entries[i].name = strings.ReplaceAll(entries[i].name, "OUTSIDE", outside)
				entries[i].link = strings.ReplaceAll(entries[i].link, "OUTSIDE", outside)
			}
			parent := t.TempDir()
			archive := image{layers: [][]byte{tarOf(t, entries...)}}.save(t) // an image, so that whiteouts count
			_, err := unpacker(t).Unpack(t.Context(), filepath.Join(parent, "volume"), archive, roomy, t.Logf)
			t.Logf("Unpack = %v", err)
			if refused := []string{"hard link out", "endless links", "climbing name", "climbing inside", "foreign owner"}; err == nil &&
				slices.Contains(refused, name) {
				t.Error("it is not refused")
			}
			if diff := cmp.Diff([]string{"victim=whole"}, files(t, outside)); diff != "" {
				t.Errorf("outside the volume (-want +got):\n%s", diff)
			}
			if names, err := os.ReadDir(parent); err != nil || len(names) != 1 {
				t.Errorf("beside the volume: %v, %v", names, err)
			}
		})
	}
}

func TestRefusedArchives(t *testing.T) {
	layer := tarOf(t, entry{name: "etc/", kind: tar.TypeDir}, entry{name: "etc/passwd", content: "root:x:0:0::/:/bin/sh\n"},
		entry{name: "big", size: 1 << 20})
	ok := image{layers: [][]byte{layer}}
	vary := func(change func(*image)) string { i := ok; change(&i); return i.save(t) }
	for name, c := range map[string]struct {
		archive string
		size    int64
		want    string
	}{
		"image too big":     {ok.save(t), 1 << 20, "Error while extracting OCI image: IO error: "},
		"image just big":    {ok.save(t), 1 << 20, "No space left on device (os error 28)"},
		"tar too big":       {save(t, layer), 1 << 20, "No space left on device"},
		"other machine":     {vary(func(i *image) { i.architecture = "s390x" }), roomy, "Error while parsing OCI image: Unsupported CPU architecture"},
		"docker manifest":   {vary(func(i *image) { i.manifestType = types.DockerManifestSchema2 }), roomy, "Error while parsing OCI image: "},
		"docker layer":      {vary(func(i *image) { i.layerType = types.DockerLayer }), roomy, "Error while parsing OCI image: "},
		"unknown user":      {vary(func(i *image) { i.config = map[string]any{"User": "nobody"} }), roomy, "OCI config value for 'User' has an invalid format"},
		"control character": {vary(func(i *image) { i.config = map[string]any{"Env": []string{"A=\n"}} }), roomy, "OCI config value for 'Env' contains forbidden control characters!"},
		"damaged blob": {vary(func(i *image) {
			i.spoil = func(m map[string][]byte) {
				for name, raw := range m {
					if len(raw) > 1<<20 {
						m[name] = append(slices.Clone(raw), 0)
					}
				}
			}
		}), roomy, "is damaged"},
		"missing blob": {vary(func(i *image) {
			i.spoil = func(m map[string][]byte) {
				for name, raw := range m {
					if len(raw) > 1<<20 {
						delete(m, name)
					}
				}
			}
		}), roomy, "is missing"},
		"broken index": {vary(func(i *image) {
			i.spoil = func(m map[string][]byte) { m["index.json"] = []byte("{") }
		}), roomy, "Error while parsing OCI image: "},
		"docker save, new": {vary(func(i *image) {
			i.spoil = func(m map[string][]byte) { m["manifest.json"] = []byte("[]") }
		}), roomy, "docker save"},
		"docker save, old": {save(t, tarOf(t, entry{name: "manifest.json", content: "[]"}, entry{name: "0a/layer.tar", content: "x"})), roomy, "docker save"},
		"no archive":       {save(t, []byte("hello")), roomy, "not an archive"},
		"cut off":          {save(t, layer[:len(layer)/2]), roomy, "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			runtimes := []guest.Runtime{unpacker(t), guest.NewSimulated(guest.SimulatedConfig{})}
			for _, r := range runtimes {
				_, err := r.Unpack(t.Context(), filepath.Join(t.TempDir(), "v"), c.archive, c.size, t.Logf)
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s: Unpack = %v, want %q in it", r.Kind(), err, c.want)
				}
			}
		})
	}
}

func TestVolumes(t *testing.T) {
	r := unpacker(t)
	archive := save(t, tarOf(t, entry{name: "big", size: 1 << 20}))
	volume := filepath.Join(t.TempDir(), "volume")
	if _, err := r.Unpack(t.Context(), volume, archive, roomy, t.Logf); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Unpack(t.Context(), volume, archive, roomy, t.Logf); !domain.Is(err, domain.Conflict) {
		t.Errorf("a second Unpack = %v, want a conflict", err)
	}
	check(t, r.Resize(t.Context(), volume, 2*roomy))
	if err := r.Resize(t.Context(), volume, 1<<10); !domain.Is(err, domain.Invalid) {
		t.Errorf("Resize below what is used = %v", err)
	}
	if err := r.Resize(t.Context(), volume+"x", roomy); err == nil {
		t.Error("Resize of a volume that does not exist is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Unpack(ctx, volume+"2", archive, roomy, t.Logf); err == nil {
		t.Error("Unpack with a cancelled context is no error")
	}
}
