-- +goose Up
-- Image registries that want a login, by the host that references name. The password is encrypted with the key ring.
CREATE TABLE registries (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    host text COLLATE "C" NOT NULL,
    username text COLLATE "C" NOT NULL,
    password_sealed text NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT registries_host UNIQUE (host)
);
