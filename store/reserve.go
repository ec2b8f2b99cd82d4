package store

import (
	"context"
	"crypto/rand"
	"fmt"

	"berth/domain"
)

// Reserve gives a container the address of its site that is free for the longest time, a fresh MAC and its host name, sets
// c.Address and c.MAC, and raises the site's revision. It waits for the site's lock, so no two requests see the same address
// free; the unique constraints stand behind it. A site without free address is Limited, a taken name a Conflict. A container
// that holds an address already, or is still releasing one under the same name, gets that one.
func (s *Store) Reserve(ctx context.Context, site domain.Site, c *domain.Container) error {
	return s.Transact(ctx, func(tx *Store) error {
		if _, err := tx.BumpSite(ctx, site.ID); err != nil {
			return err
		}
		fresh, err := tx.Site(ctx, site.ID)
		if err != nil {
			return err
		}
		if again, err := tx.holdAgain(ctx, fresh.ID, c); err != nil || again {
			return err
		}
		if err := tx.freeHostname(ctx, fresh.ID, c.ID, c.Name); err != nil {
			return err
		}
		address, err := tx.longestFree(ctx, fresh)
		if err != nil {
			return err
		}
		mac, err := tx.freshMAC(ctx)
		if err != nil {
			return err
		}
		return tx.hold(ctx, fresh.ID, c, address, mac)
	})
}

// ReserveAs reserves a given address and MAC, for a guest that has them already. The address may lie outside the site's range,
// but nobody else may have it: that is a Conflict. Reserving the same again changes nothing.
func (s *Store) ReserveAs(ctx context.Context, site domain.Site, c *domain.Container, address, mac string) error {
	return s.Transact(ctx, func(tx *Store) error {
		if _, err := tx.BumpSite(ctx, site.ID); err != nil {
			return err
		}
		fresh, err := tx.Site(ctx, site.ID)
		if err != nil {
			return err
		}
		if held, err := tx.heldBy(ctx, c.ID); err == nil && held.Address == address && held.MAC == mac {
			c.Address, c.MAC = address, mac
			return nil
		} else if err == nil {
			return domain.Errorf(domain.Conflict, "container %s holds the address %s already", c.Name, held.Address)
		} else if !domain.Is(err, domain.NotFound) {
			return err
		}
		if err := tx.freeHostname(ctx, fresh.ID, c.ID, c.Name); err != nil {
			return err
		}
		taken, err := tx.takenAddresses(ctx, fresh.ID)
		if err != nil {
			return err
		}
		if by, ok := taken[address]; ok {
			return refuse("address", "the address "+address+" is taken by "+by.what)
		}
		return tx.hold(ctx, fresh.ID, c, address, mac)
	})
}

func (s *Store) hold(ctx context.Context, siteID string, c *domain.Container, address, mac string) error {
	row := reservationRow{
		ID: domain.NewID(), SiteID: siteID, ContainerID: c.ID, Address: address, MAC: mac, Hostname: &c.Name, State: Held,
		CreatedAt: microsOf(s.stamp()),
	}
	if err := insert(ctx, s, &row, "reservation"); err != nil {
		return err
	}
	c.Address, c.MAC = address, mac
	s.changed(domain.TopicContainer, c.ID)
	return nil
}

// holdAgain takes up what the container holds, or was about to give back under the same name: edges may serve either state of
// it, and both say the same.
func (s *Store) holdAgain(ctx context.Context, siteID string, c *domain.Container) (bool, error) {
	row, err := one[reservationRow](s, s.q(ctx).
		Where("site_id = ? AND container_id = ? AND (state = ? OR state = ? AND hostname = ?)", siteID, c.ID, Held, Releasing, c.Name).
		Order("state"), "reservation") // "held" sorts before "releasing"
	if domain.Is(err, domain.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if row.Hostname == nil || *row.Hostname != c.Name {
		return false, domain.Errorf(domain.Conflict, "container %s holds an address under another name already", c.Name)
	}
	c.Address, c.MAC = row.Address, row.MAC
	s.changed(domain.TopicContainer, c.ID)
	return true, set[reservationRow](ctx, s, row.ID, "reservation", map[string]any{"state": Held, "release_revision": 0})
}

// freeHostname is nil when no other container of the site has the name, nor a node or an edge, which are named in DNS as well.
func (s *Store) freeHostname(ctx context.Context, siteID, containerID, name string) error {
	row, err := one[reservationRow](s, s.q(ctx).Where("site_id = ? AND hostname = ?", siteID, name), "reservation")
	switch {
	case err == nil && row.ContainerID == containerID:
		return nil
	case err == nil && row.State == Releasing:
		return refuse("name", "the name "+name+" was just given up and some edge still serves it: try again shortly")
	case err == nil:
		return refuse("name", "the name "+name+" is taken in this site")
	case !domain.Is(err, domain.NotFound):
		return err
	}
	nodes, err := count[nodeRow](s, s.q(ctx).Where("site_id = ? AND name = ? AND address <> ''", siteID, name), "nodes")
	if err != nil {
		return err
	}
	edges, err := count[edgeRow](s, s.q(ctx).Where("site_id = ? AND name = ? AND retired = ?", siteID, name, false), "edges")
	if err != nil {
		return err
	}
	if nodes+edges > 0 {
		return refuse("name", "the name "+name+" belongs to a node or an edge of this site")
	}
	return nil
}

// holder is who has an address.
type holder struct{ id, what string }

// takenAddresses returns who has which address of a site: containers, nodes, edges, the gateway and the name servers.
func (s *Store) takenAddresses(ctx context.Context, siteID string) (map[string]holder, error) {
	site, err := s.Site(ctx, siteID)
	if err != nil {
		return nil, err
	}
	taken := map[string]holder{site.Gateway: {site.ID, "the gateway"}}
	for _, part := range []struct{ table, id, what string }{
		{"reservations", "container_id", "a container"},
		{"nodes", "id", "a node"},
		{"edges", "id", "an edge"},
	} {
		var rows []struct{ Address, HolderID string }
		err := s.q(ctx).Table(part.table).Select("address, "+part.id+" AS holder_id").
			Where("site_id = ? AND address <> ''", siteID).Find(&rows).Error
		if err != nil {
			return nil, s.fault(err, "list addresses")
		}
		for _, r := range rows {
			taken[r.Address] = holder{r.HolderID, part.what}
		}
	}
	for _, a := range site.Nameservers {
		if _, ok := taken[a]; !ok {
			taken[a] = holder{site.ID, "a name server"}
		}
	}
	return taken, nil
}

// macPrefix is Proxmox VE's own (PVE::Tools, registered with the IEEE), so that guests look as if Proxmox had numbered them.
const macPrefix = "bc:24:11"

// freshMAC returns a random MAC that no reservation has. Of 16 million, a site's worth is rarely hit; the unique constraint
// refuses what two transactions pick at the same time.
func (s *Store) freshMAC(ctx context.Context) (string, error) {
	for {
		var b [3]byte
		_, _ = rand.Read(b[:]) // never fails, see crypto/rand
		mac := fmt.Sprintf("%s:%02x:%02x:%02x", macPrefix, b[0], b[1], b[2])
		n, err := count[reservationRow](s, s.q(ctx).Where("mac = ?", mac), "reservations")
		if err != nil || n == 0 {
			return mac, err
		}
	}
}
