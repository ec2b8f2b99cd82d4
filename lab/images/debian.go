package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"berth/domain"
	"berth/lab/guest"
)

// bootstrap makes Debian's root file system as a tar. Documentation and translations are left out: half the size.
var bootstrap = []string{
	"--mode=root", "--variant=minbase", "--format=tar", "--quiet",
	"--include=systemd,systemd-sysv,dbus,iproute2,ifupdown,isc-dhcp-client,openssh-server,ca-certificates",
	"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
	"--dpkgopt=path-exclude=/usr/share/locale/*", `--aptopt=Acquire::Languages "none"`,
	// Every guest has keys and a machine ID of its own, made at its first boot.
	`--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*`,
	`--customize-hook=: >"$1/etc/machine-id"`,
	`--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf" "$1/var/lib/dbus/machine-id"`,
	// A guest must not mount the kernel's file systems, and has no terminal but its console.
	`--customize-hook=for unit in sys-kernel-debug.mount sys-kernel-config.mount sys-kernel-tracing.mount dev-hugepages.mount ` +
		`systemd-udevd.service apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer; do ` +
		`ln -sf /dev/null "$1/etc/systemd/system/$unit"; done`,
	"bookworm", "-",
}

// debianFiles are laid over the bootstrapped system.
var debianFiles = []file{
	{"etc/network/interfaces", 0o644, []byte("auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n")},
	{"etc/ssh/sshd_config.d/", 0o755, nil},
	{"etc/ssh/sshd_config.d/keys-only.conf", 0o644, []byte("PermitRootLogin prohibit-password\nPasswordAuthentication no\n" +
		"UseDNS no\n")},
	{"etc/systemd/system/ssh.service.d/", 0o755, nil},
	{"etc/systemd/system/ssh.service.d/host-keys.conf", 0o644, []byte("[Service]\nExecStartPre=\n" +
		"ExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n")},
	{"root/.ssh/", 0o700, nil},
}

func debian() recipe {
	config := v1.Config{
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Cmd:        []string{"/sbin/init"}, // what makes Proxmox VE treat the guest as a whole system
		StopSignal: "SIGRTMIN+3",
		Labels:     map[string]string{"org.opencontainers.image.title": "debian", "org.opencontainers.image.version": "12"},
	}
	return recipe{
		version: version([]byte(strings.Join(bootstrap, "\n")), fmt.Append(nil, debianFiles), fmt.Append(nil, config)),
		build: func(ctx context.Context, logf guest.Logf) (v1.Image, func() error, error) {
			return buildDebian(ctx, config, logf)
		},
	}
}

func buildDebian(ctx context.Context, config v1.Config, logf guest.Logf) (v1.Image, func() error, error) {
	dir, err := os.MkdirTemp("", "berth-debian-*")
	if err != nil {
		return nil, nil, fmt.Errorf("make a folder: %w", err)
	}
	clean := func() error { return os.RemoveAll(dir) }
	base := filepath.Join(dir, "base.tar")
	if err := runBootstrap(ctx, base, logf); err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	upper, err := layerOf(debianFiles)
	if err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	// Read again when the image is written: the system is too big for memory.
	image, err := assemble(config, func() (io.ReadCloser, error) { return os.Open(base) }, bytesOpener(upper))
	if err != nil {
		return nil, nil, errors.Join(err, clean())
	}
	return image, clean, nil
}

func runBootstrap(ctx context.Context, to string, logf guest.Logf) (err error) {
	out, err := os.Create(to)
	if err != nil {
		return fmt.Errorf("bootstrap Debian: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	cmd := exec.CommandContext(ctx, "mmdebstrap", bootstrap...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, &said, time.Second
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return domain.Errorf(domain.Unavailable,
			"bootstrap Debian with mmdebstrap (needs root and Debian's package server): %w: %s", err, tail(said.String()))
	}
	logf("bootstrapped Debian 12 in %s", time.Since(began).Round(time.Second))
	return nil
}

// tail is the end of a tool's output, where it says what went wrong.
func tail(text string) string {
	const most = 2000
	text = strings.TrimSpace(text)
	return text[max(0, len(text)-most):]
}
