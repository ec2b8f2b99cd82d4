-- +goose Up
-- Times are microseconds since 1970-01-01 UTC, 0 meaning never. Columns named *_sealed are encrypted by the key ring.
-- Lists are JSON, NULL when empty.
CREATE TABLE clusters (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    endpoints text,
    token_id text COLLATE "C" NOT NULL,
    token_sealed text NOT NULL,
    ca text NOT NULL,
    insecure boolean NOT NULL,
    vmid_first bigint NOT NULL,
    vmid_last bigint NOT NULL,
    realm text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    message text NOT NULL,
    pve text COLLATE "C" NOT NULL,
    quorate boolean NOT NULL,
    seen_at bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT clusters_name UNIQUE (name)
);

CREATE TABLE sites (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    domain text COLLATE "C" NOT NULL,
    cidr text COLLATE "C" NOT NULL,
    gateway text COLLATE "C" NOT NULL,
    range_first text COLLATE "C" NOT NULL,
    range_last text COLLATE "C" NOT NULL,
    dynamic_first text COLLATE "C" NOT NULL,
    dynamic_last text COLLATE "C" NOT NULL,
    nameservers text,
    forwarders text,
    lease_seconds bigint NOT NULL,
    desired bigint NOT NULL,
    published bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT sites_name UNIQUE (name)
);

CREATE TABLE nodes (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    cluster_id text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    template_storage text COLLATE "C" NOT NULL,
    root_storage text COLLATE "C" NOT NULL,
    bridge text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    message text NOT NULL,
    cores bigint NOT NULL,
    memory_total bigint NOT NULL,
    memory_free bigint NOT NULL,
    disk_total bigint NOT NULL,
    disk_free bigint NOT NULL,
    cpu double precision NOT NULL,
    slots bigint NOT NULL,
    maintenance boolean NOT NULL,
    seen_at bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT nodes_cluster_name UNIQUE (cluster_id, name),
    CONSTRAINT nodes_cluster FOREIGN KEY (cluster_id) REFERENCES clusters (id),
    CONSTRAINT nodes_site FOREIGN KEY (site_id) REFERENCES sites (id)
);
CREATE INDEX nodes_by_site ON nodes (site_id);

CREATE TABLE edges (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    retired boolean NOT NULL,
    applied bigint NOT NULL,
    fetched bigint NOT NULL,
    message text NOT NULL,
    versions text,
    leases text,
    reloads bigint NOT NULL,
    seen_at bigint NOT NULL,
    applied_at bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT edges_site_name UNIQUE (site_id, name),
    CONSTRAINT edges_site FOREIGN KEY (site_id) REFERENCES sites (id)
);

-- No foreign keys from here to placements: checking one locks the site's or node's row, which requests made together would
-- then wait for in turns and deadlock on. Deleting a site or node looks for what is in use under that row's lock instead.
CREATE TABLE containers (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    image text NOT NULL,
    cores bigint NOT NULL,
    memory_mib bigint NOT NULL,
    swap_mib bigint NOT NULL,
    disk_gib bigint NOT NULL,
    env_sealed text NOT NULL,
    entrypoint text NOT NULL,
    wanted_node_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    power text COLLATE "C" NOT NULL,
    want_power text COLLATE "C" NOT NULL,
    message text NOT NULL,
    unmanaged boolean NOT NULL,
    digest text COLLATE "C" NOT NULL,
    operation_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    ready_at bigint NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX containers_by_name ON containers (name, site_id);
CREATE INDEX containers_by_owner ON containers (owner, id);
CREATE INDEX containers_by_site ON containers (site_id, id);
CREATE INDEX containers_by_state ON containers (state, id);

-- hostname is NULL once an address is quarantined: the name may be used again, the address may not.
CREATE TABLE reservations (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    site_id text COLLATE "C" NOT NULL,
    container_id text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    mac text COLLATE "C" NOT NULL,
    hostname text COLLATE "C",
    state text COLLATE "C" NOT NULL,
    release_revision bigint NOT NULL,
    reason text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT reservations_site_address UNIQUE (site_id, address),
    CONSTRAINT reservations_mac UNIQUE (mac),
    CONSTRAINT reservations_site_hostname UNIQUE (site_id, hostname)
);
CREATE INDEX reservations_by_container ON reservations (container_id, state);
CREATE INDEX reservations_by_state ON reservations (state, id);

CREATE TABLE placements (
    cluster_id text COLLATE "C" NOT NULL,
    vmid bigint NOT NULL,
    container_id text COLLATE "C" NOT NULL,
    node_id text COLLATE "C" NOT NULL,
    memory_mib bigint NOT NULL,
    disk_gib bigint NOT NULL,
    cores bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT placements_cluster_vmid UNIQUE (cluster_id, vmid)
);
CREATE INDEX placements_by_container ON placements (container_id, state);
CREATE INDEX placements_by_node ON placements (node_id);

CREATE TABLE users (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    admin boolean NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT users_name UNIQUE (name)
);

CREATE TABLE user_groups (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT user_groups_name UNIQUE (name)
);

CREATE TABLE group_members (
    group_id text COLLATE "C" NOT NULL,
    username text COLLATE "C" NOT NULL,
    PRIMARY KEY (group_id, username),
    CONSTRAINT group_members_group FOREIGN KEY (group_id) REFERENCES user_groups (id) ON DELETE CASCADE
);

-- The row with the empty username is what everybody has who has no row of their own; 0 means no limit.
CREATE TABLE quotas (
    username text COLLATE "C" NOT NULL PRIMARY KEY,
    containers bigint NOT NULL,
    cores bigint NOT NULL,
    memory_mib bigint NOT NULL,
    disk_gib bigint NOT NULL,
    version bigint NOT NULL
);

CREATE TABLE tokens (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    owner text COLLATE "C" NOT NULL,
    scopes text,
    edge_id text COLLATE "C" NOT NULL,
    hash text COLLATE "C" NOT NULL,
    expires_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT tokens_hash UNIQUE (hash)
);
CREATE INDEX tokens_by_owner ON tokens (owner, id);
CREATE INDEX tokens_by_edge ON tokens (edge_id);

CREATE TABLE external_domains (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT external_domains_name UNIQUE (name),
    CONSTRAINT external_domains_site FOREIGN KEY (site_id) REFERENCES sites (id)
);

CREATE TABLE services (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    container_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    port bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT services_container_name UNIQUE (container_id, name)
);

CREATE TABLE operations (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    resource_id text COLLATE "C" NOT NULL,
    resource_name text COLLATE "C" NOT NULL,
    site_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    step text COLLATE "C" NOT NULL,
    message text NOT NULL,
    error_kind text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    cancel_asked boolean NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    params text NOT NULL,
    events bigint NOT NULL,
    created_at bigint NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    version bigint NOT NULL
);
CREATE INDEX operations_by_resource ON operations (resource_id, id);
CREATE INDEX operations_by_state ON operations (state, id);
CREATE INDEX operations_by_site ON operations (site_id, id);

CREATE TABLE operation_events (
    operation_id text COLLATE "C" NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    step text COLLATE "C" NOT NULL,
    level text COLLATE "C" NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (operation_id, seq)
);

CREATE TABLE idempotency (
    actor text COLLATE "C" NOT NULL,
    idem_key text COLLATE "C" NOT NULL,
    request_hash text COLLATE "C" NOT NULL,
    operation_id text COLLATE "C" NOT NULL,
    resource_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT idempotency_key UNIQUE (actor, idem_key)
);
CREATE INDEX idempotency_by_time ON idempotency (created_at);

-- One row: the number of the last change. Whoever writes changes holds its lock until the commit, so numbers become
-- visible in order and without gaps.
CREATE TABLE change_counter (
    id bigint NOT NULL PRIMARY KEY,
    last_seq bigint NOT NULL
);
INSERT INTO change_counter (id, last_seq) VALUES (1, 0);

CREATE TABLE changes (
    seq bigint NOT NULL PRIMARY KEY,
    topic text COLLATE "C" NOT NULL,
    row_id text COLLATE "C" NOT NULL,
    at bigint NOT NULL
);
CREATE INDEX changes_by_time ON changes (at);

CREATE TABLE audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at bigint NOT NULL,
    actor text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    resource text COLLATE "C" NOT NULL,
    resource_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    detail text NOT NULL
);
CREATE INDEX audit_by_resource ON audit (resource_id, id);
CREATE INDEX audit_by_actor ON audit (actor, id);

CREATE TABLE settings (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE secrets (
    name text COLLATE "C" NOT NULL PRIMARY KEY,
    value_sealed text NOT NULL
);

CREATE TABLE slots (
    holder text COLLATE "C" NOT NULL PRIMARY KEY,
    node_id text COLLATE "C" NOT NULL,
    expires_at bigint NOT NULL
);
CREATE INDEX slots_by_node ON slots (node_id, expires_at);

CREATE TABLE breakers (
    node_id text COLLATE "C" NOT NULL PRIMARY KEY,
    failures bigint NOT NULL,
    open_until bigint NOT NULL
);
