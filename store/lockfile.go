package store

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"berth/domain"
)

// lockFile holds a lock beside the SQLite file, which ends with the process at the latest. On other databases it does nothing.
func (s *Store) lockFile(ctx context.Context) (unlock func(), err error) {
	if s.dialect != SQLite {
		return func() {}, nil
	}
	// The database holds hashes and sealed values: nobody else needs to read it. SQLite gives its other files the same mode.
	db, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, domain.Errorf(domain.Unavailable, "open database file: %w", err)
	}
	_ = db.Close()
	file, err := os.OpenFile(s.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, domain.Errorf(domain.Unavailable, "lock database file: %w", err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = file.Close()
			return nil, domain.Errorf(domain.Unavailable, "lock database file: %w", err)
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, s.fault(ctx.Err(), "wait for another process that migrates the database")
		case <-time.After(50 * time.Millisecond):
		}
	}
}
