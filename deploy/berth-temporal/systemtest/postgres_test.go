package systemtest_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startPostgres runs Debian's PostgreSQL on a loopback port of its own and returns a DSN whose database does not exist.
func startPostgres(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		t.Fatal("PostgreSQL is not installed: run scripts/install-packages test")
	}
	programs := found[len(found)-1]
	folder, err := os.MkdirTemp("", "postgres") //nolint:usetesting // t.TempDir lies in a folder that only we may enter
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		attributes.Credential = postgresAccount(t)
		if err := os.Chown(folder, int(attributes.Credential.Uid), -1); err != nil {
			t.Fatal(err)
		}
	}
	run := func(program string, arguments ...string) *exec.Cmd {
		command := exec.Command(filepath.Join(programs, program), arguments...)
		command.Dir = folder
		command.SysProcAttr = attributes
		return command
	}
	data := filepath.Join(folder, "data")
	if output, err := run("initdb", "-A", "trust", "-U", "lab", "--no-sync", "-D", data).CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, output)
	}
	host, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	postgres := run("postgres", "-D", data, "-h", host, "-p", port, "-k", folder, "-c", "fsync=off")
	postgres.Stderr = &log
	if err := postgres.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = postgres.Process.Signal(syscall.SIGQUIT)
		_ = postgres.Wait()
	})
	server := "postgres://lab@" + net.JoinHostPort(host, port)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	await(t, "PostgreSQL to answer", func() error {
		conn, err := pgx.Connect(ctx, server+"/postgres")
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	})
	return server + "/temporal"
}

// postgresAccount is the account that Debian's package made for the server.
func postgresAccount(t *testing.T) *syscall.Credential {
	t.Helper()
	account, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(account.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(account.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// await repeats try until it succeeds, and fails the test with its last error when that takes longer than patience.
func await(t *testing.T, what string, try func() error) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for %s: %v", patience, what, err)
		}
		<-ticker.C
	}
}
