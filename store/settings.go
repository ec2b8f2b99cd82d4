package store

import (
	"context"
	"encoding/json"
	"strings"

	"berth/domain"

	"gorm.io/gorm/clause"
)

type settingRow struct {
	Name  string
	Value string
}

// TableName is GORM's way to name the table.
func (settingRow) TableName() string { return "settings" }

// Setting reads a setting into value, as encoding/json does; NotFound leaves value as it is.
func (s *Store) Setting(ctx context.Context, name string, value any) error {
	row, err := one[settingRow](s, s.q(ctx).Where("name = ?", name), "setting "+name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(row.Value), value); err != nil {
		return domain.Errorf(domain.Internal, "read setting %s: %w", name, err)
	}
	return nil
}

// SetSetting stores a setting as JSON. It is no place for secrets: SetSecret is.
func (s *Store) SetSetting(ctx context.Context, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return domain.Errorf(domain.Internal, "write setting %s: %w", name, err)
	}
	return s.Transact(ctx, func(tx *Store) error {
		row := settingRow{name, string(text)}
		tx.changed(domain.TopicSettings, name)
		return tx.fault(tx.q(ctx).Clauses(upsert("name", "value")).Create(&row).Error, "write setting "+name)
	})
}

type secretRow struct {
	Name        string
	ValueSealed string
}

// TableName is GORM's way to name the table.
func (secretRow) TableName() string { return "secrets" }

// Secret returns a secret of the installation itself, such as the key of its CA.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	row, err := one[secretRow](s, s.q(ctx).Where("name = ?", name), "secret "+name)
	if err != nil {
		return nil, err
	}
	return s.unseal(secretValue, name, row.ValueSealed)
}

// SetSecret stores a secret of the installation itself, sealed.
func (s *Store) SetSecret(ctx context.Context, name string, value []byte) error {
	return s.Transact(ctx, func(tx *Store) error {
		sealed, err := tx.seal(secretValue, name, value)
		if err != nil {
			return err
		}
		row := secretRow{name, sealed}
		tx.changed(domain.TopicSettings, name)
		return tx.fault(tx.q(ctx).Clauses(upsert("name", "value_sealed")).Create(&row).Error, "write secret "+name)
	})
}

// upsert makes an insert change these columns of the row that has the key already; a key of several columns is given with commas.
func upsert(key string, columns ...string) clause.OnConflict {
	conflict := clause.OnConflict{DoUpdates: clause.AssignmentColumns(columns)}
	for name := range strings.SplitSeq(key, ",") {
		conflict.Columns = append(conflict.Columns, clause.Column{Name: name})
	}
	return conflict
}
