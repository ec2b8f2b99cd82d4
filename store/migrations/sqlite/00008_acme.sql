-- +goose Up
-- Accounts at certificate authorities that speak ACME. Keys are encrypted with the key ring.
CREATE TABLE acme_accounts (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    directory TEXT NOT NULL,
    email TEXT NOT NULL,
    profile TEXT NOT NULL,
    roots TEXT NOT NULL,
    eab_kid TEXT NOT NULL,
    eab_key_sealed TEXT NOT NULL,
    key_sealed TEXT NOT NULL,
    url TEXT NOT NULL,
    blocked INTEGER NOT NULL,
    blocked_reason TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT acme_accounts_name UNIQUE (name)
);

-- Orders that are not done, one for a certificate at most.
CREATE TABLE certificate_orders (
    certificate_id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    url TEXT NOT NULL,
    key_sealed TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

-- What edges of a site answer certificate authorities with.
CREATE TABLE acme_challenges (
    token TEXT NOT NULL PRIMARY KEY,
    certificate_id TEXT NOT NULL,
    site_id TEXT NOT NULL,
    key_authorization TEXT NOT NULL
);
CREATE INDEX acme_challenges_by_site ON acme_challenges (site_id);

ALTER TABLE external_domains ADD COLUMN acme_accounts TEXT NOT NULL DEFAULT '[]';
ALTER TABLE certificates ADD COLUMN state TEXT NOT NULL DEFAULT 'issued';
ALTER TABLE certificates ADD COLUMN domain_id TEXT NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN site_id TEXT NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN challenge TEXT NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN account_id TEXT NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN message TEXT NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE certificates ADD COLUMN retry_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE certificates ADD COLUMN renew_at INTEGER NOT NULL DEFAULT 0;
