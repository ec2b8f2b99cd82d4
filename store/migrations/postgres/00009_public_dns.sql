-- +goose Up
-- Public names that have records of their own in zones that Berth may change: as it wrote them, or is writing them.
CREATE TABLE published_names (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    domain_id text COLLATE "C" NOT NULL,
    container_id text COLLATE "C" NOT NULL,
    records text NOT NULL,
    message text NOT NULL,
    tried_at bigint NOT NULL,
    checked_at bigint NOT NULL
);
CREATE INDEX published_names_by_container ON published_names (container_id);

ALTER TABLE sites ADD COLUMN public_addresses text NOT NULL DEFAULT '[]';
ALTER TABLE external_domains ADD COLUMN dns_provider text COLLATE "C" NOT NULL DEFAULT 'manual';
ALTER TABLE external_domains ADD COLUMN dns_server text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE external_domains ADD COLUMN dns_key_name text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE external_domains ADD COLUMN dns_key_algorithm text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE external_domains ADD COLUMN dns_secret_sealed text NOT NULL DEFAULT '';
ALTER TABLE external_domains ADD COLUMN records_for_all boolean NOT NULL DEFAULT FALSE;
-- The name of the TXT record that answers a challenge of type dns-01; edges answer the others.
ALTER TABLE acme_challenges ADD COLUMN record text COLLATE "C" NOT NULL DEFAULT '';
