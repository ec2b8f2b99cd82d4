-- +goose Up
-- Image registries that want a login, by the host that references name. The password is encrypted with the key ring.
CREATE TABLE registries (
    id TEXT NOT NULL PRIMARY KEY,
    host TEXT NOT NULL,
    username TEXT NOT NULL,
    password_sealed TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT registries_host UNIQUE (host)
);
