// Package guarded dials addresses that users chose: registries, and later push services, ACME directories and webhooks.
// It refuses the addresses by which a URL could be turned against Berth itself or against its host.
package guarded

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"berth/domain"
)

// Dialer refuses loopback, link-local, multicast and unspecified addresses. It checks the address that is really dialled,
// after name resolution, so that a name cannot be swapped in between.
type Dialer struct {
	// Allow lists "host:port" pairs, as resolved, that may be dialled all the same, such as a registry on loopback.
	Allow []string
}

// DialContext dials like net.Dialer, and refuses with domain.Forbidden.
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	inner := net.Dialer{Timeout: 10 * time.Second, Control: d.control}
	return inner.DialContext(ctx, network, address)
}

func (d Dialer) control(_, address string, _ syscall.RawConn) error {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return domain.Errorf(domain.Forbidden, "address %s cannot be checked: %w", address, err)
	}
	ip := target.Addr().Unmap()
	refused := ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip.IsInterfaceLocalMulticast()
	if refused && !slices.Contains(d.Allow, address) {
		return domain.Errorf(domain.Forbidden, "address %s is not allowed: it belongs to the host of Berth itself", address)
	}
	return nil
}

// Client returns an HTTP client that dials through d and ignores proxies.
func (d Dialer) Client(timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: d.Transport()}
}

// Transport returns an HTTP transport that dials through d and ignores proxies.
func (d Dialer) Transport() *http.Transport {
	return &http.Transport{
		DialContext: d.DialContext, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 4,
	}
}
