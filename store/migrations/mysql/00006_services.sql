-- +goose Up
-- What containers expose. Nothing could write to the table of before, which had no room for it.
DROP TABLE services;
CREATE TABLE services (
    id varchar(64) NOT NULL PRIMARY KEY,
    container_id varchar(64) NOT NULL,
    site_id varchar(64) NOT NULL,
    kind varchar(64) NOT NULL,
    spec longtext NOT NULL,
    state varchar(64) NOT NULL,
    revision bigint NOT NULL,
    live_since bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX services_by_container ON services (container_id);
CREATE INDEX services_by_site ON services (site_id, state);

-- Names and ports that a container has for itself, shared by its services.
CREATE TABLE service_claims (
    id varchar(400) NOT NULL PRIMARY KEY,
    container_id varchar(64) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX service_claims_by_container ON service_claims (container_id);

ALTER TABLE external_domains ADD COLUMN auth_server varchar(255) NOT NULL DEFAULT '';
ALTER TABLE sites ADD COLUMN port_first bigint NOT NULL DEFAULT 2000;
ALTER TABLE sites ADD COLUMN port_last bigint NOT NULL DEFAULT 2999;
ALTER TABLE edges ADD COLUMN left_out longtext;
