-- +goose Up
-- Image registries that want a login, by the host that references name. The password is encrypted with the key ring.
CREATE TABLE registries (
    id varchar(64) NOT NULL PRIMARY KEY,
    host varchar(255) NOT NULL,
    username varchar(255) NOT NULL,
    password_sealed longtext NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT registries_host UNIQUE (host)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
