-- +goose Up
-- What containers expose. Nothing could write to the table of before, which had no room for it.
DROP TABLE services;
CREATE TABLE services (
    id TEXT NOT NULL PRIMARY KEY,
    container_id TEXT NOT NULL,
    site_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    spec TEXT NOT NULL,
    state TEXT NOT NULL,
    revision INTEGER NOT NULL,
    live_since INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL
);
CREATE INDEX services_by_container ON services (container_id);
CREATE INDEX services_by_site ON services (site_id, state);

-- Names and ports that a container has for itself, shared by its services.
CREATE TABLE service_claims (
    id TEXT NOT NULL PRIMARY KEY,
    container_id TEXT NOT NULL
);
CREATE INDEX service_claims_by_container ON service_claims (container_id);

ALTER TABLE external_domains ADD COLUMN auth_server TEXT NOT NULL DEFAULT '';
ALTER TABLE sites ADD COLUMN port_first INTEGER NOT NULL DEFAULT 2000;
ALTER TABLE sites ADD COLUMN port_last INTEGER NOT NULL DEFAULT 2999;
ALTER TABLE edges ADD COLUMN left_out TEXT;
