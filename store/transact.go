package store

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"time"

	"berth/domain"
)

// maxAttempts and the waits between them: a lost race for a lock heals within milliseconds, so waits start at 2 ms, double up to
// 250 ms, and end after about 2 s.
const (
	maxAttempts = 14
	firstWait   = 2 * time.Millisecond
	longestWait = 250 * time.Millisecond
)

// Transact runs fn in a transaction, and again from the start when the database gave up on it for being busy, for a deadlock or
// for serialisation; everything fn did in SQL is undone before. fn must use tx alone and must not have other effects that
// cannot be repeated. Within a transaction, Transact joins it.
func (s *Store) Transact(ctx context.Context, fn func(tx *Store) error) error {
	if s.tx != nil {
		return fn(s)
	}
	return s.attempts(ctx, false, fn)
}

// view runs fn in a transaction that only reads and sees the database as of one moment.
func (s *Store) view(ctx context.Context, fn func(tx *Store) error) error {
	if s.tx != nil {
		return fn(s)
	}
	return s.attempts(ctx, true, fn)
}

func (s *Store) attempts(ctx context.Context, readOnly bool, fn func(tx *Store) error) error {
	wait := firstWait
	for attempt := 1; ; attempt++ {
		err := s.attempt(ctx, readOnly, fn)
		if err == nil || attempt == maxAttempts || !lostRace(err) {
			return err
		}
		s.log.DebugContext(ctx, "transaction runs again", "attempt", attempt, "error", err)
		select {
		case <-ctx.Done():
			return s.fault(ctx.Err(), "wait for the database")
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, longestWait)
	}
}

func (s *Store) attempt(ctx context.Context, readOnly bool, fn func(tx *Store) error) (err error) {
	if s.dialect == SQLite && !readOnly {
		select {
		case s.turn <- struct{}{}:
			defer func() { <-s.turn }()
		case <-ctx.Done():
			return s.fault(ctx.Err(), "wait for the database")
		}
	}
	db := s.q(ctx).Begin(s.options(readOnly))
	if db.Error != nil {
		return s.fault(db.Error, "begin transaction")
	}
	committed := false
	defer func() {
		if !committed {
			db.Rollback() // also when fn panics; that it fails after a lost connection tells nothing new
		}
	}()
	tx := *s
	tx.db, tx.tx = db, &unit{readOnly: readOnly}
	if err := fn(&tx); err != nil {
		return err
	}
	if err := tx.flushChanges(ctx); err != nil {
		return err
	}
	if err := db.Commit().Error; err != nil {
		return s.fault(err, "commit")
	}
	committed = true
	if len(tx.tx.changes) > 0 {
		select {
		case s.news <- struct{}{}:
		default: // it is about to look anyway
		}
	}
	return nil
}

// options returns what to begin a transaction with. Writers read what is committed and lock rows by name; that is PostgreSQL's
// default, and on MariaDB it avoids the gap locks that its own default takes. SQLite has one writer at a time anyway.
func (s *Store) options(readOnly bool) *sql.TxOptions {
	switch {
	case s.dialect == SQLite:
		return &sql.TxOptions{ReadOnly: readOnly}
	case readOnly:
		return &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
	}
	return &sql.TxOptions{Isolation: sql.LevelReadCommitted}
}

// changed notes that a row changed; the notes are written at the end of the transaction.
func (s *Store) changed(topic domain.Topic, id string) {
	for _, c := range s.tx.changes {
		if c.Topic == topic && c.ID == id {
			return
		}
	}
	s.tx.changes = append(s.tx.changes, domain.Change{Topic: topic, ID: id})
}
