-- +goose Up
-- Public names that have records of their own in zones that Berth may change: as it wrote them, or is writing them.
CREATE TABLE published_names (
    name TEXT NOT NULL PRIMARY KEY,
    domain_id TEXT NOT NULL,
    container_id TEXT NOT NULL,
    records TEXT NOT NULL,
    message TEXT NOT NULL,
    tried_at INTEGER NOT NULL,
    checked_at INTEGER NOT NULL
);
CREATE INDEX published_names_by_container ON published_names (container_id);

ALTER TABLE sites ADD COLUMN public_addresses TEXT NOT NULL DEFAULT '[]';
ALTER TABLE external_domains ADD COLUMN dns_provider TEXT NOT NULL DEFAULT 'manual';
ALTER TABLE external_domains ADD COLUMN dns_server TEXT NOT NULL DEFAULT '';
ALTER TABLE external_domains ADD COLUMN dns_key_name TEXT NOT NULL DEFAULT '';
ALTER TABLE external_domains ADD COLUMN dns_key_algorithm TEXT NOT NULL DEFAULT '';
ALTER TABLE external_domains ADD COLUMN dns_secret_sealed TEXT NOT NULL DEFAULT '';
ALTER TABLE external_domains ADD COLUMN records_for_all BOOLEAN NOT NULL DEFAULT FALSE;
-- The name of the TXT record that answers a challenge of type dns-01; edges answer the others.
ALTER TABLE acme_challenges ADD COLUMN record TEXT NOT NULL DEFAULT '';
