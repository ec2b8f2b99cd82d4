-- +goose Up
-- Certificates for public names. The key is encrypted with the key ring.
CREATE TABLE certificates (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    names text NOT NULL,
    source text COLLATE "C" NOT NULL,
    chain text NOT NULL,
    key_sealed text NOT NULL,
    issuer text NOT NULL,
    serial text COLLATE "C" NOT NULL,
    not_before bigint NOT NULL,
    not_after bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL
);
