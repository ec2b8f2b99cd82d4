-- +goose Up
-- Times are microseconds since 1970-01-01 UTC, 0 meaning never. Columns named *_sealed are encrypted by the key ring.
-- Lists are JSON, NULL when empty.
CREATE TABLE clusters (
    id varchar(64) NOT NULL PRIMARY KEY,
    name varchar(255) NOT NULL,
    endpoints longtext,
    token_id varchar(255) NOT NULL,
    token_sealed longtext NOT NULL,
    ca longtext NOT NULL,
    insecure boolean NOT NULL,
    vmid_first bigint NOT NULL,
    vmid_last bigint NOT NULL,
    realm varchar(255) NOT NULL,
    state varchar(64) NOT NULL,
    message longtext NOT NULL,
    pve varchar(64) NOT NULL,
    quorate boolean NOT NULL,
    seen_at bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT clusters_name UNIQUE (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE sites (
    id varchar(64) NOT NULL PRIMARY KEY,
    name varchar(255) NOT NULL,
    domain varchar(255) NOT NULL,
    cidr varchar(64) NOT NULL,
    gateway varchar(64) NOT NULL,
    range_first varchar(64) NOT NULL,
    range_last varchar(64) NOT NULL,
    dynamic_first varchar(64) NOT NULL,
    dynamic_last varchar(64) NOT NULL,
    nameservers longtext,
    forwarders longtext,
    lease_seconds bigint NOT NULL,
    desired bigint NOT NULL,
    published bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT sites_name UNIQUE (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE nodes (
    id varchar(64) NOT NULL PRIMARY KEY,
    name varchar(255) NOT NULL,
    cluster_id varchar(64) NOT NULL,
    site_id varchar(64) NOT NULL,
    address varchar(64) NOT NULL,
    template_storage varchar(255) NOT NULL,
    root_storage varchar(255) NOT NULL,
    bridge varchar(64) NOT NULL,
    state varchar(64) NOT NULL,
    message longtext NOT NULL,
    cores bigint NOT NULL,
    memory_total bigint NOT NULL,
    memory_free bigint NOT NULL,
    disk_total bigint NOT NULL,
    disk_free bigint NOT NULL,
    cpu double NOT NULL,
    slots bigint NOT NULL,
    maintenance boolean NOT NULL,
    seen_at bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT nodes_cluster_name UNIQUE (cluster_id, name),
    CONSTRAINT nodes_cluster FOREIGN KEY (cluster_id) REFERENCES clusters (id),
    CONSTRAINT nodes_site FOREIGN KEY (site_id) REFERENCES sites (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX nodes_by_site ON nodes (site_id);

CREATE TABLE edges (
    id varchar(64) NOT NULL PRIMARY KEY,
    name varchar(255) NOT NULL,
    site_id varchar(64) NOT NULL,
    address varchar(64) NOT NULL,
    retired boolean NOT NULL,
    applied bigint NOT NULL,
    fetched bigint NOT NULL,
    message longtext NOT NULL,
    versions longtext,
    leases longtext,
    reloads bigint NOT NULL,
    seen_at bigint NOT NULL,
    applied_at bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT edges_site_name UNIQUE (site_id, name),
    CONSTRAINT edges_site FOREIGN KEY (site_id) REFERENCES sites (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- No foreign keys from here to placements: checking one locks the site's or node's row, which requests made together would
-- then wait for in turns and deadlock on. Deleting a site or node looks for what is in use under that row's lock instead.
CREATE TABLE containers (
    id varchar(64) NOT NULL PRIMARY KEY,
    name varchar(255) NOT NULL,
    site_id varchar(64) NOT NULL,
    owner varchar(255) NOT NULL,
    image longtext NOT NULL,
    cores bigint NOT NULL,
    memory_mib bigint NOT NULL,
    swap_mib bigint NOT NULL,
    disk_gib bigint NOT NULL,
    env_sealed longtext NOT NULL,
    entrypoint longtext NOT NULL,
    wanted_node_id varchar(64) NOT NULL,
    state varchar(64) NOT NULL,
    power varchar(64) NOT NULL,
    want_power varchar(64) NOT NULL,
    message longtext NOT NULL,
    unmanaged boolean NOT NULL,
    digest varchar(255) NOT NULL,
    operation_id varchar(64) NOT NULL,
    created_at bigint NOT NULL,
    ready_at bigint NOT NULL,
    version bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX containers_by_name ON containers (name, site_id);
CREATE INDEX containers_by_owner ON containers (owner, id);
CREATE INDEX containers_by_site ON containers (site_id, id);
CREATE INDEX containers_by_state ON containers (state, id);

-- hostname is NULL once an address is quarantined: the name may be used again, the address may not.
CREATE TABLE reservations (
    id varchar(64) NOT NULL PRIMARY KEY,
    site_id varchar(64) NOT NULL,
    container_id varchar(64) NOT NULL,
    address varchar(64) NOT NULL,
    mac varchar(64) NOT NULL,
    hostname varchar(255),
    state varchar(64) NOT NULL,
    release_revision bigint NOT NULL,
    reason longtext NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT reservations_site_address UNIQUE (site_id, address),
    CONSTRAINT reservations_mac UNIQUE (mac),
    CONSTRAINT reservations_site_hostname UNIQUE (site_id, hostname)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX reservations_by_container ON reservations (container_id, state);
CREATE INDEX reservations_by_state ON reservations (state, id);

CREATE TABLE placements (
    cluster_id varchar(64) NOT NULL,
    vmid bigint NOT NULL,
    container_id varchar(64) NOT NULL,
    node_id varchar(64) NOT NULL,
    memory_mib bigint NOT NULL,
    disk_gib bigint NOT NULL,
    cores bigint NOT NULL,
    state varchar(64) NOT NULL,
    reason longtext NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT placements_cluster_vmid UNIQUE (cluster_id, vmid)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX placements_by_container ON placements (container_id, state);
CREATE INDEX placements_by_node ON placements (node_id);

CREATE TABLE users (
    id varchar(64) NOT NULL PRIMARY KEY,
    name varchar(255) NOT NULL,
    admin boolean NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT users_name UNIQUE (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE user_groups (
    id varchar(64) NOT NULL PRIMARY KEY,
    name varchar(255) NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT user_groups_name UNIQUE (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE group_members (
    group_id varchar(64) NOT NULL,
    username varchar(255) NOT NULL,
    PRIMARY KEY (group_id, username),
    CONSTRAINT group_members_group FOREIGN KEY (group_id) REFERENCES user_groups (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The row with the empty username is what everybody has who has no row of their own; 0 means no limit.
CREATE TABLE quotas (
    username varchar(255) NOT NULL PRIMARY KEY,
    containers bigint NOT NULL,
    cores bigint NOT NULL,
    memory_mib bigint NOT NULL,
    disk_gib bigint NOT NULL,
    version bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE tokens (
    id varchar(64) NOT NULL PRIMARY KEY,
    name varchar(255) NOT NULL,
    owner varchar(255) NOT NULL,
    scopes longtext,
    edge_id varchar(64) NOT NULL,
    hash varchar(255) NOT NULL,
    expires_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT tokens_hash UNIQUE (hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX tokens_by_owner ON tokens (owner, id);
CREATE INDEX tokens_by_edge ON tokens (edge_id);

CREATE TABLE external_domains (
    id varchar(64) NOT NULL PRIMARY KEY,
    name varchar(255) NOT NULL,
    site_id varchar(64) NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT external_domains_name UNIQUE (name),
    CONSTRAINT external_domains_site FOREIGN KEY (site_id) REFERENCES sites (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE services (
    id varchar(64) NOT NULL PRIMARY KEY,
    container_id varchar(64) NOT NULL,
    name varchar(255) NOT NULL,
    kind varchar(64) NOT NULL,
    port bigint NOT NULL,
    created_at bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT services_container_name UNIQUE (container_id, name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE operations (
    id varchar(64) NOT NULL PRIMARY KEY,
    kind varchar(64) NOT NULL,
    resource varchar(64) NOT NULL,
    resource_id varchar(64) NOT NULL,
    resource_name varchar(255) NOT NULL,
    site_id varchar(64) NOT NULL,
    state varchar(64) NOT NULL,
    step varchar(255) NOT NULL,
    message longtext NOT NULL,
    error_kind varchar(64) NOT NULL,
    actor varchar(255) NOT NULL,
    cancel_asked boolean NOT NULL,
    run_id varchar(64) NOT NULL,
    params longtext NOT NULL,
    events bigint NOT NULL,
    created_at bigint NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    version bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX operations_by_resource ON operations (resource_id, id);
CREATE INDEX operations_by_state ON operations (state, id);
CREATE INDEX operations_by_site ON operations (site_id, id);

CREATE TABLE operation_events (
    operation_id varchar(64) NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    step varchar(255) NOT NULL,
    level varchar(64) NOT NULL,
    message longtext NOT NULL,
    PRIMARY KEY (operation_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE idempotency (
    actor varchar(255) NOT NULL,
    idem_key varchar(255) NOT NULL,
    request_hash varchar(255) NOT NULL,
    operation_id varchar(64) NOT NULL,
    resource_id varchar(64) NOT NULL,
    created_at bigint NOT NULL,
    CONSTRAINT idempotency_key UNIQUE (actor, idem_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX idempotency_by_time ON idempotency (created_at);

-- One row: the number of the last change. Whoever writes changes holds its lock until the commit, so numbers become
-- visible in order and without gaps.
CREATE TABLE change_counter (
    id bigint NOT NULL PRIMARY KEY,
    last_seq bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
INSERT INTO change_counter (id, last_seq) VALUES (1, 0);

CREATE TABLE changes (
    seq bigint NOT NULL PRIMARY KEY,
    topic varchar(64) NOT NULL,
    row_id varchar(255) NOT NULL,
    at bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX changes_by_time ON changes (at);

CREATE TABLE audit (
    id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    at bigint NOT NULL,
    actor varchar(255) NOT NULL,
    source varchar(255) NOT NULL,
    action varchar(255) NOT NULL,
    resource varchar(64) NOT NULL,
    resource_id varchar(255) NOT NULL,
    name varchar(255) NOT NULL,
    outcome varchar(64) NOT NULL,
    detail longtext NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX audit_by_resource ON audit (resource_id, id);
CREATE INDEX audit_by_actor ON audit (actor, id);

CREATE TABLE settings (
    name varchar(255) NOT NULL PRIMARY KEY,
    value longtext NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE secrets (
    name varchar(255) NOT NULL PRIMARY KEY,
    value_sealed longtext NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE slots (
    holder varchar(255) NOT NULL PRIMARY KEY,
    node_id varchar(64) NOT NULL,
    expires_at bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX slots_by_node ON slots (node_id, expires_at);

CREATE TABLE breakers (
    node_id varchar(64) NOT NULL PRIMARY KEY,
    failures bigint NOT NULL,
    open_until bigint NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
