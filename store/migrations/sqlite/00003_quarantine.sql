-- +goose Up
-- What one operation left behind is one thing to look at: quarantine_id is that operation's ID. What was quarantined before
-- gets an ID of its own.
ALTER TABLE placements ADD COLUMN quarantine_id TEXT NOT NULL DEFAULT '';
ALTER TABLE placements ADD COLUMN quarantined_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reservations ADD COLUMN quarantine_id TEXT NOT NULL DEFAULT '';
ALTER TABLE reservations ADD COLUMN quarantined_at INTEGER NOT NULL DEFAULT 0;
UPDATE placements SET quarantine_id = cluster_id || '-' || vmid, quarantined_at = created_at WHERE state = 'quarantined';
UPDATE reservations SET quarantine_id = id, quarantined_at = created_at WHERE state = 'quarantined';
CREATE INDEX placements_by_quarantine ON placements (quarantine_id);
CREATE INDEX reservations_by_quarantine ON reservations (quarantine_id);
