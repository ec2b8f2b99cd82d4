-- +goose Up
-- What containers expose. Nothing could write to the table of before, which had no room for it.
DROP TABLE services;
CREATE TABLE services (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    container_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    spec text NOT NULL,
    state text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    live_since bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX services_by_container ON services (container_id);
CREATE INDEX services_by_site ON services (site_id, state);

-- Names and ports that a container has for itself, shared by its services.
CREATE TABLE service_claims (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    container_id text COLLATE "C" NOT NULL
);
CREATE INDEX service_claims_by_container ON service_claims (container_id);

ALTER TABLE external_domains ADD COLUMN auth_server text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE sites ADD COLUMN port_first bigint NOT NULL DEFAULT 2000;
ALTER TABLE sites ADD COLUMN port_last bigint NOT NULL DEFAULT 2999;
ALTER TABLE edges ADD COLUMN left_out text;
