package edge

import (
	"errors"
	"fmt"
	"io"
	"os"
)

const maxLog = 8 << 20 // bytes; a reload of dnsmasq with 10,000 containers logs 2.4 MiB

// trimLog keeps a log, which a daemon appends to for ever, at two files of maxLog at most.
func trimLog(path string) error {
	info, err := os.Stat(path)
	if path == "" || errors.Is(err, os.ErrNotExist) || err == nil && info.Size() < maxLog {
		return nil
	}
	if err != nil {
		return fmt.Errorf("trim a log: %w", err)
	}
	from, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("trim a log: %w", err)
	}
	defer from.Close()
	to, err := os.OpenFile(path+".1", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("trim a log: %w", err)
	}
	_, err = io.Copy(to, from)
	// Truncated in place, because the daemon keeps it open: it appends, so it goes on at the new end.
	if err := errors.Join(err, to.Close(), os.Truncate(path, 0)); err != nil {
		return fmt.Errorf("trim a log: %w", err)
	}
	return nil
}
