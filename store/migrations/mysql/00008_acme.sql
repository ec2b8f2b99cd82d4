-- +goose Up
-- Accounts at certificate authorities that speak ACME. Keys are encrypted with the key ring.
CREATE TABLE acme_accounts (
    id varchar(64) NOT NULL PRIMARY KEY,
    name varchar(255) NOT NULL,
    directory longtext NOT NULL,
    email longtext NOT NULL,
    profile longtext NOT NULL,
    roots longtext NOT NULL,
    eab_kid longtext NOT NULL,
    eab_key_sealed longtext NOT NULL,
    key_sealed longtext NOT NULL,
    url longtext NOT NULL,
    blocked bigint NOT NULL,
    blocked_reason longtext NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT acme_accounts_name UNIQUE (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Orders that are not done, one for a certificate at most.
CREATE TABLE certificate_orders (
    certificate_id varchar(64) NOT NULL PRIMARY KEY,
    account_id varchar(64) NOT NULL,
    url longtext NOT NULL,
    key_sealed longtext NOT NULL,
    created_at bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What edges of a site answer certificate authorities with.
CREATE TABLE acme_challenges (
    token varchar(255) NOT NULL PRIMARY KEY,
    certificate_id varchar(64) NOT NULL,
    site_id varchar(64) NOT NULL,
    key_authorization longtext NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX acme_challenges_by_site ON acme_challenges (site_id);

ALTER TABLE external_domains ADD COLUMN acme_accounts longtext NOT NULL DEFAULT ('[]');
ALTER TABLE certificates ADD COLUMN state varchar(64) NOT NULL DEFAULT 'issued';
ALTER TABLE certificates ADD COLUMN domain_id varchar(64) NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN site_id varchar(64) NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN challenge varchar(64) NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN account_id varchar(64) NOT NULL DEFAULT '';
ALTER TABLE certificates ADD COLUMN message longtext NOT NULL DEFAULT ('');
ALTER TABLE certificates ADD COLUMN failures bigint NOT NULL DEFAULT 0;
ALTER TABLE certificates ADD COLUMN retry_at bigint NOT NULL DEFAULT 0;
ALTER TABLE certificates ADD COLUMN renew_at bigint NOT NULL DEFAULT 0;
