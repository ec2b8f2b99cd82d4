package edge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix" // pidfd: the standard library waits for children only

	"berth/domain"
)

// Exec makes the command for a program; the lab's puts it into a network namespace.
type Exec func(ctx context.Context, name string, args ...string) *exec.Cmd

const (
	commandTimeout = 10 * time.Second
	termTimeout    = 5 * time.Second // dnsmasq ends within milliseconds of SIGTERM
)

// run runs a program to its end. The error carries what the program said.
func (e Exec) run(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	if e == nil {
		e = exec.CommandContext
	}
	cmd := e(ctx, name, args...)
	cmd.WaitDelay = time.Second // a daemon may keep the pipe open
	out, err := cmd.CombinedOutput()
	words := strings.TrimSpace(string(out))
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return words, domain.Errorf(domain.Permanent, "%s: %s: %w", name, words, err)
	}
	return words, nil
}

// process is a daemon that outlives its starter: it is found again by its command line.
type process struct {
	program string // base name of the executable
	arg     string // an argument that only this daemon has
	title   string // what its command line begins with once it has rewritten it; empty when it does not
	pidFile string
}

// find returns the daemon's process ID, 0 when it does not run. The pid file is a hint only: it may be stale, its number
// reused, or the file be gone while the daemon lives and holds the ports.
func (p process) find() int {
	if content, err := os.ReadFile(p.pidFile); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(content))); err == nil && p.is(pid) {
			return pid
		}
	}
	paths, _ := filepath.Glob("/proc/[0-9]*") // fails for a bad pattern only
	for _, path := range paths {
		if pid, err := strconv.Atoi(filepath.Base(path)); err == nil && p.is(pid) {
			return pid
		}
	}
	return 0
}

// is reports whether a process is the daemon and not, say, the nsenter that starts it.
func (p process) is(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // empty for a zombie
	if err != nil {
		return false
	}
	if p.title != "" && strings.HasPrefix(string(line), p.title) {
		return slices.Contains(strings.Fields(strings.TrimRight(string(line), "\x00")), p.arg)
	}
	args := bytes.Split(line, []byte{0})
	if filepath.Base(string(args[0])) != p.program {
		return false
	}
	for _, arg := range args[1:] {
		if string(arg) == p.arg {
			return true
		}
	}
	return false
}

// signal sends a signal to the daemon.
func (p process) signal(pid int, sig syscall.Signal) error {
	if err := syscall.Kill(pid, sig); err != nil {
		return fmt.Errorf("signal %s: %w", p.program, err)
	}
	return nil
}

// stop ends the daemon, by force when it does not listen.
func (p process) stop(ctx context.Context) error {
	pid := p.find()
	if pid == 0 {
		return nil
	}
	end, err := watch(pid)
	if err != nil {
		return nil
	}
	defer end.close()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := p.signal(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
		select {
		case <-end.died:
			return nil
		case <-time.After(termTimeout):
		case <-ctx.Done():
			return fmt.Errorf("stop %s: %w", p.program, context.Cause(ctx))
		}
	}
	return domain.Errorf(domain.Permanent, "%s (process %d) does not end", p.program, pid)
}

// watcher waits for the end of a process that is nobody's child here.
type watcher struct {
	died   chan struct{} // closed when the process has ended, or the watcher was closed
	closed atomic.Bool
	file   *os.File
}

func watch(pid int) (*watcher, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch process %d: %w", pid, err)
	}
	w := &watcher{died: make(chan struct{}), file: os.NewFile(uintptr(fd), "pidfd")}
	conn, err := w.file.SyscallConn()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("watch process %d: %w", pid, err), w.file.Close())
	}
	go func() {
		defer close(w.died)
		// A pidfd is readable once its process has ended. Read fails when the file is closed, which ends the wait too.
		_ = conn.Read(func(fd uintptr) bool {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
		})
	}()
	return w, nil
}

func (w *watcher) close() {
	w.closed.Store(true)
	_ = w.file.Close() // nothing was written
	<-w.died
}

// guard notices the end of a daemon.
type guard struct {
	watched *watcher
	pid     int
	died    chan struct{}
}

func newGuard() guard { return guard{died: make(chan struct{}, 1)} }

// watch sees to it that the end of a process will be noticed, and reports whether it runs.
func (g *guard) watch(pid int) bool {
	if pid == 0 {
		g.unwatch()
		return false
	}
	if g.watched != nil && g.pid == pid {
		select {
		case <-g.watched.died:
		default:
			return true
		}
	}
	g.unwatch()
	w, err := watch(pid)
	if err != nil {
		return false
	}
	g.watched, g.pid = w, pid
	go func() {
		<-w.died
		if w.closed.Load() {
			return
		}
		select {
		case g.died <- struct{}{}:
		default:
		}
	}()
	return true
}

func (g *guard) unwatch() {
	if g.watched != nil {
		g.watched.close()
		g.watched = nil
	}
}
