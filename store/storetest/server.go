package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	// the driver of PostgreSQL that GORM's dialect uses
	_ "github.com/jackc/pgx/v5/stdlib"
)

// server is a database server that all tests of a binary share.
type server struct {
	once sync.Once
	err  error
	port int
	next atomic.Int64 // numbers the databases
	boot func(s *server, dir string, as *syscall.Credential) error
	user string // that the server runs as when the test is root
}

// The servers of this test binary. They start when first asked for, and die with the binary (see spawn).
var (
	postgres = &server{user: "postgres", boot: bootPostgres}
	mariadb  = &server{user: "mysql", boot: bootMariaDB}
)

// PostgresDSN names a fresh, empty database of a real PostgreSQL server.
func PostgresDSN(t testing.TB) string {
	t.Helper()
	name := postgres.create(t, "pgx", func(name string) string {
		return fmt.Sprintf("postgres://berth@127.0.0.1:%d/%s?sslmode=disable", postgres.port, name)
	}, "postgres")
	return fmt.Sprintf("postgres://berth@127.0.0.1:%d/%s?sslmode=disable", postgres.port, name)
}

// MariaDBDSN names a fresh, empty database of a real MariaDB server.
func MariaDBDSN(t testing.TB) string {
	t.Helper()
	name := mariadb.create(t, "mysql", func(name string) string {
		return fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s", mariadb.port, name)
	}, "")
	return fmt.Sprintf("mysql://root@tcp(127.0.0.1:%d)/%s", mariadb.port, name)
}

// create makes a database on the server, which it starts if need be.
func (s *server) create(t testing.TB, driver string, dsn func(name string) string, first string) string {
	t.Helper()
	s.once.Do(func() { s.err = s.start() })
	if s.err != nil {
		t.Fatalf("start the server for the test: %v", s.err)
	}
	db, err := sql.Open(driver, dsn(first))
	if err != nil {
		t.Fatalf("reach the server: %v", err)
	}
	defer func() { _ = db.Close() }()
	name := fmt.Sprintf("berth%d", s.next.Add(1))
	if _, err := db.ExecContext(context.Background(), "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create database %s: %v", name, err)
	}
	return name
}

func (s *server) start() error {
	dir, err := os.MkdirTemp("", "berth-storetest-")
	if err != nil {
		return err
	}
	as, err := s.credential(dir)
	if err != nil {
		return err
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	return s.boot(s, dir, as)
}

// credential returns whom to run the server as: both refuse to run as root.
func (s *server) credential(dir string) (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(s.user)
	if err != nil {
		return nil, fmt.Errorf("apt-get install postgresql mariadb-server: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = l.Close() }()
	_, text, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// run runs a tool to its end.
func run(as *syscall.Credential, dir, tool string, args ...string) error {
	cmd := exec.Command(tool, args...)
	cmd.Dir, cmd.SysProcAttr = dir, &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(tool), err, out)
	}
	return nil
}

// spawn starts a server that ends with this process, however that ends. A shell holds the read end of a pipe whose write end
// only this process has: when the pipe closes, the shell stops the server by its ID and removes its folder.
func spawn(as *syscall.Credential, dir string, answers func() error, tool string, args ...string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = read.Close() }()
	var out bytes.Buffer
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	// SIGINT is PostgreSQL's fast shutdown; MariaDB takes SIGTERM only.
	const guard = `dir=$1; shift; "$@" <&- & pid=$!
		trap '' INT TERM HUP
		read -r _; kill -INT $pid; kill -TERM $pid; wait $pid; rm -rf "$dir"`
	cmd := exec.Command("/bin/sh", append([]string{"-c", guard, "guard", dir, tool}, args...)...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, read, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	keepOpen(write)
	deadline := time.Now().Add(30 * time.Second)
	for {
		err := answers()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			out.Write(text)
			return fmt.Errorf("%s does not answer: %w: %s", filepath.Base(tool), err, out.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// pipes are kept from the garbage collector, which would close them.
var pipes struct {
	sync.Mutex
	open []*os.File
}

func keepOpen(f *os.File) {
	pipes.Lock()
	defer pipes.Unlock()
	pipes.open = append(pipes.open, f)
}

func answering(driver, dsn string) func() error {
	return func() error {
		db, err := sql.Open(driver, dsn)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return db.PingContext(ctx)
	}
}
