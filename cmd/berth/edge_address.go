package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"

	"berth/config"
	"berth/domain"
	"berth/edge"
)

// ownAddress learns which address this host has in its site's network. The site's network is in the snapshot: in the one that
// is kept, so that an edge that is cut off starts as well, otherwise in the API's, which is waited for.
func ownAddress(ctx context.Context, cfg config.Config, source edge.Source, logger *slog.Logger) (string, error) {
	if cfg.EdgeNamespace != "" {
		return "", domain.Errorf(domain.Invalid, "edge_address must be given together with edge_namespace")
	}
	own, err := ownAddresses(cfg.EdgeInterface)
	if err != nil {
		return "", err
	}
	kept, err := edge.Kept(cfg.EdgeDir)
	if err == nil && kept != nil {
		if address, err := edge.Address(*kept, own); err == nil {
			return address, nil
		}
	}
	var snapshot domain.Snapshot
	err = patiently(logger).until(ctx, "the site's network, from the API", func(ctx context.Context) (err error) {
		snapshot, _, _, err = source.Snapshot(ctx, "", 0)
		return err
	})
	if err != nil {
		return "", err
	}
	return edge.Address(snapshot, own)
}

// ownAddresses lists the addresses of one network interface, or of all.
func ownAddresses(name string) ([]netip.Addr, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var own []netip.Addr
	for _, i := range all {
		if name != "" && i.Name != name {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue // it went away meanwhile
		}
		for _, a := range addresses {
			if network, ok := a.(*net.IPNet); ok {
				if address, ok := netip.AddrFromSlice(network.IP); ok {
					own = append(own, address.Unmap())
				}
			}
		}
	}
	return own, nil
}
