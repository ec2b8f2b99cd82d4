-- +goose Up
-- Times are microseconds since 1970-01-01 UTC, 0 meaning never. Columns named *_sealed are encrypted by the key ring.
-- Lists are JSON, NULL when empty.
CREATE TABLE clusters (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    endpoints TEXT,
    token_id TEXT NOT NULL,
    token_sealed TEXT NOT NULL,
    ca TEXT NOT NULL,
    insecure BOOLEAN NOT NULL,
    vmid_first INTEGER NOT NULL,
    vmid_last INTEGER NOT NULL,
    realm TEXT NOT NULL,
    state TEXT NOT NULL,
    message TEXT NOT NULL,
    pve TEXT NOT NULL,
    quorate BOOLEAN NOT NULL,
    seen_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT clusters_name UNIQUE (name)
);

CREATE TABLE sites (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    domain TEXT NOT NULL,
    cidr TEXT NOT NULL,
    gateway TEXT NOT NULL,
    range_first TEXT NOT NULL,
    range_last TEXT NOT NULL,
    dynamic_first TEXT NOT NULL,
    dynamic_last TEXT NOT NULL,
    nameservers TEXT,
    forwarders TEXT,
    lease_seconds INTEGER NOT NULL,
    desired INTEGER NOT NULL,
    published INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT sites_name UNIQUE (name)
);

CREATE TABLE nodes (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    cluster_id TEXT NOT NULL,
    site_id TEXT NOT NULL,
    address TEXT NOT NULL,
    template_storage TEXT NOT NULL,
    root_storage TEXT NOT NULL,
    bridge TEXT NOT NULL,
    state TEXT NOT NULL,
    message TEXT NOT NULL,
    cores INTEGER NOT NULL,
    memory_total INTEGER NOT NULL,
    memory_free INTEGER NOT NULL,
    disk_total INTEGER NOT NULL,
    disk_free INTEGER NOT NULL,
    cpu REAL NOT NULL,
    slots INTEGER NOT NULL,
    maintenance BOOLEAN NOT NULL,
    seen_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT nodes_cluster_name UNIQUE (cluster_id, name),
    CONSTRAINT nodes_cluster FOREIGN KEY (cluster_id) REFERENCES clusters (id),
    CONSTRAINT nodes_site FOREIGN KEY (site_id) REFERENCES sites (id)
);
CREATE INDEX nodes_by_site ON nodes (site_id);

CREATE TABLE edges (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    site_id TEXT NOT NULL,
    address TEXT NOT NULL,
    retired BOOLEAN NOT NULL,
    applied INTEGER NOT NULL,
    fetched INTEGER NOT NULL,
    message TEXT NOT NULL,
    versions TEXT,
    leases TEXT,
    reloads INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    applied_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT edges_site_name UNIQUE (site_id, name),
    CONSTRAINT edges_site FOREIGN KEY (site_id) REFERENCES sites (id)
);

-- No foreign keys from here to placements: checking one locks the site's or node's row, which requests made together would
-- then wait for in turns and deadlock on. Deleting a site or node looks for what is in use under that row's lock instead.
CREATE TABLE containers (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    site_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    image TEXT NOT NULL,
    cores INTEGER NOT NULL,
    memory_mib INTEGER NOT NULL,
    swap_mib INTEGER NOT NULL,
    disk_gib INTEGER NOT NULL,
    env_sealed TEXT NOT NULL,
    entrypoint TEXT NOT NULL,
    wanted_node_id TEXT NOT NULL,
    state TEXT NOT NULL,
    power TEXT NOT NULL,
    want_power TEXT NOT NULL,
    message TEXT NOT NULL,
    unmanaged BOOLEAN NOT NULL,
    digest TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ready_at INTEGER NOT NULL,
    version INTEGER NOT NULL
);
CREATE INDEX containers_by_name ON containers (name, site_id);
CREATE INDEX containers_by_owner ON containers (owner, id);
CREATE INDEX containers_by_site ON containers (site_id, id);
CREATE INDEX containers_by_state ON containers (state, id);

-- hostname is NULL once an address is quarantined: the name may be used again, the address may not.
CREATE TABLE reservations (
    id TEXT NOT NULL PRIMARY KEY,
    site_id TEXT NOT NULL,
    container_id TEXT NOT NULL,
    address TEXT NOT NULL,
    mac TEXT NOT NULL,
    hostname TEXT,
    state TEXT NOT NULL,
    release_revision INTEGER NOT NULL,
    reason TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT reservations_site_address UNIQUE (site_id, address),
    CONSTRAINT reservations_mac UNIQUE (mac),
    CONSTRAINT reservations_site_hostname UNIQUE (site_id, hostname)
);
CREATE INDEX reservations_by_container ON reservations (container_id, state);
CREATE INDEX reservations_by_state ON reservations (state, id);

CREATE TABLE placements (
    cluster_id TEXT NOT NULL,
    vmid INTEGER NOT NULL,
    container_id TEXT NOT NULL,
    node_id TEXT NOT NULL,
    memory_mib INTEGER NOT NULL,
    disk_gib INTEGER NOT NULL,
    cores INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT placements_cluster_vmid UNIQUE (cluster_id, vmid)
);
CREATE INDEX placements_by_container ON placements (container_id, state);
CREATE INDEX placements_by_node ON placements (node_id);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    admin BOOLEAN NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT users_name UNIQUE (name)
);

CREATE TABLE user_groups (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT user_groups_name UNIQUE (name)
);

CREATE TABLE group_members (
    group_id TEXT NOT NULL,
    username TEXT NOT NULL,
    PRIMARY KEY (group_id, username),
    CONSTRAINT group_members_group FOREIGN KEY (group_id) REFERENCES user_groups (id) ON DELETE CASCADE
);

-- The row with the empty username is what everybody has who has no row of their own; 0 means no limit.
CREATE TABLE quotas (
    username TEXT NOT NULL PRIMARY KEY,
    containers INTEGER NOT NULL,
    cores INTEGER NOT NULL,
    memory_mib INTEGER NOT NULL,
    disk_gib INTEGER NOT NULL,
    version INTEGER NOT NULL
);

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    owner TEXT NOT NULL,
    scopes TEXT,
    edge_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT tokens_hash UNIQUE (hash)
);
CREATE INDEX tokens_by_owner ON tokens (owner, id);
CREATE INDEX tokens_by_edge ON tokens (edge_id);

CREATE TABLE external_domains (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    site_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT external_domains_name UNIQUE (name),
    CONSTRAINT external_domains_site FOREIGN KEY (site_id) REFERENCES sites (id)
);

CREATE TABLE services (
    id TEXT NOT NULL PRIMARY KEY,
    container_id TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    port INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    CONSTRAINT services_container_name UNIQUE (container_id, name)
);

CREATE TABLE operations (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    resource TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    resource_name TEXT NOT NULL,
    site_id TEXT NOT NULL,
    state TEXT NOT NULL,
    step TEXT NOT NULL,
    message TEXT NOT NULL,
    error_kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    cancel_asked BOOLEAN NOT NULL,
    run_id TEXT NOT NULL,
    params TEXT NOT NULL,
    events INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    version INTEGER NOT NULL
);
CREATE INDEX operations_by_resource ON operations (resource_id, id);
CREATE INDEX operations_by_state ON operations (state, id);
CREATE INDEX operations_by_site ON operations (site_id, id);

CREATE TABLE operation_events (
    operation_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    step TEXT NOT NULL,
    level TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (operation_id, seq)
);

CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    idem_key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    operation_id TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    CONSTRAINT idempotency_key UNIQUE (actor, idem_key)
);
CREATE INDEX idempotency_by_time ON idempotency (created_at);

-- One row: the number of the last change. Whoever writes changes holds its lock until the commit, so numbers become
-- visible in order and without gaps.
CREATE TABLE change_counter (
    id INTEGER NOT NULL PRIMARY KEY,
    last_seq INTEGER NOT NULL
);
INSERT INTO change_counter (id, last_seq) VALUES (1, 0);

CREATE TABLE changes (
    seq INTEGER NOT NULL PRIMARY KEY,
    topic TEXT NOT NULL,
    row_id TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE INDEX changes_by_time ON changes (at);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    source TEXT NOT NULL,
    action TEXT NOT NULL,
    resource TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    name TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_by_resource ON audit (resource_id, id);
CREATE INDEX audit_by_actor ON audit (actor, id);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE secrets (
    name TEXT NOT NULL PRIMARY KEY,
    value_sealed TEXT NOT NULL
);

CREATE TABLE slots (
    holder TEXT NOT NULL PRIMARY KEY,
    node_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX slots_by_node ON slots (node_id, expires_at);

CREATE TABLE breakers (
    node_id TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    open_until INTEGER NOT NULL
);
