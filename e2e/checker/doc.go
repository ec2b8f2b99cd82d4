//go:build e2e

// Package checker judges an installation from outside. It imports nothing of Berth: it asks the API as anybody could, the
// Proxmox VE API as an administrator of the cluster would, dnsmasq by DNS queries, and it reads the volumes on disk,
// dnsmasq's files and leases, and the database with plain SQL. Whatever is there must belong to exactly one container, and
// whatever a container should have must be there exactly once.
package checker
