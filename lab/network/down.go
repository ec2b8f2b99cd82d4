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

// patience is how long processes may take to end after SIGTERM before they are killed.
const patience = 2 * time.Second

// Down ends every process that still runs inside the namespace and removes the network. Removing one that does not exist
// is no error.
func (n *Network) Down(ctx context.Context) error {
	if _, err := os.Stat(n.Path()); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := n.endProcesses(ctx); err != nil {
		return err
	}
	// The pair goes by name: the namespace itself may live on for a moment, held by a process that is just ending.
	if exec.CommandContext(ctx, "ip", "link", "show", "dev", n.hostLink).Run() == nil {
		if err := run(exec.CommandContext(ctx, "ip", "link", "del", n.hostLink)); err != nil {
			return err
		}
	}
	return run(exec.CommandContext(ctx, "ip", "netns", "del", n.cfg.Name))
}

// endProcesses ends what a killed run left: servers such as dnsmasq would keep the namespace and its addresses alive.
func (n *Network) endProcesses(ctx context.Context) error {
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
			return fmt.Errorf("a process in network %s does not end even when killed", n.cfg.Name)
		}
	}
	return ctx.Err()
}

// processes opens a pidfd for every process whose network namespace is ours.
func (n *Network) processes() ([]int, error) {
	var ours, theirs unix.Stat_t
	if err := unix.Stat(n.Path(), &ours); err != nil {
		return nil, fmt.Errorf("look at %s: %w", n.Path(), err)
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
