package main

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"time"

	"berth/app"
	"berth/domain"
	"berth/lab/ca"
)

// Names of the demo site, which the lab starts with.
const (
	demoSite    = "demo"
	demoDomain  = "demo.internal"
	demoPublic  = "demo.test"  // external domain; a name that is nobody's (RFC 6761)
	cloudPublic = "cloud.test" // zone of the double of Cloudflare
	demoEdge    = "edge1"

	demoAuthority = "lab" // ACME account
	adminName     = "admin"
)

// demo registers the lab as an administrator would: a site, an external domain, its nodes, its images and its edge, whose token it returns.
// What is there already stays as it is.
func (s *system) demo(ctx context.Context, l *lab) (domain.Secret, error) {
	self := domain.System("standalone")
	network := netip.MustParsePrefix(s.cfg.LabNetwork).Masked()
	gateway := network.Addr().Next()
	first, last := span(network)
	_, err := s.app.Sites.Create(ctx, self, app.SiteInput{
		Name: demoSite, Domain: demoDomain, CIDR: network.String(), Gateway: gateway.String(),
		RangeFirst: first.String(), RangeLast: last.String(), LeaseTime: time.Hour,
	})
	if err != nil && !domain.Is(err, domain.Conflict) {
		return "", err
	}
	var accounts []string
	if l.ca != nil {
		accounts = []string{demoAuthority}
		_, err = s.app.ACMEAccounts.Create(ctx, self, app.ACMEAccountInput{
			Name: demoAuthority, Directory: ca.Directory(s.cfg.LabCA), Roots: string(l.cert), TermsAgreed: true,
		})
		if err != nil && !domain.Is(err, domain.Conflict) {
			return "", err
		}
	}
	_, err = s.app.ExternalDomains.Create(ctx, self, app.ExternalDomainInput{Name: demoPublic, Site: demoSite, ACMEAccounts: accounts})
	if err != nil && !domain.Is(err, domain.Conflict) {
		return "", err
	}
	addresses := labAddresses(s.cfg)
	for i, name := range s.cfg.LabNodes {
		if _, err := s.app.Nodes.Get(ctx, self, name); err == nil {
			continue
		}
		_, findings, err := s.app.Nodes.Create(ctx, self, app.NodeInput{
			Site: demoSite, Name: name, URL: "https://" + addresses[min(i, len(addresses)-1)],
			TokenID: labTokenID, Token: labToken, CA: string(l.cert),
		})
		if err != nil {
			for _, f := range findings {
				s.logger.Error("node of the lab", "node", name, "what", f.What, "fix", f.Fix)
			}
			return "", err
		}
	}
	for _, i := range l.images {
		_, err := s.app.Images.Add(ctx, self, app.ImageInput{
			Name: i.Reference, Reference: l.registry.Address() + "/" + i.Reference, Description: i.Description,
		})
		if err != nil && !domain.Is(err, domain.Conflict) {
			return "", err
		}
	}
	return s.keptToken(ctx, filepath.Join(s.cfg.Data, "lab", "edge.token"), func() (domain.Secret, error) {
		_, token, err := s.app.Edges.Enroll(ctx, self, demoSite, demoEdge)
		return token, err
	})
}

// span leaves the lower sixteen addresses to bridge, nodes and edges, and the upper ones to the host.
func span(network netip.Prefix) (first, last netip.Addr) {
	first = network.Addr()
	for range 16 {
		first = first.Next()
	}
	size := 1 << (32 - network.Bits())
	last = first
	for range size - 16 - 6 {
		last = last.Next()
	}
	return first, last
}

// readyTimeout bounds how long the parts may take to find each other; they need a second or two.
const readyTimeout = 2 * time.Minute

// awaitReady waits until a container could be created.
func (s *system) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.app.Health.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-tick.C:
		}
	}
}
