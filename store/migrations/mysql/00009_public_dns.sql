-- +goose Up
-- Public names that have records of their own in zones that Berth may change: as it wrote them, or is writing them.
CREATE TABLE published_names (
    name varchar(255) NOT NULL PRIMARY KEY,
    domain_id varchar(64) NOT NULL,
    container_id varchar(64) NOT NULL,
    records longtext NOT NULL,
    message longtext NOT NULL,
    tried_at bigint NOT NULL,
    checked_at bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX published_names_by_container ON published_names (container_id);

ALTER TABLE sites ADD COLUMN public_addresses longtext NOT NULL DEFAULT ('[]');
ALTER TABLE external_domains ADD COLUMN dns_provider varchar(64) NOT NULL DEFAULT 'manual';
ALTER TABLE external_domains ADD COLUMN dns_server varchar(255) NOT NULL DEFAULT '';
ALTER TABLE external_domains ADD COLUMN dns_key_name varchar(255) NOT NULL DEFAULT '';
ALTER TABLE external_domains ADD COLUMN dns_key_algorithm varchar(64) NOT NULL DEFAULT '';
ALTER TABLE external_domains ADD COLUMN dns_secret_sealed longtext NOT NULL DEFAULT ('');
ALTER TABLE external_domains ADD COLUMN records_for_all boolean NOT NULL DEFAULT FALSE;
-- The name of the TXT record that answers a challenge of type dns-01; edges answer the others.
ALTER TABLE acme_challenges ADD COLUMN record varchar(255) NOT NULL DEFAULT '';
