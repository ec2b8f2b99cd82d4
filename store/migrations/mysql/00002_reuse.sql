-- +goose Up
-- When an address became free again: who had it may still be in its neighbours' ARP caches.
CREATE TABLE freed_addresses (
    site_id varchar(64) NOT NULL,
    address varchar(64) NOT NULL,
    freed_at bigint NOT NULL,
    PRIMARY KEY (site_id, address)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- VMIDs of a cluster's range that guests have which Berth did not place, as last observed.
CREATE TABLE foreign_vmids (
    cluster_id varchar(64) NOT NULL,
    vmid bigint NOT NULL,
    PRIMARY KEY (cluster_id, vmid)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
