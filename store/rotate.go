package store

import (
	"context"

	"berth/secret"
)

// rotateBatch is how many values one transaction re-encrypts: few enough that nobody waits for it.
const rotateBatch = 50

// RotateKeys re-encrypts every sealed value that is not under the primary key, and returns how many it did. It may run beside
// everything else and be interrupted at any time: values are readable under old and new keys all the while, and one that
// changed since it was read is left to whoever changed it.
func (s *Store) RotateKeys(ctx context.Context) (n int, err error) {
	for _, c := range sealedColumns() {
		for after := ""; ; {
			last, done, err := s.rotateSome(ctx, c, after)
			n += done
			if err != nil {
				return n, err
			}
			if last == "" {
				break
			}
			after = last
		}
	}
	return n, nil
}

// rotateSome does one batch of a column, from the ID after, and returns the last ID it looked at, empty when it was the end.
func (s *Store) rotateSome(ctx context.Context, c sealedColumn, after string) (last string, n int, err error) {
	err = s.Transact(ctx, func(tx *Store) error {
		last, n = "", 0
		var rows []struct{ ID, Sealed string }
		err := tx.q(ctx).Table(c.table).Select(c.id+" AS id, "+c.column+" AS sealed").
			Where(c.id+" > ?", after).Order(c.id).Limit(rotateBatch).Find(&rows).Error
		if err != nil {
			return tx.fault(err, "list sealed values")
		}
		primary := tx.ring.Primary()
		for _, r := range rows {
			last = r.ID
			if r.Sealed == "" || secret.KeyID(r.Sealed) == primary {
				continue
			}
			plain, err := tx.unseal(c, r.ID, r.Sealed)
			if err != nil {
				return err
			}
			fresh, err := tx.seal(c, r.ID, plain)
			if err != nil {
				return err
			}
			done := tx.q(ctx).Table(c.table).Where(c.id+" = ? AND "+c.column+" = ?", r.ID, r.Sealed).Update(c.column, fresh)
			if done.Error != nil {
				return tx.fault(done.Error, "re-encrypt")
			}
			n += int(done.RowsAffected)
		}
		return nil
	})
	return last, n, err
}
