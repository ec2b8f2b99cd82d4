// Package systemtest_test drives the berth-temporal binary as its users do: as a process, through gRPC and HTTP. It links
// no server, so that the race detector need not compile one.
package systemtest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is the deadline of every wait; all of them end in seconds unless something is broken.
const patience = 60 * time.Second

// binary is the program under test, built once with the flags of the Makefile so that the build cache is shared.
var binary = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "berth-temporal")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "berth-temporal")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, output)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// server is one running process.
type server struct {
	Ready     bool
	Address   string
	UI        string
	Namespace string
	Storage   string
	PID       int

	command *exec.Cmd
	stderr  *bytes.Buffer
	exited  chan struct{} // closed once the process has ended and stderr is complete
	err     error         // of Wait; read after exited
}

// launch starts the binary with arguments, without waiting for it to be ready. It is killed when the test ends.
func launch(t *testing.T, arguments ...string) (*server, *bufio.Reader) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{command: exec.Command(path, arguments...), stderr: new(bytes.Buffer), exited: make(chan struct{})}
	s.command.Stderr = s.stderr
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.command.Stdout = write
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	go func() {
		s.err = s.command.Wait()
		close(s.exited)
	}()
	t.Cleanup(func() {
		_ = s.command.Process.Kill()
		<-s.exited
		_ = read.Close()
	})
	return s, bufio.NewReader(read)
}

// start launches the binary and waits until it says that it is ready.
func start(t *testing.T, arguments ...string) *server {
	t.Helper()
	s, stdout := launch(t, arguments...)
	line := make(chan []byte, 1)
	go func() {
		text, _ := stdout.ReadBytes('\n') // an early end shows as a line that is not JSON
		line <- text
	}()
	select {
	case text := <-line:
		if err := json.Unmarshal(text, s); err != nil || !s.Ready {
			<-s.exited
			t.Fatalf("not ready: %v, said %q and\n%s", s.err, text, s.stderr)
		}
	case <-time.After(patience):
		t.Fatalf("not ready after %s", patience)
	}
	return s
}

// kill ends the process the hard way.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if err := s.command.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.exited
}

// mustFail waits for the process to end with an error and returns what it said.
func (s *server) mustFail(t *testing.T) string {
	t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Fatalf("still running after %s", patience)
	}
	if s.err == nil {
		t.Fatalf("ended without an error, said %s", s.stderr)
	}
	return s.stderr.String()
}

// freeAddress is a loopback address nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
