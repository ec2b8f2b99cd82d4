package registry

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"berth/domain"
	"berth/lab/guest"
)

// Skopeo fetches images with Debian's skopeo, as Proxmox VE does. Registries on loopback are used without TLS, others only
// with a certificate that the machine trusts; nothing in /etc is read or changed for that.
type Skopeo struct {
	Program string // "" means skopeo from the PATH
}

// Pull writes the image of reference (host/path:tag) to dstTar as an OCI archive, by way of a temporary file beside it. logf
// gets what skopeo prints. A failure reads as in Proxmox VE: `command 'skopeo copy ...' failed: exit code 1`.
func (s Skopeo) Pull(ctx context.Context, reference, dstTar string, logf guest.Logf) error {
	if strings.Contains(dstTar, ":") {
		return domain.Errorf(domain.Invalid, "path %q: skopeo takes what follows a colon for a tag", dstTar)
	}
	temporary, err := reserve(dstTar)
	if err != nil {
		return err
	}
	shown := []string{"skopeo", "copy", "docker://" + reference, "oci-archive:" + temporary}
	args := []string{"copy", "--src-tls-verify=" + fmt.Sprint(!local(reference)), shown[2], shown[3]}
	cmd := s.command(ctx, args...)
	cmd.Env = append(cmd.Env, "TMPDIR="+filepath.Dir(dstTar)) // it unpacks beside the result and not in /var/tmp
	err = stream(cmd, logf)
	if err == nil {
		err = os.Rename(temporary, dstTar)
	} else {
		err = failed(ctx, shown, err)
	}
	if removed := os.Remove(temporary); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	return err
}

// reserve returns a free name beside dstTar. skopeo refuses an existing archive, so nothing is created.
func reserve(dstTar string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(dstTar), filepath.Base(dstTar)+".tmp.*")
	if err != nil {
		return "", fmt.Errorf("make room for the archive: %w", err)
	}
	if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
		return "", fmt.Errorf("make room for the archive: %w", err)
	}
	return f.Name(), nil
}

// Tags lists the tags of a repository (host/path). A failure carries skopeo's own words.
func (s Skopeo) Tags(ctx context.Context, repository string) ([]string, error) {
	shown := []string{"skopeo", "list-tags", "docker://" + repository}
	cmd := s.command(ctx, "list-tags", "--tls-verify="+fmt.Sprint(!local(repository)), shown[2])
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", failed(ctx, shown, err), strings.TrimSpace(stderr.String()))
	}
	var answer struct{ Tags []string }
	if err := json.Unmarshal(out, &answer); err != nil {
		return nil, fmt.Errorf("read what skopeo lists: %w", err)
	}
	return answer.Tags, nil
}

func (s Skopeo) command(ctx context.Context, args ...string) *exec.Cmd {
	program := s.Program
	if program == "" {
		program = "skopeo"
	}
	// The policy only says whose signatures are asked for; Debian's default asks for none either.
	cmd := exec.CommandContext(ctx, program, append([]string{"--insecure-policy"}, args...)...)
	cmd.Env = os.Environ()
	cmd.WaitDelay = time.Second
	return cmd
}

// local reports whether a reference names a registry on this machine.
func local(reference string) bool {
	host, _, _ := strings.Cut(reference, "/")
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	return domain.Loopback(strings.Trim(host, "[]"))
}

// failed words the failure of a command as Proxmox VE does.
func failed(ctx context.Context, shown []string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	line := strings.Join(shown, " ")
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return domain.Errorf(domain.Unavailable, "command '%s' failed: %w", line, err)
	}
	if exit.ExitCode() < 0 {
		return domain.Errorf(domain.Permanent, "command '%s' failed: got signal %d", line, exit.Sys())
	}
	return domain.Errorf(domain.Permanent, "command '%s' failed: exit code %d", line, exit.ExitCode())
}

// stream runs a command and hands on every line it prints as it comes.
func stream(cmd *exec.Cmd, logf guest.Logf) error {
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	read := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			logf("%s", lines.Text())
		}
		_, err := io.Copy(io.Discard, r) // an overlong line must not block the command
		read <- errors.Join(lines.Err(), err)
	}()
	err := cmd.Run()
	_ = w.Close() // of a pipe it cannot fail
	return errors.Join(err, <-read)
}
