-- +goose Up
-- Images that Berth keeps on nodes, by the volume that holds them. They are there to make the next container faster and go when
-- nobody has used them for long.
CREATE TABLE node_images (
    node_id TEXT NOT NULL,
    volume TEXT NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (node_id, volume)
);
CREATE INDEX node_images_by_use ON node_images (used_at);

-- The list of an owner's containers of one site.
CREATE INDEX containers_by_site_owner ON containers (site_id, owner, id);
