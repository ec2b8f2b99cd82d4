package guest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ticks is the unit of times in /proc: 1/100 s on every Linux that Go runs on.
const ticks = 100

// process names a process for good: a number may be used again, but not together with the same start time.
type process struct {
	pid   int
	start uint64 // ticks since boot
}

// lookup reads a process's start time and parent; ok is false when it does not run (any more).
func lookup(pid int) (p process, parent int, ok bool) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, 0, false
	}
	// The name, in parentheses, may hold anything; what counts comes after the last one.
	f := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(f) < 20 || f[0] == "Z" || f[0] == "X" {
		return process{}, 0, false
	}
	parent, err1 := strconv.Atoi(f[1])
	start, err2 := strconv.ParseUint(f[19], 10, 64)
	return process{pid: pid, start: start}, parent, err1 == nil && err2 == nil
}

func (p process) alive() bool {
	now, _, ok := lookup(p.pid)
	return ok && now == p
}

func (p process) uptime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano()) - time.Duration(p.start)*time.Second/ticks
}

// signal sends a signal; a process that has ended is no error.
func (p process) signal(s unix.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil || !p.alive() {
		if err == nil {
			err = unix.Close(fd)
		}
		if err == unix.ESRCH {
			return nil
		}
		return err
	}
	err = unix.PidfdSendSignal(fd, s, nil, 0)
	if closed := unix.Close(fd); err == nil || err == unix.ESRCH {
		err = closed
	}
	return err
}

// wait returns when the process has ended or ctx does.
func (p process) wait(ctx context.Context) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err == unix.ESRCH {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch process %d: %w", p.pid, err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written
	for p.alive() {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		// In slices, because poll itself does not know of ctx.
		if _, err := unix.Poll(poll, 20); err != nil && err != unix.EINTR {
			return fmt.Errorf("watch process %d: %w", p.pid, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// blocks reports whether the process waits for a signal by blocking it, which is how systemd takes SIGRTMIN+3.
func (p process) blocks(s unix.Signal) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(raw)) {
		if mask, ok := strings.CutPrefix(line, "SigBlk:"); ok {
			bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			return err == nil && bits>>(s-1)&1 == 1
		}
	}
	return false
}
