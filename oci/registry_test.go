package oci_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"berth/domain"
	"berth/guarded"
	"berth/oci"
)

// serve starts a server on loopback, and returns its address with a Registry that may dial it.
func serve(t *testing.T, handler http.Handler) (string, oci.Registry) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	transport := guarded.Dialer{Allow: []string{address}}.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	return address, oci.Registry{Transport: transport}
}

// inMemory starts a registry that holds nothing.
func inMemory(t *testing.T) (string, oci.Registry) {
	t.Helper()
	return serve(t, registry.New(registry.Logger(log.New(io.Discard, "", 0))))
}

func parse(t *testing.T, reference string) domain.Image {
	t.Helper()
	i, err := domain.ParseImage(reference)
	if err != nil {
		t.Fatalf("%s: %v", reference, err)
	}
	return i
}

// web makes an image of two layers for an architecture.
func web(t *testing.T, architecture string) v1.Image {
	t.Helper()
	img, err := random.Image(1024, 2)
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	config.Config = v1.Config{
		Entrypoint: []string{"/bin/start"}, Cmd: []string{"--port", "80"}, Env: []string{"PATH=/bin"},
		Labels: map[string]string{"org.example": "web"}, ExposedPorts: map[string]struct{}{"80/tcp": {}, "443/tcp": {}},
	}
	img, err = mutate.ConfigFile(img, config)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// indexOf makes an index of one image per architecture.
func indexOf(images map[string]v1.Image) v1.ImageIndex {
	index := v1.ImageIndex(empty.Index)
	for architecture, img := range images {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}},
		})
	}
	return index
}

func reference(t *testing.T, full string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(full)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func push(t *testing.T, full string, img v1.Image) {
	t.Helper()
	if err := remote.Write(reference(t, full), img); err != nil {
		t.Fatalf("push %s: %v", full, err)
	}
}

func digestOf(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func TestInspect(t *testing.T) {
	host, reg := inMemory(t)
	img := web(t, "amd64")
	push(t, host+"/a/web:1", img)
	manifest, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	byTag, byDigest := host+"/a/web:1", host+"/a/web@"+digestOf(t, img)
	for _, full := range []string{byTag, byDigest} {
		got, err := reg.Inspect(t.Context(), parse(t, full))
		if err != nil {
			t.Fatalf("%s: %v", full, err)
		}
		want := domain.ImageInfo{
			Reference: full, Digest: digestOf(t, img), Platform: "linux/amd64", Layers: 2,
			Size:       manifest.Layers[0].Size + manifest.Layers[1].Size,
			Entrypoint: []string{"/bin/start", "--port", "80"}, Env: []string{"PATH=/bin"},
			Ports: []string{"443/tcp", "80/tcp"}, Labels: map[string]string{"org.example": "web"},
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s differs (-want +got):\n%s", full, d)
		}
	}
}

func TestInspectChoosesThePlatform(t *testing.T) {
	host, reg := inMemory(t)
	images := map[string]v1.Image{"amd64": web(t, "amd64"), "arm64": web(t, "arm64")}
	if err := remote.WriteIndex(reference(t, host+"/web:multi"), indexOf(images)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		platform v1.Platform
		want     string
	}{
		{"the nodes' by default", v1.Platform{}, "amd64"},
		{"the one asked for", v1.Platform{OS: "linux", Architecture: "arm64"}, "arm64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			reg := oci.Registry{Transport: reg.Transport, Platform: c.platform}
			got, err := reg.Inspect(t.Context(), parse(t, host+"/web:multi"))
			if err != nil {
				t.Fatal(err)
			}
			if want := digestOf(t, images[c.want]); got.Digest != want || got.Platform != "linux/"+c.want {
				t.Errorf("chose %s for %s, want %s for linux/%s", got.Digest, got.Platform, want, c.want)
			}
		})
	}
}

// refusing answers the registry's greeting, and everything else with a status.
func refusing(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/" {
			w.WriteHeader(status)
		}
	})
}

func TestRefusals(t *testing.T) {
	host, reg := inMemory(t)
	push(t, host+"/web:1", web(t, "amd64"))
	if err := remote.WriteIndex(reference(t, host+"/web:arm"), indexOf(map[string]v1.Image{"arm64": web(t, "arm64")})); err != nil {
		t.Fatal(err)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	nobody := strings.TrimPrefix(closed.URL, "http://")
	closed.Close()
	// answering starts a registry that refuses every image with a status.
	answering := func(status int) (oci.Registry, string) {
		at, reg := serve(t, refusing(status))
		return reg, at + "/web:1"
	}
	type refusal struct {
		name      string
		reg       oci.Registry
		reference string
		want      domain.Kind
		words     string
	}
	cases := []refusal{
		{"no such tag", reg, host + "/web:2", domain.Permanent, "does not exist in its registry"},
		{"no such repository", reg, host + "/other:1", domain.Permanent, "does not exist in its registry"},
		{"no such digest", reg, host + "/web@sha256:" + strings.Repeat("0", 64), domain.Permanent, "does not exist in its registry"},
		{"other platform", reg, host + "/web:arm", domain.Permanent, "is not made for linux/amd64"},
		{"address of our own host", oci.Registry{Transport: guarded.Dialer{}.Transport()}, host + "/web:1", domain.Forbidden, "is not allowed"},
		{
			"nobody listens",
			oci.Registry{Transport: guarded.Dialer{Allow: []string{nobody}}.Transport()},
			nobody + "/web:1",
			domain.Unavailable, "does not answer as it should",
		},
	}
	for status, want := range map[int]refusal{
		http.StatusUnauthorized:        {want: domain.Permanent, words: "asks for a login"},
		http.StatusForbidden:           {want: domain.Permanent, words: "asks for a login"},
		http.StatusTooManyRequests:     {want: domain.Limited, words: "too many requests"},
		http.StatusTeapot:              {want: domain.Permanent, words: "refuses image"},
		http.StatusNotImplemented:      {want: domain.Unavailable, words: "does not answer as it should"},
		http.StatusInsufficientStorage: {want: domain.Unavailable, words: "does not answer as it should"},
	} {
		c := refusal{name: http.StatusText(status), want: want.want, words: want.words}
		c.reg, c.reference = answering(status)
		cases = append(cases, c)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.reg.Inspect(t.Context(), parse(t, c.reference))
			if !domain.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("ends with %v (%v), want %v that says %q", err, domain.KindOf(err), c.want, c.words)
			}
		})
	}
}

func TestTemplatesAreInNoRegistry(t *testing.T) {
	_, err := oci.Registry{}.Inspect(t.Context(), parse(t, "template:local:vztmpl/debian-12.tar.zst"))
	if !domain.Is(err, domain.Invalid) {
		t.Errorf("ends with %v, want it refused as invalid", err)
	}
}

func TestInspectEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{}, 1)
	host, reg := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- struct{}{}:
		default:
		}
		<-r.Context().Done()
	}))
	go func() {
		<-asked
		cancel()
	}()
	if _, err := reg.Inspect(ctx, parse(t, host+"/web:1")); !domain.Is(err, domain.Unavailable) {
		t.Errorf("ends with %v, want unavailable", err)
	}
}
