// Package parent tells a process when the one that started it is gone, however that one ended, so that no server
// outlives the program it belongs to.
package parent

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Watch closes the returned channel once process pid is gone, or never when ctx ends first. A pid that is gone already
// counts as gone. It holds a pidfd (Linux 5.3), so a pid that is used again is not mistaken for the parent.
func Watch(ctx context.Context, pid int) (<-chan struct{}, error) {
	gone := make(chan struct{})
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		close(gone)
		return gone, nil
	}
	if err != nil {
		return nil, fmt.Errorf("watch process %d: %w", pid, err)
	}
	// Closing the write end is what wakes poll(2) when ctx ends.
	var wake [2]int
	if err := unix.Pipe2(wake[:], unix.O_CLOEXEC); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("watch process %d: %w", pid, err)
	}
	stop := context.AfterFunc(ctx, func() { _ = unix.Close(wake[1]) })
	go func() {
		defer func() { _ = unix.Close(fd); _ = unix.Close(wake[0]) }()
		// A pidfd becomes readable when its process exits; so does a pipe when its writer is closed.
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake[0]), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(set, -1); !errors.Is(err, unix.EINTR) {
				break
			}
		}
		if stop() {
			_ = unix.Close(wake[1])
		}
		if set[0].Revents != 0 {
			close(gone)
		}
	}()
	return gone, nil
}
