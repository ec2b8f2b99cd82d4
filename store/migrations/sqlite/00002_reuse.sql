-- +goose Up
-- When an address became free again: who had it may still be in its neighbours' ARP caches.
CREATE TABLE freed_addresses (
    site_id TEXT NOT NULL,
    address TEXT NOT NULL,
    freed_at INTEGER NOT NULL,
    PRIMARY KEY (site_id, address)
);

-- VMIDs of a cluster's range that guests have which Berth did not place, as last observed.
CREATE TABLE foreign_vmids (
    cluster_id TEXT NOT NULL,
    vmid INTEGER NOT NULL,
    PRIMARY KEY (cluster_id, vmid)
);
