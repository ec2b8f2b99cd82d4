package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"berth/templates"
)

// onDisk reports whether what is current is exactly this.
func (n *Nginx) onDisk(want templates.Files) bool {
	for path, content := range want {
		if got, err := n.seen.read(n.Options.Dir, path); err != nil || got != content {
			return false
		}
	}
	return true
}

// write writes a generation. Keys are for root alone, as are the certificates' folder and the test's file.
func (n *Nginx) write(name string, files templates.Files) error {
	made := map[string]bool{}
	for path, content := range files {
		to, mode, folder := filepath.Join(n.run(name), path), os.FileMode(0o644), os.FileMode(0o755)
		if filepath.Dir(path) == templates.NginxCertificates {
			mode, folder = 0o600, 0o700
		}
		if dir := filepath.Dir(to); !made[dir] {
			if err := os.MkdirAll(n.run(name), 0o755); err != nil {
				return fmt.Errorf("stage: %w", err)
			}
			if err := os.MkdirAll(dir, folder); err != nil {
				return fmt.Errorf("stage: %w", err)
			}
			made[dir] = true
		}
		if err := os.WriteFile(to, []byte(content), mode); err != nil {
			return fmt.Errorf("stage: %w", err)
		}
	}
	return nil
}

// link makes a generation the current one.
func (n *Nginx) link(name string) error {
	next := n.Options.Dir + ".next"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("swap: %w", err)
	}
	if err := os.Symlink(name, next); err != nil {
		return fmt.Errorf("swap: %w", err)
	}
	if err := os.Rename(next, n.Options.Dir); err != nil {
		return fmt.Errorf("swap: %w", err)
	}
	clear(n.seen)
	return nil
}

func (n *Nginx) discard(name string) error {
	if err := os.RemoveAll(n.run(name)); err != nil {
		return fmt.Errorf("drop a generation: %w", err)
	}
	return nil
}

// sweep drops all generations but one.
func (n *Nginx) sweep(keep string) error {
	all, err := filepath.Glob(n.run(generation) + "*")
	for _, path := range all {
		if filepath.Base(path) != keep {
			err = errors.Join(err, n.discard(filepath.Base(path)))
		}
	}
	return err
}

// digest returns what nginx says it serves, empty when it says nothing.
func (n *Nginx) digest(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	socket := n.run(templates.NginxSocket)
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, // each question may be answered by another worker
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://nginx/digest", nil)
	if err != nil {
		return ""
	}
	resp, err := client.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 256))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(body))
}

// workers lists the processes that serve for a master.
func workers(master int) []int {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", master, master))
	if err != nil {
		return nil
	}
	var all []int
	for _, word := range strings.Fields(string(content)) {
		if pid, err := strconv.Atoi(word); err == nil {
			all = append(all, pid)
		}
	}
	return all
}

// accepting reports whether a process is a worker that still takes connections: one that is to end says so in its title.
func accepting(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.TrimRight(string(line), "\x00 ") == "nginx: worker process"
}

// logEnd is where the error log ends now.
func (n *Nginx) logEnd() int64 {
	info, err := os.Stat(n.run("error.log"))
	if err != nil {
		return 0
	}
	return info.Size()
}

// emergency returns what nginx said since then about why it keeps its old configuration, empty when it did not.
func (n *Nginx) emergency(since int64) string {
	file, err := os.Open(n.run("error.log"))
	if err != nil {
		return ""
	}
	defer file.Close()
	if _, err := file.Seek(since, io.SeekStart); err != nil {
		return ""
	}
	content, err := io.ReadAll(io.LimitReader(file, 1<<20))
	if err != nil || !strings.Contains(string(content), "\n") {
		return ""
	}
	return reasonIn(string(content))
}

// reasonIn returns the first line of nginx's words that says why it refuses, without time and process.
func reasonIn(words string) string {
	for line := range strings.Lines(words) {
		_, reason, found := strings.Cut(line, "[emerg] ")
		if !found {
			continue
		}
		if id, rest, numbered := strings.Cut(reason, ": "); numbered && strings.Contains(id, "#") {
			reason = rest // "1234#1234: "
		}
		return strings.TrimSpace(reason)
	}
	return ""
}

func (n *Nginx) trimLogs() error {
	return errors.Join(trimLog(n.run("error.log")), trimLog(n.run("access.log")), trimLog(n.run("stream.log")))
}
