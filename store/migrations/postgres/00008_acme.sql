-- +goose Up
-- Accounts at certificate authorities that speak ACME. Keys are encrypted with the key ring.
CREATE TABLE acme_accounts (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    directory text NOT NULL,
    email text NOT NULL,
    profile text NOT NULL,
    roots text NOT NULL,
    eab_kid text NOT NULL,
    eab_key_sealed text NOT NULL,
    key_sealed text NOT NULL,
    url text NOT NULL,
    blocked bigint NOT NULL,
    blocked_reason text NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT acme_accounts_name UNIQUE (name)
);

-- Orders that are not done, one for a certificate at most.
CREATE TABLE certificate_orders (
    certificate_id text COLLATE "C" NOT NULL PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    url text NOT NULL,
    key_sealed text NOT NULL,
    created_at bigint NOT NULL
);

-- What edges of a site answer certificate authorities with.
CREATE TABLE acme_challenges (
    token text COLLATE "C" NOT NULL PRIMARY KEY,
    certificate_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    key_authorization text NOT NULL
);
CREATE INDEX acme_challenges_by_site ON acme_challenges (site_id);

ALTER TABLE external_domains ADD COLUMN acme_accounts text NOT NULL DEFAULT '[]';
ALTER TABLE certificates ADD COLUMN state text COLLATE "C" NOT NULL DEFAULT 'issued';
ALTER TABLE certificates ADD COLUMN domain_id text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN site_id text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN challenge text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN account_id text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN message text NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN failures bigint NOT NULL DEFAULT 0;
ALTER TABLE certificates ADD COLUMN retry_at bigint NOT NULL DEFAULT 0;
ALTER TABLE certificates ADD COLUMN renew_at bigint NOT NULL DEFAULT 0;
