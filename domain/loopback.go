package domain

import "net"

// Loopback reports whether a host, as a URL or a listener names it, is this machine itself: what goes there without TLS can be
// read by nobody on a network.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
