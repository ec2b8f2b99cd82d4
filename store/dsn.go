package store

import (
	"net/url"
	"path/filepath"
	"strings"

	"berth/domain"

	// glebarez/sqlite is GORM's SQLite dialect over a driver in pure Go: the binary needs no C.
	"github.com/glebarez/sqlite"
	mysqldriver "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
)

// Dialect is a kind of database.
type Dialect string

// The databases. MariaDB is spoken to through the MySQL driver.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
	MariaDB  Dialect = "mysql"
)

// sqliteOptions: WAL lets readers go on beside a writer, and with it synchronous=NORMAL cannot corrupt the file; an immediate
// transaction takes the write lock at its start, so it never fails halfway for having read first.
const sqliteOptions = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)" +
	"&_pragma=foreign_keys(1)&_txlock=immediate"

// dial takes a data source name apart:
//
//	sqlite:///var/lib/berth/berth.db, sqlite:berth.db
//	postgres://user:password@host:5432/berth?sslmode=verify-full
//	mysql://user:password@tcp(host:3306)/berth, mysql://user:password@host:3306/berth, also with mariadb://
//
// Errors never quote the name, which may hold a password.
func dial(dsn string) (gorm.Dialector, Dialect, string, error) {
	scheme, rest, ok := strings.Cut(dsn, ":")
	if !ok {
		return nil, "", "", errDSN()
	}
	switch scheme {
	case "sqlite":
		path, err := filepath.Abs(strings.TrimPrefix(rest, "//"))
		if err != nil || strings.TrimPrefix(rest, "//") == "" || strings.ContainsAny(path, "?#%") {
			return nil, "", "", domain.Errorf(domain.Invalid, "sqlite:PATH needs the path of a file, without ?, # and %%")
		}
		return sqlite.Open("file:" + path + "?" + sqliteOptions), SQLite, path, nil
	case "postgres", "postgresql":
		return postgres.New(postgres.Config{DSN: dsn}), Postgres, "", nil
	case "mysql", "mariadb":
		config, err := mysqlConfig(strings.TrimPrefix(rest, "//"))
		if err != nil {
			return nil, "", "", err
		}
		return mysql.New(mysql.Config{DSNConfig: config, SkipInitializeWithVersion: true}), MariaDB, "", nil
	}
	return nil, "", "", errDSN()
}

func errDSN() error {
	return domain.Errorf(domain.Invalid, "the database must be given as sqlite:PATH, postgres://... or mysql://...")
}

func mysqlConfig(rest string) (*mysqldriver.Config, error) {
	if !strings.Contains(rest, "(") {
		u, err := url.Parse("mysql://" + rest)
		if err != nil || u.Host == "" {
			return nil, domain.Errorf(domain.Invalid, "the database must be given as mysql://user:password@host:port/name")
		}
		host := u.Host
		if u.Port() == "" {
			host += ":3306"
		}
		credentials := ""
		if u.User != nil {
			password, _ := u.User.Password()
			credentials = u.User.Username() + ":" + password + "@"
		}
		rest = credentials + "tcp(" + host + ")" + u.Path
		if u.RawQuery != "" {
			rest += "?" + u.RawQuery
		}
	}
	config, err := mysqldriver.ParseDSN(rest)
	if err != nil {
		return nil, domain.Errorf(domain.Invalid, "the database must be given as mysql://user:password@tcp(host:port)/name")
	}
	config.ClientFoundRows = true   // an update that changes nothing still found its row, as on the other databases
	config.InterpolateParams = true // one round trip instead of two
	config.Collation = "utf8mb4_bin"
	if config.Params == nil {
		config.Params = map[string]string{}
	}
	config.Params["innodb_lock_wait_timeout"] = "10" // seconds; the server's default of 50 outlasts a request
	config.Logger = &mysqldriver.NopLogger{}         // errors are returned
	return config, nil
}
