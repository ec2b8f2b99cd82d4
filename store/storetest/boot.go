package storetest

import (
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"
)

// bootPostgres makes a cluster and starts it without fsync: what tests write need not outlive a crash.
func bootPostgres(s *server, dir string, as *syscall.Credential) error {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		return fmt.Errorf("PostgreSQL is not installed: apt-get install postgresql")
	}
	bin, data := found[len(found)-1], filepath.Join(dir, "data")
	err = run(as, dir, filepath.Join(bin, "initdb"), "-A", "trust", "-U", "berth", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "-D", data)
	if err != nil {
		return err
	}
	dsn := fmt.Sprintf("postgres://berth@127.0.0.1:%d/postgres?sslmode=disable", s.port)
	return spawn(as, dir, answering("pgx", dsn), filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(s.port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="+dir, "-c", "fsync=off", "-c", "max_connections=300")
}

// bootMariaDB makes a data folder and starts a server on it.
func bootMariaDB(s *server, dir string, as *syscall.Credential) error {
	data := filepath.Join(dir, "data")
	err := run(as, dir, "/usr/bin/mariadb-install-db", "--no-defaults", "--datadir="+data,
		"--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	if err != nil {
		return fmt.Errorf("apt-get install mariadb-server: %w", err)
	}
	dsn := fmt.Sprintf("root@tcp(127.0.0.1:%d)/", s.port)
	return spawn(as, dir, answering("mysql", dsn), "/usr/sbin/mariadbd", "--no-defaults", "--datadir="+data,
		"--port="+strconv.Itoa(s.port), "--bind-address=127.0.0.1", "--socket="+filepath.Join(dir, "sock"),
		"--innodb-flush-log-at-trx-commit=0", "--max-connections=300", "--pid-file="+filepath.Join(dir, "pid"))
}
