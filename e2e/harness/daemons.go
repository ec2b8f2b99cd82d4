//go:build e2e

package harness

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// stopDaemons ends what an edge leaves behind on purpose: its dnsmasq and nginx serve on when the edge is gone.
func (p *Platform) stopDaemons() error {
	var errs []error
	var found []string
	for _, daemon := range []string{"dnsmasq", "nginx"} {
		files, err := filepath.Glob(filepath.Join(p.Data, "edge*", daemon, daemon+".pid"))
		if err != nil {
			return err
		}
		found = append(found, files...)
	}
	for _, file := range found {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it ended just now and took the file along
		}
		pid, parseErr := strconv.Atoi(strings.TrimSpace(string(text)))
		if err = errors.Join(err, parseErr); err != nil {
			errs = append(errs, err)
			continue
		}
		// The number may be another program's by now.
		command, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err == nil && bytes.Contains(command, []byte(p.Data)) {
			errs = append(errs, syscall.Kill(pid, syscall.SIGTERM))
		}
	}
	return errors.Join(errs...)
}
