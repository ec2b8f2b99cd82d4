package pve

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// archive appends a finished task to the archive; c.mu is held.
func (c *Cluster) archive(t *task) {
	raw, err := json.Marshal(t)
	if err == nil {
		err = appendLine(filepath.Join(c.folder, "tasks.jsonl"), raw)
	}
	if err != nil {
		c.log.Error("the lab cannot archive a task", "upid", t.upid(), "error", err)
	}
}

func appendLine(path string, line []byte) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

// loadTasks reads the archive of an earlier run, and cuts it to what is kept.
func (c *Cluster) loadTasks() error {
	path := filepath.Join(c.folder, "tasks.jsonl")
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the task archive: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		t := &task{}
		// The last line of a process that was killed may be half written.
		if err := json.Unmarshal(lines.Bytes(), t); err != nil {
			continue
		}
		t.done = make(chan struct{})
		close(t.done)
		c.tasks.add(t)
		c.tasks.lastPID = max(c.tasks.lastPID, t.PID-4096)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the task archive: %w", err)
	}
	return nil
}
