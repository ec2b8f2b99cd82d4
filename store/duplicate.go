package store

import "berth/domain"

// uniques says, for each unique constraint, what a person did wrong. SQLite names columns where the others name the constraint.
var uniques = []struct {
	constraint, columns string
	field, message      string
}{
	{"clusters_name", "clusters.name", "name", "there is a cluster of that name already"},
	{"sites_name", "sites.name", "name", "there is a site of that name already"},
	{"nodes_cluster_name", "nodes.cluster_id, nodes.name", "name", "the cluster has a node of that name already"},
	{"edges_site_name", "edges.site_id, edges.name", "name", "the site has an edge of that name already"},
	{"reservations_site_hostname", "reservations.site_id, reservations.hostname", "name", "the name is taken in this site"},
	{"reservations_site_address", "reservations.site_id, reservations.address", "address", "the address is taken in this site"},
	{"reservations_mac", "reservations.mac", "mac", "the MAC address is taken"},
	{"placements_cluster_vmid", "placements.cluster_id, placements.vmid", "vmid", "the VMID is taken in this cluster"},
	{"users_name", "users.name", "name", "there is a user of that name already"},
	{"user_groups_name", "user_groups.name", "name", "there is a group of that name already"},
	{"registries_host", "registries.host", "host", "there is a login for that registry already"},
	{"tokens_hash", "tokens.hash", "token", "the token exists already"},
	{"external_domains_name", "external_domains.name", "name", "there is an external domain of that name already"},
	{"idempotency_key", "idempotency.actor, idempotency.idem_key", "Idempotency-Key", "the key was used before"},
}

// duplicateOf makes the Conflict that names what exists already. What has no line above is a repeated ID.
func duplicateOf(constraint string, err error) error {
	for _, u := range uniques {
		if constraint == u.constraint || constraint == u.columns {
			return &domain.Error{
				Kind:    domain.Conflict,
				Message: u.message,
				Fields:  []domain.FieldError{{Field: u.field, Rule: "must be unique"}},
				Err:     err,
			}
		}
	}
	return &domain.Error{Kind: domain.Conflict, Message: "it exists already", Err: err}
}
