package domain_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/domain"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParseImage(t *testing.T) {
	for in, want := range map[string]struct {
		image domain.Image
		full  string
	}{
		"debian":    {domain.Image{Registry: "docker.io", Repository: "library/debian", Tag: "latest"}, "docker.io/library/debian:latest"},
		"debian:12": {domain.Image{Registry: "docker.io", Repository: "library/debian", Tag: "12"}, "docker.io/library/debian:12"},
		"docker.io/debian:12": {
			domain.Image{Registry: "docker.io", Repository: "library/debian", Tag: "12"}, "docker.io/library/debian:12",
		},
		"grafana/grafana": {
			domain.Image{Registry: "docker.io", Repository: "grafana/grafana", Tag: "latest"}, "docker.io/grafana/grafana:latest",
		},
		"ghcr.io/a/b-c/d__e:V1.0_x": {
			domain.Image{Registry: "ghcr.io", Repository: "a/b-c/d__e", Tag: "V1.0_x"}, "ghcr.io/a/b-c/d__e:V1.0_x",
		},
		"127.0.0.1:5000/tiny": {
			domain.Image{Registry: "127.0.0.1:5000", Repository: "tiny", Tag: "latest"}, "127.0.0.1:5000/tiny:latest",
		},
		"localhost/tiny:1": {domain.Image{Registry: "localhost", Repository: "tiny", Tag: "1"}, "localhost/tiny:1"},
		"ghcr.io/a/b@" + digest: {
			domain.Image{Registry: "ghcr.io", Repository: "a/b", Digest: digest}, "ghcr.io/a/b@" + digest,
		},
		"debian:12@" + digest: { // the digest is what counts
			domain.Image{Registry: "docker.io", Repository: "library/debian", Digest: digest}, "docker.io/library/debian@" + digest,
		},
		"template:local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst": {
			domain.Image{Template: "local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst"},
			"template:local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst",
		},
	} {
		t.Run(in, func(t *testing.T) {
			got, err := domain.ParseImage(in)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			if d := cmp.Diff(want.image, got); d != "" {
				t.Errorf("differs (-want +got):\n%s", d)
			}
			if got.String() != want.full {
				t.Errorf("is %s in full, want %s", got, want.full)
			}
			if got.IsTemplate() != strings.HasPrefix(in, "template:") {
				t.Errorf("IsTemplate says %v", got.IsTemplate())
			}
			if again, err := domain.ParseImage(got.String()); err != nil || again != got {
				t.Errorf("its full name parses to %+v, %v; want the same image", again, err)
			}
		})
	}
}

func TestParseImageRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                                       "must be given",
		"Debian":                                 "lower case",
		"debian 12":                              "must be an OCI reference",
		"debian:":                                "must have a tag",
		"debian:a b":                             "must have a tag",
		"debian:-x":                              "must have a tag",
		"debian:" + strings.Repeat("x", 129):     "must have a tag",
		"a//b":                                   "must be an OCI reference",
		"/debian":                                "must be an OCI reference",
		"debian/":                                "must be an OCI reference",
		"ghcr.io/":                               "must be an OCI reference",
		"ghcr.io/../b":                           "must be an OCI reference",
		"ghcr.io:port/a":                         "must name the registry",
		"-x.io/a":                                "must name the registry",
		"user:pass@ghcr.io/a":                    "must have a digest",
		"https://ghcr.io/a":                      "must name the registry",
		"debian@sha256:0123":                     "must have a digest",
		"debian@" + strings.ToUpper(digest):      "must have a digest",
		"debian@sha512:" + digest[7:]:            "must have a digest",
		"debian\n":                               "must be an OCI reference",
		"debian;reboot":                          "must be an OCI reference",
		"template:":                              "must name a CT template",
		"template:debian-12.tar.zst":             "must name a CT template",
		"template:local:iso/debian.iso":          "must name a CT template",
		"template:local:vztmpl/../../etc/passwd": "must name a CT template",
		"template:local:vztmpl/a b.tar":          "must name a CT template",
		"template:local:vztmpl/sub/debian.tar.gz": "must name a CT template",
	} {
		t.Run(in, func(t *testing.T) {
			got, err := domain.ParseImage(in)
			if err == nil {
				t.Fatalf("taken as %+v, want it refused", got)
			}
			if !strings.Contains(err.Error(), want) {
				t.Errorf("refused with %q, want %q", err, want)
			}
		})
	}
}

func TestImageFileName(t *testing.T) {
	other := "sha256:" + strings.Repeat("f", 64)
	for _, c := range []struct{ image, digest, want string }{
		{"debian:12", digest, "berth-debian-0123456789abcdef"},
		{"ghcr.io/a/web.server_x:1", digest, "berth-web.server_x-0123456789abcdef"},
		{"debian:12", other, "berth-debian-ffffffffffffffff"},
	} {
		i, err := domain.ParseImage(c.image)
		if err != nil {
			t.Fatal(err)
		}
		if got := i.FileName(c.digest); got != c.want {
			t.Errorf("%s is kept as %s, want %s", c.image, got, c.want)
		}
	}
}
