//go:build e2e

package harness

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// stopDaemons ends what edges leave behind on purpose: their dnsmasq and nginx serve on when the edge is gone. They are found by their
// arguments, which name the platform's folder.
func (p *Platform) stopDaemons() error {
	found, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	var errs []error
	for _, file := range found {
		command, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(command, []byte(p.Data+"/")) { // or it has just ended
			continue
		}
		program := filepath.Base(string(bytes.TrimSuffix(bytes.Fields(bytes.ReplaceAll(command, []byte{0}, []byte{' '}))[0], []byte(":"))))
		if program != "dnsmasq" && program != "nginx" {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGTERM)
		}
		if !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
