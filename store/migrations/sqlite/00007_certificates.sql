-- +goose Up
-- Certificates for public names. The key is encrypted with the key ring.
CREATE TABLE certificates (
    id TEXT NOT NULL PRIMARY KEY,
    names TEXT NOT NULL,
    source TEXT NOT NULL,
    chain TEXT NOT NULL,
    key_sealed TEXT NOT NULL,
    issuer TEXT NOT NULL,
    serial TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
);
