package domain

import (
	"errors"
	"path"
	"regexp"
	"strings"
)

// Image is a parsed image reference: an OCI reference, or a CT template that a node already has.
type Image struct {
	Template   string // volume ID such as "local:vztmpl/debian-12.tar.zst"; empty for OCI
	Registry   string // such as "docker.io" or "127.0.0.1:5000"
	Repository string // such as "library/debian"
	Tag        string // empty when Digest is set
	Digest     string // "sha256:..."; empty when the reference has a tag
}

const templatePrefix = "template:"

var (
	repositoryPart = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$`)
	registryName   = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]{1,5})?$`)
	tagName        = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	sha256Digest   = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	templateVolume = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*:vztmpl/[A-Za-z0-9][A-Za-z0-9._+-]*$`)
)

// ParseImage parses an OCI reference as people write it ("debian", "debian:12", "ghcr.io/a/b@sha256:...") or
// "template:<volid>". The error is a rule in words, fit for a FieldError.
func ParseImage(s string) (Image, error) {
	if volume, ok := strings.CutPrefix(s, templatePrefix); ok {
		if !templateVolume.MatchString(volume) {
			return Image{}, errors.New("must name a CT template, such as template:local:vztmpl/debian-12-standard_12.12-1_amd64.tar.zst")
		}
		return Image{Template: volume}, nil
	}
	if s == "" {
		return Image{}, errors.New("must be given: an OCI reference such as docker.io/library/debian:12")
	}
	rest, digest, hasDigest := strings.Cut(s, "@")
	if hasDigest && !sha256Digest.MatchString(digest) {
		return Image{}, errors.New("must have a digest of the form sha256: and 64 hexadecimal digits")
	}
	img := Image{Digest: digest, Registry: dockerHub}
	if first, remainder, ok := strings.Cut(rest, "/"); ok && namesRegistry(first) {
		if !registryName.MatchString(first) {
			return Image{}, errors.New("must name the registry as host or host:port")
		}
		img.Registry, rest = first, remainder
	}
	name, tag, hasTag := strings.Cut(rest, ":")
	if hasTag && !tagName.MatchString(tag) {
		return Image{}, errors.New("must have a tag of at most 128 letters, digits, _, . and -")
	}
	for part := range strings.SplitSeq(name, "/") {
		if !repositoryPart.MatchString(part) {
			return Image{}, errors.New("must be an OCI reference such as docker.io/library/debian:12; repository names are lower case")
		}
	}
	if img.Registry == dockerHub && !strings.Contains(name, "/") {
		name = "library/" + name
	}
	img.Repository, img.Tag = name, tag
	if img.Tag == "" && !hasDigest {
		img.Tag = "latest"
	}
	if hasDigest {
		img.Tag = ""
	}
	return img, nil
}

// IsTemplate reports whether the image is a CT template.
func (i Image) IsTemplate() bool { return i.Template != "" }

// String returns the full reference, with registry and tag or digest.
func (i Image) String() string {
	if i.IsTemplate() {
		return templatePrefix + i.Template
	}
	ref := i.Registry + "/" + i.Repository
	if i.Digest != "" {
		return ref + "@" + i.Digest
	}
	return ref + ":" + i.Tag
}

// FileName returns the name, without ".tar", under which a node keeps the image: it carries the digest, so that two
// registries, or two states of one tag, never collide. digest is that of the manifest.
func (i Image) FileName(digest string) string {
	short := strings.TrimPrefix(digest, "sha256:")
	if len(short) > 16 {
		short = short[:16]
	}
	name := path.Base(i.Repository)
	return "berth-" + strings.Map(fileRune, name) + "-" + short
}

func fileRune(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
		return r
	}
	return '_'
}

// ImageInfo is what a registry tells about an image.
type ImageInfo struct {
	Reference  string // in full, with registry and tag or digest
	Digest     string // of the manifest for Platform, "sha256:..."
	Platform   string // such as "linux/amd64"
	Size       int64  // bytes of all layers, compressed
	Layers     int
	Entrypoint []string // Entrypoint and Cmd joined
	Env        []string // "KEY=value"
	Ports      []string // exposed ports such as "80/tcp"
	Labels     map[string]string
}

// CatalogueImage is an image that administrators recommend.
type CatalogueImage struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Reference   string `json:"reference"`
	Description string `json:"description"`
}
