package images_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"

	"berth/lab/images"
	"berth/lab/registry"
)

// cache is shared by the tests of the lab, so that Debian is bootstrapped once.
func cache() string { return filepath.Join(os.TempDir(), "berth-test-images") }

func TestBuildAndPush(t *testing.T) {
	if err := images.Build(t.Context(), cache(), t.Logf); err != nil {
		t.Fatal(err)
	}
	building := 0
	if err := images.Build(t.Context(), cache(), func(string, ...any) { building++ }); err != nil || building != 0 {
		t.Errorf("a second Build builds %d times, %v", building, err)
	}
	r, err := registry.Start(registry.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := images.Push(t.Context(), cache(), r.Address(), t.Logf); err != nil {
		t.Fatal(err)
	}
	for _, i := range images.List() {
		name, tag, _ := strings.Cut(i.Reference, ":")
		tags, err := registry.Skopeo{}.Tags(t.Context(), r.Address()+"/"+name)
		if err != nil || !strings.Contains(" "+strings.Join(tags, " ")+" ", " "+tag+" ") {
			t.Errorf("%s: tags are %q, %v", i.Reference, tags, err)
		}
		image, err := i.Load(cache())
		if err != nil {
			t.Fatal(err)
		}
		manifest, err := image.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		if manifest.MediaType != types.OCIManifestSchema1 || manifest.Config.MediaType != types.OCIConfigJSON {
			t.Errorf("%s: media types are %s and %s", i.Reference, manifest.MediaType, manifest.Config.MediaType)
		}
		for _, layer := range manifest.Layers {
			if layer.MediaType != types.OCILayer {
				t.Errorf("%s: a layer has the media type %s", i.Reference, layer.MediaType)
			}
		}
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		first := append(append([]string{}, config.Config.Entrypoint...), config.Config.Cmd...)
		if isInit := first[0] == "/sbin/init"; isInit != (i.Entrypoint == "init") {
			t.Errorf("%s: runs %q, but is listed as %s", i.Reference, first, i.Entrypoint)
		}
		if len(config.Config.Env) == 0 || config.OS != "linux" || config.Architecture == "" {
			t.Errorf("%s: configuration is %+v", i.Reference, config)
		}
	}
}

func TestPushOfWhatIsNotBuilt(t *testing.T) {
	err := images.Push(t.Context(), t.TempDir(), "127.0.0.1:1", t.Logf)
	if err == nil || !strings.Contains(err.Error(), "is not built") {
		t.Errorf("Push = %v", err)
	}
}

func TestBuildLeavesNothingBehindWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	debian := images.List()[2:]
	if err := images.BuildOnly(ctx, dir, debian, t.Logf); err == nil {
		t.Error("a cancelled build is no error")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("a cancelled build leaves %v, %v", left, err)
	}
}
