package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	namespaces = "/run/netns"    // where iproute2 keeps named namespaces
	patience   = 2 * time.Second // how long processes may take to end after SIGTERM before they are killed
)

// namespace is the name of a network namespace.
type namespace string

func (n namespace) path() string { return filepath.Join(namespaces, string(n)) }

func (n namespace) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + n.path(), "--", name}, args...)...)
}

// make makes the namespace unless it is there. A name without a namespace behind it is left by a reboot.
func (n namespace) make(ctx context.Context) error {
	var fs unix.Statfs_t
	switch err := unix.Statfs(n.path(), &fs); {
	case err == nil && fs.Type == unix.NSFS_MAGIC:
		return nil
	case err == nil:
		if err := os.Remove(n.path()); err != nil {
			return fmt.Errorf("remove the stale name of the namespace: %w", err)
		}
	case !errors.Is(err, unix.ENOENT):
		return fmt.Errorf("look at %s: %w", n.path(), err)
	}
	return run(exec.CommandContext(ctx, "ip", "netns", "add", string(n)))
}

// remove ends every process that still runs in the namespace and removes it. One that does not exist is no error.
func (n namespace) remove(ctx context.Context) error {
	if _, err := os.Stat(n.path()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := n.endProcesses(ctx); err != nil {
		return err
	}
	return run(exec.CommandContext(ctx, "ip", "netns", "del", string(n)))
}

// endProcesses ends what a killed run left: servers such as dnsmasq would keep the namespace and its addresses alive.
func (n namespace) endProcesses(ctx context.Context) error {
	fds, err := n.processes()
	if err != nil {
		return err
	}
	for _, fd := range fds {
		defer unix.Close(fd)
		_ = unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0) // an error means that it ended by itself
	}
	deadline := time.Now().Add(patience)
	for _, fd := range fds {
		if ended(ctx, fd, deadline) {
			continue
		}
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
		if !ended(ctx, fd, time.Now().Add(patience)) {
			return fmt.Errorf("a process in namespace %s does not end even when killed", n)
		}
	}
	return ctx.Err()
}

// processes opens a pidfd for every process whose network namespace is ours.
func (n namespace) processes() ([]int, error) {
	var ours, theirs unix.Stat_t
	if err := unix.Stat(n.path(), &ours); err != nil {
		return nil, fmt.Errorf("look at %s: %w", n.path(), err)
	}
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var fds []int
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0) // before the look at its namespace, so that the number cannot be reused between
		if err != nil {
			continue // it ended meanwhile
		}
		if unix.Stat(filepath.Join(dir, "ns/net"), &theirs) == nil && theirs.Ino == ours.Ino && theirs.Dev == ours.Dev {
			fds = append(fds, fd)
			continue
		}
		unix.Close(fd)
	}
	return fds, nil
}

// ended waits until the process behind a pidfd is gone, the deadline passes or ctx ends.
func ended(ctx context.Context, fd int, deadline time.Time) bool {
	for ctx.Err() == nil {
		left := time.Until(deadline)
		if left < 0 {
			return false
		}
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		// In slices, because poll itself does not know of ctx.
		if got, err := unix.Poll(poll, int(min(left, 50*time.Millisecond).Milliseconds())+1); err == nil && got > 0 {
			return true
		}
	}
	return false
}
