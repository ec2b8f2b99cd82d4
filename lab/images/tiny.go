package images

import (
	"bytes"
	"context"
	"debug/elf"
	_ "embed" // for the start script
	"fmt"
	"os"
	"os/exec"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"berth/domain"
	"berth/lab/guest"
)

//go:embed tiny.sh
var tinyScript []byte

// tiny is a web server of one static program: the host's busybox (Debian's busybox-static).
func tiny(tag, greeting string) recipe {
	config := v1.Config{
		Env: []string{
			"PATH=/bin", "LANG=C.UTF-8", "GREETING=" + greeting, "TINY_VERSION=" + tag,
		},
		Entrypoint:   []string{"/bin/start"},
		Cmd:          []string{"-p", "80"},
		WorkingDir:   "/www",
		ExposedPorts: map[string]struct{}{"80/tcp": {}},
		StopSignal:   "SIGTERM",
		Labels:       map[string]string{"org.opencontainers.image.title": "tiny", "org.opencontainers.image.version": tag},
	}
	return recipe{
		version: version(tinyScript, fmt.Append(nil, config)),
		build: func(context.Context, guest.Logf) (v1.Image, func() error, error) {
			busybox, err := staticBusybox()
			if err != nil {
				return nil, nil, err
			}
			layer, err := layerOf([]file{
				{"bin/", 0o755, nil},
				{"bin/busybox", 0o755, busybox},
				{"bin/sh", 0o755, []byte("#!/bin/busybox sh\nexec /bin/busybox sh \"$@\"\n")},
				{"bin/start", 0o755, tinyScript},
				{"etc/", 0o755, nil},
				{"etc/passwd", 0o644, []byte("root:x:0:0:root:/:/bin/sh\nwww:x:33:33:www:/www:/bin/sh\n")},
				{"etc/group", 0o644, []byte("root:x:0:\nwww:x:33:\n")},
				{"www/", 0o755, nil},
				{"tmp/", 0o1777, nil},
			})
			if err != nil {
				return nil, nil, err
			}
			image, err := assemble(config, bytesOpener(layer))
			return image, func() error { return nil }, err
		},
	}
}

// staticBusybox reads the host's busybox, which must be able to run without any library.
func staticBusybox() ([]byte, error) {
	at, err := exec.LookPath("busybox")
	if err != nil {
		return nil, domain.Errorf(domain.Unavailable, "busybox is missing (Debian: apt-get install busybox-static)")
	}
	raw, err := os.ReadFile(at)
	if err != nil {
		return nil, fmt.Errorf("read busybox: %w", err)
	}
	program, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", at, err)
	}
	for _, part := range program.Progs {
		if part.Type == elf.PT_INTERP { // names the dynamic linker
			return nil, domain.Errorf(domain.Unavailable, "%s needs shared libraries (Debian: apt-get install busybox-static)", at)
		}
	}
	return raw, nil
}
