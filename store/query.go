package store

import (
	"context"
	"encoding/base64"
	"strings"

	"berth/domain"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// Page asks for one page of a list.
type Page struct {
	Limit  int    // most results; 0 means DefaultLimit, more than MaxLimit means MaxLimit
	Cursor string // what the page before returned as next; empty for the first page
}

// The sizes of pages.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

func (p Page) limit() int {
	if p.Limit <= 0 {
		return DefaultLimit
	}
	return min(p.Limit, MaxLimit)
}

// All reads every page of a list, such as
//
//	store.All(func(p store.Page) ([]domain.Node, string, error) { return s.Nodes(ctx, filter, p) })
func All[T any](list func(Page) ([]T, string, error)) ([]T, error) {
	var all []T
	page := Page{Limit: MaxLimit}
	for {
		some, next, err := list(page)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if next == "" {
			return all, nil
		}
		page.Cursor = next
	}
}

// order is the direction of a list.
type order string

const (
	oldestFirst order = "ASC"
	newestFirst order = "DESC"
)

// paged reads one page of rows from q, ordered by the column id, and returns the cursor of the next page. The cursor is the last
// ID: a list read page by page misses nothing and repeats nothing that stays, whatever comes and goes meanwhile.
func paged[R any](s *Store, q *gorm.DB, p Page, column string, dir order, id func(R) string, what string) ([]R, string, error) {
	if p.Cursor != "" {
		last, err := cursorID(p.Cursor)
		if err != nil {
			return nil, "", err
		}
		compare := " > ?"
		if dir == newestFirst {
			compare = " < ?"
		}
		q = q.Where(column+compare, last)
	}
	var rows []R
	if err := q.Order(column + " " + string(dir)).Limit(p.limit() + 1).Find(&rows).Error; err != nil {
		return nil, "", s.fault(err, "list "+what)
	}
	if len(rows) <= p.limit() {
		return rows, "", nil
	}
	rows = rows[:p.limit()]
	return rows, cursorAfter(id(rows[len(rows)-1])), nil
}

// cursorMark starts every cursor, so that the cursor after an empty ID is not empty.
const cursorMark = ">"

func cursorAfter(id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorMark + id))
}

func cursorID(cursor string) (string, error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	id, ok := strings.CutPrefix(string(text), cursorMark)
	if err != nil || !ok {
		return "", domain.InvalidFields("the request", []domain.FieldError{
			{Field: "cursor", Rule: "must be what the page before returned"},
		})
	}
	return id, nil
}

// one reads the one row that q finds. what names it for people, such as "site demo".
func one[R any](s *Store, q *gorm.DB, what string) (R, error) {
	var row R
	err := q.Limit(1).Take(&row).Error
	return row, s.fault(err, what)
}

// locked reads a row by ID and holds its lock until the transaction ends.
func locked[R any](ctx context.Context, tx *Store, id, what string) (R, error) {
	return one[R](tx, tx.forUpdate(ctx).Where("id = ?", id), what)
}

// forUpdate starts a query that locks the rows it finds. On PostgreSQL it is the weaker lock that lets others insert rows that
// refer to these; SQLite's transaction holds the only lock there is.
func (s *Store) forUpdate(ctx context.Context) *gorm.DB {
	strength := "UPDATE"
	if s.dialect == Postgres {
		strength = "NO KEY UPDATE"
	}
	return s.q(ctx).Clauses(clause.Locking{Strength: strength})
}

// insert writes a new row.
func insert[R any](ctx context.Context, tx *Store, row *R, what string) error {
	return tx.fault(tx.q(ctx).Create(row).Error, "create "+what)
}

// replace writes a whole row over the one of that ID and version, and sets its version one higher. keep lists columns that stay
// as they are.
func replace[R any](ctx context.Context, tx *Store, row *R, id string, version int64, what string, keep ...string) error {
	keep = append(keep, "id", "created_at")
	done := tx.q(ctx).Model(row).Select("*").Omit(keep...).Where("id = ? AND version = ?", id, version).Updates(row)
	if done.Error != nil {
		return tx.fault(done.Error, "change "+what)
	}
	if done.RowsAffected == 1 {
		return nil
	}
	var count int64
	if err := tx.q(ctx).Model(row).Where("id = ?", id).Count(&count).Error; err != nil {
		return tx.fault(err, "change "+what)
	}
	if count == 0 {
		return domain.Errorf(domain.NotFound, "%s: not found", what)
	}
	return domain.Errorf(domain.Precondition, "%s was changed meanwhile: read it again and repeat the change", what)
}

// set changes some columns of the row of that ID.
func set[R any](ctx context.Context, tx *Store, id, what string, columns map[string]any) error {
	var row R
	done := tx.q(ctx).Model(&row).Where("id = ?", id).Updates(columns)
	if done.Error != nil {
		return tx.fault(done.Error, "change "+what)
	}
	if done.RowsAffected == 0 {
		return domain.Errorf(domain.NotFound, "%s: not found", what)
	}
	return nil
}

// remove deletes the row of that ID.
func remove[R any](ctx context.Context, tx *Store, id, what string) error {
	var row R
	done := tx.q(ctx).Where("id = ?", id).Delete(&row)
	if done.Error != nil {
		return tx.fault(done.Error, "delete "+what)
	}
	if done.RowsAffected == 0 {
		return domain.Errorf(domain.NotFound, "%s: not found", what)
	}
	return nil
}

// count counts rows.
func count[R any](s *Store, q *gorm.DB, what string) (int64, error) {
	var row R
	var n int64
	err := q.Model(&row).Count(&n).Error
	return n, s.fault(err, "count "+what)
}
