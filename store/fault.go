package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"berth/domain"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
)

// verdict is what a driver's error means, whichever driver it came from.
type verdict int

const (
	unknown    verdict = iota
	duplicate          // a unique constraint
	referenced         // a foreign key
	race               // busy, deadlock or serialisation: undone, worth another try
	gone               // the server cannot be reached, or not now
)

// fault makes a domain error of whatever a driver returned; what names the attempt. Errors of the domain pass through.
func (s *Store) fault(err error, what string) error {
	var own *domain.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return err
	case errors.Is(err, gorm.ErrRecordNotFound), errors.Is(err, sql.ErrNoRows):
		return &domain.Error{Kind: domain.NotFound, Message: what + ": not found", Err: err}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &domain.Error{Kind: domain.Transient, Message: what + ": gave up waiting for the database", Err: err}
	}
	v, constraint := judge(err)
	switch v {
	case duplicate:
		return duplicateOf(constraint, err)
	case referenced:
		return &domain.Error{Kind: domain.Conflict, Message: what + ": something that it needs is missing, or something needs it", Err: err}
	case race:
		return &domain.Error{Kind: domain.Transient, Message: what + ": the database is busy, try again", Err: err}
	case gone:
		return &domain.Error{Kind: domain.Unavailable, Message: what + ": the database cannot be reached", Err: err}
	}
	return &domain.Error{Kind: domain.Internal, Message: what, Err: err}
}

// lostRace reports whether the transaction that ended with err was undone for a reason that a second try may not meet.
func lostRace(err error) bool {
	v, _ := judge(err)
	return v == race
}

// sqliteError is what both SQLite drivers in pure Go return.
type sqliteError interface {
	error
	Code() int
}

// judge sorts an error of any of the three drivers, and for a duplicate names the constraint as the database does.
func judge(err error) (verdict, string) {
	var lite sqliteError
	var pg *pgconn.PgError
	var my *mysqldriver.MySQLError
	switch {
	case errors.As(err, &pg):
		return judgePostgres(pg), pg.ConstraintName
	case errors.As(err, &my):
		return judgeMySQL(my)
	case errors.As(err, &lite):
		return judgeSQLite(lite)
	}
	var network net.Error
	var connect *pgconn.ConnectError
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, mysqldriver.ErrInvalidConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &network) || errors.As(err, &connect) {
		return gone, ""
	}
	return unknown, ""
}

// judgePostgres sorts by SQLSTATE (PostgreSQL documentation, appendix A).
func judgePostgres(err *pgconn.PgError) verdict {
	switch err.Code {
	case "23505": // unique_violation
		return duplicate
	case "23503": // foreign_key_violation
		return referenced
	case "40001", "40P01", "55P03": // serialization_failure, deadlock_detected, lock_not_available
		return race
	case "57P01", "57P02", "57P03", "53300": // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections
		return gone
	}
	if strings.HasPrefix(err.Code, "08") { // connection exceptions
		return gone
	}
	return unknown
}

// judgeMySQL sorts by error number (MariaDB documentation, "MariaDB Error Codes").
func judgeMySQL(err *mysqldriver.MySQLError) (verdict, string) {
	switch err.Number {
	case 1062: // ER_DUP_ENTRY: Duplicate entry 'x' for key 'name'
		message := strings.TrimSuffix(err.Message, "'")
		return duplicate, message[strings.LastIndexAny(message, "'.")+1:]
	case 1451, 1452: // ER_ROW_IS_REFERENCED_2, ER_NO_REFERENCED_ROW_2
		return referenced, ""
	case 1020, 1205, 1213: // ER_CHECKREAD, ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK
		return race, ""
	case 1040, 1053, 1927: // ER_CON_COUNT_ERROR, ER_SERVER_SHUTDOWN, ER_CONNECTION_KILLED
		return gone, ""
	}
	return unknown, ""
}

// judgeSQLite sorts by result code (sqlite.org/rescode.html). The drivers do not turn them into GORM's errors.
func judgeSQLite(err sqliteError) (verdict, string) {
	const (
		busy, locked, cantOpen, ioErr  = 5, 6, 14, 10
		unique, primaryKey, foreignKey = 2067, 1555, 787
	)
	switch code := err.Code(); {
	case code == unique || code == primaryKey: // constraint failed: UNIQUE constraint failed: sites.name (2067)
		_, columns, _ := strings.Cut(err.Error(), "constraint failed: ")
		if _, inner, ok := strings.Cut(columns, "constraint failed: "); ok {
			columns = inner
		}
		if i := strings.LastIndex(columns, " ("); i >= 0 {
			columns = columns[:i]
		}
		return duplicate, columns
	case code == foreignKey:
		return referenced, ""
	case code&0xff == busy || code&0xff == locked:
		return race, ""
	case code&0xff == cantOpen || code&0xff == ioErr:
		return gone, ""
	}
	return unknown, ""
}
