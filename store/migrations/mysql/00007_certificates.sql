-- +goose Up
-- Certificates for public names. The key is encrypted with the key ring.
CREATE TABLE certificates (
    id varchar(64) NOT NULL PRIMARY KEY,
    names longtext NOT NULL,
    source varchar(64) NOT NULL,
    chain longtext NOT NULL,
    key_sealed longtext NOT NULL,
    issuer longtext NOT NULL,
    serial varchar(255) NOT NULL,
    not_before bigint NOT NULL,
    not_after bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
